"""Analyse one media item: decode, find and follow faces, measure them, weigh the evidence.

Belongs here: the order of the work and its bounds. Does not belong here: how any step is done.
"""

import time
from contextlib import closing
from dataclasses import replace

from moretta.core.analysis import Analysis, AnalysisRequest, FaceReport, Feature, Notice, Progress, TrustReport, Voice
from moretta.core.ports import MediaReader, OnProgress
from moretta.core.prefetch import ahead
from moretta.core.values import FaceSample, Floats, Frame, MediaKind, TrackId
from moretta.use_cases.instruments import Instruments
from moretta.use_cases.track_record import TrackRecord

# A track not seen for this long is summarised and its meters are freed (the tracker itself forgets it sooner).
FORGET_AFTER_S = 5.0
# Cues cost time: they run on at most this many people at once, the first to appear.
MAX_TRUST_TRACKS = 3
# A video of a crowd must not grow the result without bound.
MAX_FACES = 256
# A face seen in fewer frames of a video is a glimpse, more often a false detection than a person.
MIN_VIDEO_FRAMES = 3
# Frames closer than this to the last one measured are decoded and counted only: 60 frames/s are measured at 30, which is what
# blinks (100-400 ms) and pulse signals (at most 3 Hz, Wang et al. 2017 work at 20 frames/s) need; 30 frames/s lose none.
LEAST_GAP_NS = 25_000_000
# Progress is told at most this often.
PROGRESS_EVERY_S = 0.2


def analyse(
    reader: MediaReader, request: AnalysisRequest, instruments: Instruments, on_progress: OnProgress | None = None
) -> Analysis:
    """Everything that `request` asks for about the media in `reader`, which is closed at the end.

    Raises:
        MediaError: the media is at fault.
        Exception: whatever `on_progress` raises, to cancel.
    """
    with closing(reader):
        told = _Told(on_progress, reader.frames_total)
        voice, envelope = _listen(reader, request, instruments, told)
        gallery = _Gallery(reader, request, instruments, envelope)
        still = reader.info.kind is MediaKind.IMAGE
        tracker = instruments.still_tracker() if still else instruments.tracker()
        measured_ns = -LEAST_GAP_NS
        with ahead(reader.frames()) as frames:
            for frame in frames:
                told.frame(gallery.faces_seen)
                if frame.time_ns - measured_ns < LEAST_GAP_NS:
                    continue
                measured_ns = frame.time_ns
                for tracked in tracker.update(frame):
                    gallery.see(instruments.observe(frame, tracked))
                gallery.forget(frame)
        told.stage("summarise", gallery.faces_seen)
        faces, trust = gallery.conclude()
        return Analysis(
            media=reader.info,
            faces=faces,
            trust=trust if Feature.TRUST in request.features else None,
            voice=voice if Feature.VOICE in request.features else None,
            models=instruments.models,
            warnings=(*reader.warnings, *gallery.warnings()),
            profile=request.profile,
        )


def _listen(
    reader: MediaReader, request: AnalysisRequest, instruments: Instruments, told: "_Told"
) -> tuple[Voice | None, tuple[Floats, Floats] | None]:
    wanted = Feature.VOICE in request.features or Feature.TRUST in request.features
    if not (wanted and reader.info.has_audio):
        return None, None
    told.stage("sound", 0)
    meter = instruments.sound()
    for block in reader.audio():
        meter.observe(block)
        told.stage("sound", 0)
    return meter.estimate(), meter.envelope()


class _Gallery:
    """The people of one media item."""

    def __init__(
        self,
        reader: MediaReader,
        request: AnalysisRequest,
        instruments: Instruments,
        envelope: tuple[Floats, Floats] | None,
    ) -> None:
        self._kind, self._scale = reader.info.kind, reader.scale
        self._request, self._instruments, self._envelope = request, instruments, envelope
        self._active: dict[TrackId, TrackRecord] = {}
        self._done: list[FaceReport] = []
        self._trusts: list[tuple[float, TrustReport]] = []
        self._dropped = 0
        self.faces_seen = 0

    def see(self, sample: FaceSample) -> None:
        """Take a sample of a track, new or known."""
        record = self._active.get(sample.tracked.track_id)
        if record is None:
            self.faces_seen += 1
            trusted = sum(r.has_trust for r in self._active.values()) < MAX_TRUST_TRACKS
            record = TrackRecord(sample, self._kind, self._request, self._instruments, self._envelope, trusted)
            self._active[record.track_id] = record
        record.observe(sample)

    def forget(self, frame: Frame) -> None:
        """Summarise the tracks that have been out of sight for long."""
        now = frame.time_ns / 1e9
        for record in [r for r in self._active.values() if now - r.last_time_s > FORGET_AFTER_S]:
            del self._active[record.track_id]
            self._summarise(record)

    def conclude(self) -> tuple[tuple[FaceReport, ...], TrustReport]:
        """All reports, by first appearance, and the trust report of the most prominent person."""
        for record in self._active.values():
            self._summarise(record)
        self._active.clear()
        faces = tuple(sorted(self._done, key=lambda face: (face.first_time_s, face.track_id)))
        if self._trusts:
            return faces, max(self._trusts, key=lambda pair: pair[0])[1]
        return faces, TrustReport(None, 0.0, (), ("No face was found that could be judged.",))

    def warnings(self) -> tuple[Notice, ...]:
        """What the caller should know about the faces."""
        notices = []
        if not self._done:
            notices.append(Notice("face.none", "No face was found."))
        if self._dropped:
            detail = f"Only the first {MAX_FACES} faces are reported; {self._dropped} more were seen."
            notices.append(Notice("face.too_many", detail))
        return tuple(notices)

    def _summarise(self, record: TrackRecord) -> None:
        if self._kind is MediaKind.VIDEO and record.frames < MIN_VIDEO_FRAMES:
            return
        if len(self._done) >= MAX_FACES:
            self._dropped += 1
            return
        self._done.append(record.report(self._scale))
        if record.has_trust:
            self._trusts.append((record.prominence, record.trust()))
            self._trusts = [max(self._trusts, key=lambda pair: pair[0])]


class _Told:
    """Tells progress, not too often."""

    def __init__(self, on_progress: OnProgress | None, frames_total: int | None) -> None:
        self._on_progress, self._total = on_progress, frames_total
        self._start = self._last = time.monotonic()
        self._progress = Progress("open", 0, frames_total, 0.0, None, 0)

    def stage(self, name: str, faces_seen: int) -> None:
        """A step without frames."""
        self._progress = replace(self._progress, stage=name, faces_seen=faces_seen)
        self._tell()

    def frame(self, faces_seen: int) -> None:
        """One more frame is done."""
        done = self._progress.frames_done + 1
        fps = done / max(time.monotonic() - self._start, 1e-6)
        eta = max(self._total - done, 0) / fps if self._total else None
        self._progress = Progress("frames", done, self._total, fps, eta, faces_seen)
        self._tell()

    def _tell(self) -> None:
        now = time.monotonic()
        if self._on_progress is not None and now - self._last >= PROGRESS_EVERY_S:
            self._last = now
            self._on_progress(self._progress)
