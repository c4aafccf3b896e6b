"""Redact one media item: find, hide, check.

Belongs here: the order of the passes. Does not belong here: how any of them works.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace

from moretta.core.analysis import MediaInfo, Notice, Progress
from moretta.core.errors import RequestInvalid
from moretta.core.ports import MediaReader, OnProgress
from moretta.core.prefetch import ahead
from moretta.core.redaction import RedactableMedia, Redaction, RedactionRequest, Rewritten, Scope
from moretta.core.values import Floats, Frame, MediaKind, Pixels, TrackId
from moretta.use_cases.redaction.attacks import LeakAttacks
from moretta.use_cases.redaction.check import Checked, check
from moretta.use_cases.redaction.find import (
    CAREFUL_EVERY_S,
    CHECK_CAREFUL_EVERY_S,
    LOOK_EVERY_S,
    Every,
    Found,
    Looking,
    find,
    tracking_of,
)
from moretta.use_cases.redaction.instruments import Detectors, RedactionInstruments
from moretta.use_cases.redaction.plan import Hiding, Plan, hidden_tracks, plan_of
from moretta.use_cases.redaction.tracks import Track

# How often what the check finds is hidden as well and the output written anew. Each round costs as much as the first.
MOST_ROUNDS = 2
_PROGRESS_EVERY_S = 0.2


def redact(
    media: RedactableMedia,
    request: RedactionRequest,
    instruments: RedactionInstruments,
    on_progress: OnProgress | None = None,
) -> Redaction:
    """Write `media` anew with faces hidden as `request` says, and tell what was done and what the check found.

    Where the check finds a face uncovered, that face is hidden too, and output and check are made once more; the report is the
    last check's.

    Raises:
        MediaError: the media is at fault, or the output passes its limit.
        RequestInvalid: the request names tracks that this item does not have.
        Exception: whatever `on_progress` raises, to cancel.
    """
    told = Told(on_progress)
    found, info, notices = followed(media, instruments, told)
    request, doubts = _unless_followed_otherwise(request, found)
    notices += doubts
    _refuse_unknown(request, found)
    plan = plan_of(found, request)
    if request.follow_only:
        return _told_of(request, info, found, plan, None, None, notices)
    for round_ in range(MOST_ROUNDS):
        attacks = _attacks(request, instruments, plan)
        written, hiding = _hidden(media, request, instruments, plan, info, attacks, told)
        if not request.check:
            return _told_of(request, info, found, plan, written, None, notices)
        looked_at = frozenset[int]() if request.every_frame else found.looked_at
        checked = _checked(media, instruments, plan, hiding, attacks, told, looked_at)
        if checked.report.clean or round_ == MOST_ROUNDS - 1:
            break
        _add(found, checked)
        plan = plan_of(found, request)
    return _told_of(request, info, found, plan, written, checked, notices)


def followed(
    media: RedactableMedia, instruments: RedactionInstruments, told: "Told"
) -> tuple[Found, MediaInfo, tuple[Notice, ...]]:
    """The first pass: what is found in the media, always in the same way."""
    with closing(media.reader()) as reader:
        often = Every(LOOK_EVERY_S)
        looking = _looking(reader, instruments, instruments.finding, often.due, CAREFUL_EVERY_S)
        told.begin("find", reader.frames_total)
        with _frames(reader) as frames:
            found = find(frames, reader.scale, looking, instruments.follower, told.frame)
        return found, replace(reader.info, frames=len(found.times_s)), tuple(reader.warnings)


def _looking(
    reader: MediaReader,
    instruments: RedactionInstruments,
    detectors: Detectors,
    looks_at: Callable[[Frame], bool],
    careful_every_s: float,
) -> Looking:
    still = reader.info.kind is MediaKind.IMAGE
    cuts, follower = instruments.cuts(), instruments.follower
    return Looking(detectors, cuts, follower, still=still, looks_at=looks_at, every_s=careful_every_s)


def _left_out(looked_at: frozenset[int]) -> Callable[[Frame], bool]:
    """Where the check looks: at frames at which the first pass did not, at the item's first, and, of frames in a row at which
    it did, at all but one: so a video of few frames a second is checked as well."""
    return lambda frame: frame.index not in looked_at or frame.index == 0 or frame.index - 1 in looked_at


@contextmanager
def _frames(reader: MediaReader) -> Iterator[Iterator[Frame]]:
    with ahead(reader.frames()) as frames:
        yield frames


def _hidden(
    media: RedactableMedia,
    request: RedactionRequest,
    instruments: RedactionInstruments,
    plan: Plan,
    info: MediaInfo,
    attacks: LeakAttacks | None,
    told: "Told",
) -> tuple[Rewritten, Hiding]:
    describe = instruments.describe if request.method in instruments.needs_mesh else None
    hiding = Hiding(plan, instruments.redactor(request.method, request.seed), describe)
    told.begin("hide", info.frames)
    written = media.rewrite(_Counted(hiding, attacks, told), request.sound, request.seed, plan.frames)
    return written, hiding


def _attacks(request: RedactionRequest, instruments: RedactionInstruments, plan: Plan) -> LeakAttacks | None:
    if not request.check or instruments.attack is None:
        return None
    return LeakAttacks(plan, instruments.attack(request.method), request.seed)


def _checked(
    media: RedactableMedia,
    instruments: RedactionInstruments,
    plan: Plan,
    hiding: Hiding,
    attacks: LeakAttacks | None,
    told: "Told",
    looked_at: frozenset[int],
) -> Checked:
    """What the check finds; `looked_at`: frames at which it need not look, since the first pass did."""
    with closing(media.written()) as reader:
        looking = _looking(reader, instruments, instruments.checking, _left_out(looked_at), CHECK_CAREFUL_EVERY_S)
        told.begin("check", plan.frames)
        with _frames(reader) as frames:
            seen = frames if attacks is None else _seen_by(attacks, frames, reader.scale)
            found = check(
                seen, reader.scale, looking, plan, hiding.unchanged, hiding.frames_with_faces, lambda: told.frame(0)
            )
    if attacks is None:
        return found
    outcome = attacks.conclude()
    report = replace(
        found.report,
        gallery_size=outcome.gallery_size,
        reidentification_trials=outcome.trials,
        reidentified=outcome.reidentified,
        reversal_similarity=outcome.reversal_similarity,
    )
    return replace(found, report=report)


def _seen_by(attacks: LeakAttacks, frames: Iterator[Frame], scale: float) -> Iterator[Frame]:
    for frame in frames:
        attacks.take_output(frame.pixels, frame.index, scale)
        yield frame


def _add(found: Found, checked: Checked) -> None:
    """Take the faces that were found uncovered for faces: each a track of its own, which reaches beyond its frame as all do."""
    following = max((int(track.track_id) for track in found.tracks), default=0) + 1
    for index, faces in checked.faces.items():
        for face in faces:
            track = Track(TrackId(following))
            track.see(index, face.box, face.landmarks, face.detection_score)
            found.tracks.append(track)
            following += 1


def _unless_followed_otherwise(request: RedactionRequest, found: Found) -> tuple[RedactionRequest, tuple[Notice, ...]]:
    """The request; one that hides every face where the tracks that it names were followed in another way than these."""
    if not request.tracking or request.tracking == tracking_of(found):
        return request, ()
    detail = (
        "The faces were followed in another way than when persons were looked for; every face is hidden. Try again."
    )
    return replace(request, scope=Scope.ALL, tracks=frozenset()), (Notice("redaction.followed_otherwise", detail),)


def _refuse_unknown(request: RedactionRequest, found: Found) -> None:
    known = {track.track_id for track in found.tracks}
    if request.scope is not Scope.ALL and not request.tracks <= known:
        wrong = len(request.tracks - known)
        raise RequestInvalid(
            f"expected ids of this item's {len(known)} tracks, got {wrong} others; list the tracks first"
        )


def _told_of(
    request: RedactionRequest,
    info: MediaInfo,
    found: Found,
    plan: Plan,
    written: Rewritten | None,
    checked: Checked | None,
    notices: tuple[Notice, ...],
) -> Redaction:
    ended = found.times_s[-1] if found.times_s else 0.0
    return Redaction(
        method=request.method,
        width=info.width,
        height=info.height,
        frames=plan.frames if written is None else written.frames,
        duration_s=info.duration_s if info.duration_s is not None else ended,
        sound=None if written is None else written.sound,
        container=info.format,
        bytes=0 if written is None else written.bytes,
        tracks=hidden_tracks(plan, found.times_s),
        report=None if checked is None else checked.report,
        warnings=(*notices, *(written.warnings if written is not None else ())),
    )


class _Counted:
    """A `FrameEditor` that tells progress and lets the attackers see each frame before it is edited."""

    def __init__(self, hiding: Hiding, attacks: LeakAttacks | None, told: "Told") -> None:
        self._hiding, self._attacks, self._told = hiding, attacks, told

    def regions(self, index: int) -> Sequence[Floats]:
        self._told.frame()
        return self._hiding.regions(index)

    def edit(self, pixels: Pixels, index: int) -> None:
        if self._attacks is not None:
            self._attacks.take_original(pixels, index)
        self._hiding.edit(pixels, index)


class Told:
    """Tells progress, not too often."""

    def __init__(self, on_progress: OnProgress | None) -> None:
        self._on_progress = on_progress
        self._start = self._last = time.monotonic()
        self._progress = Progress("open", 0, None, 0.0, None, 0)
        self._tracks = 0

    def begin(self, stage: str, total: int | None) -> None:
        """Another pass."""
        self._start = time.monotonic()
        self._progress = Progress(stage, 0, total, 0.0, None, self._tracks)

    def frame(self, tracks: int = 0) -> None:
        """One more frame is done."""
        self._tracks = max(self._tracks, tracks)
        done, total = self._progress.frames_done + 1, self._progress.frames_total
        now = time.monotonic()
        fps = done / max(now - self._start, 1e-6)
        left = max(total - done, 0) / fps if total else None
        self._progress = Progress(self._progress.stage, done, total, fps, left, self._tracks)
        if self._on_progress is not None and now - self._last >= _PROGRESS_EVERY_S:
            self._last = now
            self._on_progress(self._progress)
