"""The order of the passes: find, hide, check, and once more where the check finds something."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from moretta.core.analysis import MediaInfo, Notice, Progress
from moretta.core.errors import Cancelled, RequestInvalid
from moretta.core.redaction import (
    FaceToHide,
    FrameEditor,
    Method,
    RedactionRequest,
    Redactor,
    Rewritten,
    Scope,
    SoundTreatment,
)
from moretta.core.values import AudioBlock, Face, Floats, Frame, MediaKind, Pixels, TrackId
from moretta.use_cases.redaction.instruments import Detectors, RedactionInstruments
from moretta.use_cases.redaction.redact import redact

SIDE, FRAMES = 96, 6
BRIGHT = 255


def picture(squares: Sequence[int]) -> Pixels:
    """Grey, with a bright square (a face, to the detector here) from each of these columns on."""
    pixels = np.full((SIDE, SIDE, 3), 60, np.uint8)
    for x in squares:
        pixels[40:50, x : x + 10] = BRIGHT
    return pixels


class BrightDetector:
    """Finds bright squares; `blind` keeps it from finding one in these columns."""

    def __init__(self, blind: int | None = None) -> None:
        self._blind = blind

    def detect(self, pixels: Pixels) -> list[Face]:
        columns = np.flatnonzero(pixels[45, :, 0] == BRIGHT)
        starts = [int(x) for x in columns if x == 0 or pixels[45, x - 1, 0] != BRIGHT]
        return [
            Face(np.array([x, 40, x + 10, 50], np.float32), np.full((5, 2), 45, np.float32), 0.9)
            for x in starts
            if x != self._blind
        ]


class Black:
    def hide(self, pixels: Pixels, faces: Sequence[FaceToHide]) -> None:
        for face in faces:
            left, top, right, bottom = face.box.clip(0, SIDE).astype(int)
            pixels[top:bottom, left:right] = 0


class NoCuts:
    def cut_before(self, pixels: Pixels) -> bool:
        return False


class NoFollower:
    def thumbnail(self, pixels: Pixels) -> Pixels:
        return pixels[:, :, 0]

    def follow(self, before: Pixels, box: Floats, now: Pixels, scale: float) -> tuple[Floats, float]:
        return box, -1.0


@dataclass
class FramesReader:
    frames_given: list[Pixels]
    scale: float = 1.0
    warnings: Sequence[Notice] = ()
    closed: bool = False
    rate: float = 10.0
    announced: float | None = None

    @property
    def info(self) -> MediaInfo:
        count, rate = len(self.frames_given), self.announced or self.rate
        return MediaInfo(MediaKind.VIDEO, "mp4", SIDE, SIDE, count, count / rate, rate, False, 0, False, 1)

    @property
    def frames_total(self) -> int | None:
        return len(self.frames_given)

    def frames(self) -> Iterator[Frame]:
        for index, pixels in enumerate(self.frames_given):
            yield Frame(pixels.copy(), index, round(index / self.rate * 1e9))

    def audio(self) -> Iterator[AudioBlock]:
        return iter(())

    def close(self) -> None:
        self.closed = True


@dataclass
class MediaInMemory:
    """A `RedactableMedia` whose frames are arrays."""

    given: list[Pixels]
    made: list[list[Pixels]] = field(default_factory=list)
    readers: list[FramesReader] = field(default_factory=list)
    rate: float = 10.0
    announced: float | None = None

    def reader(self) -> FramesReader:
        self.readers.append(FramesReader(self.given, rate=self.rate, announced=self.announced))
        return self.readers[-1]

    def rewrite(self, editor: FrameEditor, sound: SoundTreatment, seed: int, frames: int) -> Rewritten:
        made = []
        for index, pixels in enumerate(self.given[:frames]):
            copy = pixels.copy()
            if editor.regions(index):
                editor.edit(copy, index)
            made.append(copy)
        self.made.append(made)
        return Rewritten("mp4", 1234, len(made), sound, (Notice("some.note", "A note."),))

    def written(self) -> FramesReader:
        self.readers.append(FramesReader(self.made[-1], rate=self.rate))
        return self.readers[-1]


def instruments(finding: BrightDetector, checking: BrightDetector) -> RedactionInstruments:
    def redactor(method: Method, seed: int) -> Redactor:
        return Black()

    def describe(pixels: Pixels, face: FaceToHide) -> FaceToHide:
        return face

    found, checked = Detectors(finding, finding, finding), Detectors(checking, checking, checking)
    return RedactionInstruments(found, checked, NoFollower(), NoCuts, describe, redactor)


def two_faces() -> MediaInMemory:
    return MediaInMemory([picture([20, 60])] * FRAMES)


def test_all_faces_are_hidden_and_every_reader_is_closed() -> None:
    media = two_faces()
    done = redact(media, RedactionRequest(), instruments(BrightDetector(), BrightDetector()))
    assert len(media.made) == 1
    assert all((pixels != BRIGHT).all() for pixels in media.made[0])
    assert all(reader.closed for reader in media.readers)
    assert done.report is not None
    assert done.report.clean
    assert (done.frames, done.bytes, done.sound, done.report.frames) == (FRAMES, 1234, SoundTreatment.KEEP, FRAMES)
    assert [track.frames for track in done.tracks] == [FRAMES, FRAMES]
    assert [notice.code for notice in done.warnings] == ["some.note"]


class Counting(BrightDetector):
    """Remembers how often it looked."""

    looks = 0

    def detect(self, pixels: Pixels) -> list[Face]:
        self.looks += 1
        return super().detect(pixels)


@pytest.mark.parametrize(
    ("rate", "every_frame", "first", "after"), [(10.0, False, 30, 30), (30.0, False, 10, 21), (30.0, True, 10, 30)]
)
def test_each_frame_is_looked_at_before_or_after_and_strictly_in_the_output(
    rate: float, every_frame: bool, first: int, after: int
) -> None:
    finding, checking = Counting(), Counting()
    media = MediaInMemory([picture([20, 60])] * 30, rate=rate)
    done = redact(media, RedactionRequest(every_frame=every_frame), instruments(finding, checking))
    assert done.report is not None
    assert (finding.looks, checking.looks, done.report.frames_looked_at) == (first, after, after)
    assert done.report.frames == 30


def test_frames_own_times_count_and_not_the_rate_that_the_container_announces() -> None:
    finding, checking = Counting(), Counting()
    media = MediaInMemory([picture([20, 60])] * 30, rate=30.0, announced=1000.0)
    done = redact(media, RedactionRequest(), instruments(finding, checking))
    assert (finding.looks, checking.looks) == (10, 21)
    assert [track.frames for track in done.tracks] == [30, 30]


def test_the_only_frame_of_a_video_is_checked() -> None:
    done = redact(
        MediaInMemory([picture([20])], rate=30.0), RedactionRequest(), instruments(BrightDetector(), BrightDetector())
    )
    assert done.report is not None
    assert (done.report.frames, done.report.frames_looked_at) == (1, 1)


def test_what_the_check_finds_is_hidden_in_a_second_round() -> None:
    media = two_faces()
    done = redact(media, RedactionRequest(), instruments(BrightDetector(blind=60), BrightDetector()))
    assert len(media.made) == 2
    assert (media.made[0][0] == BRIGHT).any(), "the first round had a face left"
    assert all((pixels != BRIGHT).all() for pixels in media.made[1])
    assert done.report is not None
    assert done.report.clean, "the report is the last check's"


def test_a_leak_that_stays_is_reported_and_there_is_no_third_round() -> None:
    media = two_faces()

    class Stubborn(BrightDetector):
        def detect(self, pixels: Pixels) -> list[Face]:
            return [Face(np.array([5, 5, 15, 15], np.float32), np.full((5, 2), 9, np.float32), 0.6)]

    class Lazy:
        def hide(self, pixels: Pixels, faces: Sequence[FaceToHide]) -> None:
            """Nothing."""

    lazy = replace(instruments(BrightDetector(), Stubborn()), redactor=lambda method, seed: Lazy())
    done = redact(media, RedactionRequest(), lazy)
    assert len(media.made) == 2
    assert done.report is not None
    assert done.report.frames_leaking == FRAMES
    assert done.report.longest_leak_ms == pytest.approx(100 * FRAMES)


def test_without_a_check_there_is_no_report_and_one_round() -> None:
    media = two_faces()
    done = redact(media, RedactionRequest(check=False), instruments(BrightDetector(blind=60), BrightDetector()))
    assert done.report is None
    assert len(media.made) == 1
    assert len(media.readers) == 1


def test_only_following_writes_nothing() -> None:
    media = two_faces()
    done = redact(media, RedactionRequest(follow_only=True), instruments(BrightDetector(), BrightDetector()))
    assert media.made == []
    assert (done.bytes, done.sound, done.report) == (0, None, None)
    assert [track.track_id for track in done.tracks] == [1, 2]


def test_a_face_left_visible_is_neither_hidden_nor_a_leak() -> None:
    media = two_faces()
    request = RedactionRequest(scope=Scope.ALL_BUT, tracks=frozenset({TrackId(1)}))
    done = redact(media, request, instruments(BrightDetector(), BrightDetector()))
    assert all((pixels[45, 20:30] == BRIGHT).all() for pixels in media.made[0])
    assert all((pixels[:, 45:] != BRIGHT).all() for pixels in media.made[0])
    assert done.report is not None
    assert done.report.clean
    assert [track.exempt for track in done.tracks] == [True, False]


def test_tracks_that_are_not_there_are_refused() -> None:
    media = two_faces()
    request = RedactionRequest(scope=Scope.ONLY, tracks=frozenset({TrackId(1), TrackId(7)}))
    with pytest.raises(RequestInvalid, match="2 tracks"):
        redact(media, request, instruments(BrightDetector(), BrightDetector()))
    assert media.made == []


def test_a_caller_who_has_enough_ends_the_work() -> None:
    def stop(_: Progress) -> None:
        raise Cancelled("enough")

    media = MediaInMemory([picture([20])] * 200)

    class Slow(BrightDetector):
        def detect(self, pixels: Pixels) -> list[Face]:
            time.sleep(0.01)
            return super().detect(pixels)

    with pytest.raises(Cancelled):
        redact(media, RedactionRequest(), instruments(Slow(), BrightDetector()), stop)
    assert all(reader.closed for reader in media.readers)
