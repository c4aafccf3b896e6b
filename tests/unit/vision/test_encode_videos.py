"""What a rewritten video keeps, and what it does not."""

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from tests.media import corners, make_video, memory_file

from moretta.core.errors import MediaTooLarge
from moretta.core.limits import MediaLimits
from moretta.core.redaction import FrameEditor, Rewritten, SoundTreatment
from moretta.core.values import Floats, Pixels
from moretta.vision.encode import DescriptorMedia

SECRET = "marked-secret"


class Leave:
    """Changes nothing."""

    def regions(self, index: int) -> Sequence[Floats]:
        return ()

    def edit(self, pixels: Pixels, index: int) -> None:
        raise AssertionError("no region, no edit")


class Blacken:
    """Blackens the top left of every second frame."""

    def regions(self, index: int) -> Sequence[Floats]:
        return (np.array([0, 0, 32, 24], np.float32),) if index % 2 else ()

    def edit(self, pixels: Pixels, index: int) -> None:
        pixels[:24, :32] = 0


@contextmanager
def rewritten(
    content: bytes,
    editor: FrameEditor | None = None,
    sound: SoundTreatment = SoundTreatment.KEEP,
    frames: int = 1000,
    limit: int = 2**22,
) -> Iterator[tuple[bytes, Rewritten]]:
    output = os.memfd_create("output")
    try:
        os.ftruncate(output, limit)
        with memory_file(content) as media:
            item = DescriptorMedia(media, output, MediaLimits())
            told = item.rewrite(editor or Leave(), sound, 5, frames)
        yield os.pread(output, told.bytes, 0), told
    finally:
        os.close(output)


def opened(content: bytes) -> Any:
    return av.open(io.BytesIO(content))


def pictures(content: bytes) -> list[Pixels]:
    with opened(content) as container:
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in container.decode(video=0)]


def times(content: bytes) -> list[Fraction]:
    with opened(content) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def sound_packets(content: bytes) -> list[bytes]:
    with opened(content) as container:
        return [bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size]


@pytest.mark.parametrize("kind", ["mp4", "mov", "webm", "mkv", "avi", "mpegts"])
def test_container_codec_pixel_format_times_and_sound_stay(kind: str) -> None:
    content = make_video(kind, frames=10, audio_s=0.4)
    with rewritten(content) as (made, told):
        assert told.container == kind
        assert (told.frames, told.sound, told.warnings) == (10, SoundTreatment.KEEP, ())
        with opened(content) as before, opened(made) as after:
            assert before.format.name == after.format.name
            one, other = before.streams.video[0], after.streams.video[0]
            for name in ("width", "height", "pix_fmt", "name"):
                assert getattr(one.codec_context, name) == getattr(other.codec_context, name), name
            assert abs(float(one.average_rate or 0) - float(other.average_rate or 0)) < 0.01
        first_before, first_after = times(content), times(made)
        moved = first_after[0] - first_before[0]
        steps = [float(b - a - moved) for a, b in zip(first_before, first_after, strict=True)]
        assert max(map(abs, steps)) < 0.0015, "a millisecond is Matroska's own unit"
        assert sound_packets(content) == sound_packets(made), "sound is copied, not encoded again"


@pytest.mark.parametrize(
    ("codec", "kind"),
    [("libx265", "mp4"), ("libsvtav1", "mkv"), ("libvpx", "webm"), ("mpeg4", "avi"), ("mjpeg", "mov"), ("ffv1", "mkv")],
)
def test_other_codecs_stay_what_they_were(codec: str, kind: str) -> None:
    content = make_video(kind, codec=codec, frames=4)
    with rewritten(content, Blacken()) as (made, told):
        assert told.warnings == ()
        with opened(content) as before, opened(made) as after:
            one, other = before.streams.video[0].codec_context, after.streams.video[0].codec_context
            assert (one.name, one.pix_fmt) == (other.name, other.pix_fmt)
        assert [corners(picture)[0] for picture in pictures(made)] == ["R", "K", "R", "K"]


def test_a_codec_that_nothing_here_writes_becomes_a_common_one_and_that_is_said() -> None:
    content = make_video("avi", codec="wmv2", frames=4)
    with rewritten(content) as (made, told):
        assert [notice.code for notice in told.warnings] == ["redaction.codec_changed"]
        with opened(made) as after:
            assert after.streams.video[0].codec_context.name == "mpeg4"


def test_a_variable_frame_rate_stays_variable() -> None:
    shown = [0, 40, 130, 150, 400, 410, 900]
    for kind in ("mp4", "mkv"):
        with rewritten(make_video(kind, times_ms=shown)) as (made, _):
            assert [round(float(time) * 1000) for time in times(made)] == shown


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_turned_video_comes_out_upright_and_says_no_turn(rotation: int) -> None:
    content = make_video("mp4", rotation=rotation, frames=3)
    turned = {90: "BRWG", 180: "WBGR", 270: "GWRB"}[rotation]
    with rewritten(content) as (made, told):
        assert told.warnings == ()
        assert "".join(corners(pictures(made)[0])) == turned
        with opened(made) as after:
            (frame, *_) = after.decode(video=0)
            assert frame.rotation == 0


def test_what_no_region_touches_is_not_converted_before_it_is_encoded() -> None:
    noise = [np.random.default_rng(i).integers(0, 256, (64, 96, 3), np.uint8) for i in range(4)]
    content = make_video("mkv", codec="ffv1", pictures=noise)
    with rewritten(content, Blacken()) as (made, _):
        for index, (one, other) in enumerate(zip(pictures(content), pictures(made), strict=True)):
            same = (one == other).all(axis=2)
            assert same[26:].all()
            assert same[:, 34:].all()
            assert same[:24, :32].mean() < 0.01 if index % 2 else same.all()


def with_everything() -> bytes:
    """A Matroska file with tags, a chapter, a subtitle, an attachment and a cover."""
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as container:
        container.metadata["title"] = SECRET
        container.metadata["location"] = SECRET
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.metadata["handler_name"] = SECRET
        sound = container.add_stream("aac", rate=48000, layout="mono")
        sound.metadata["title"] = SECRET
        text = container.add_mux_stream("subrip")
        container.add_attachment(f"{SECRET}.txt", "text/plain", SECRET.encode())
        container.set_chapters(
            [{"id": 1, "start": 0, "end": 100, "time_base": Fraction(1, 1000), "metadata": {"title": SECRET}}]
        )
        container.start_encoding()
        for index in range(5):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * index, np.uint8), format="rgb24")
            picture.pts, picture.time_base = index, Fraction(1, 25)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        packet = av.Packet(SECRET.encode())
        packet.stream, packet.pts, packet.dts, packet.duration = text, 0, 0, 100
        packet.time_base = Fraction(1, 1000)
        container.mux(packet)
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        tone.sample_rate, tone.pts = 48000, 0
        container.mux(sound.encode(tone))
        container.mux(sound.encode(None))
    return out.getvalue()


def test_tags_chapters_subtitles_attachments_and_names_of_programs_stay_behind() -> None:
    content = with_everything()
    assert content.count(SECRET.encode()) >= 5
    with rewritten(content) as (made, _):
        assert SECRET.encode() not in made
        assert b"Lavf6" not in made
        with opened(made) as after:
            kinds = [stream.type for stream in after.streams]
            assert sorted(kinds) == ["audio", "video"]
            assert after.chapters() == []
            left = {name for found in (after, *after.streams) for name in found.metadata}
            assert left <= {"ENCODER", "DURATION", "encoder", "language"}


def test_times_and_places_of_recording_stay_behind() -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="mov", options={"movflags": "use_metadata_tags"}) as container:
        container.metadata.update(
            {"creation_time": "2020-01-02T03:04:05Z", "location": "+48.1+11.5/", "com.apple.quicktime.model": SECRET}
        )
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for index in range(3):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * index, np.uint8), format="rgb24")
            picture.pts, picture.time_base = index, Fraction(1, 25)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
    content = out.getvalue()
    assert SECRET.encode() in content
    with rewritten(content) as (made, _):
        assert SECRET.encode() not in made
        assert b"+48.1" not in made
        with opened(made) as after:
            assert "creation_time" not in after.metadata
            assert "creation_time" not in after.streams.video[0].metadata


def test_sound_is_dropped_where_it_is_asked_for() -> None:
    with rewritten(make_video("mp4", audio_s=0.5), sound=SoundTreatment.DROP) as (made, told):
        assert told.sound is SoundTreatment.DROP
        with opened(made) as after:
            assert [stream.type for stream in after.streams] == ["video"]


def test_a_video_without_sound_tells_of_none() -> None:
    with rewritten(make_video("mp4"), sound=SoundTreatment.CHANGE) as (_, told):
        assert told.sound is None


@pytest.mark.parametrize("kind", ["mp4", "webm", "mkv", "avi"])
def test_a_changed_sound_is_of_the_same_codec_and_length_and_of_another_pitch(kind: str) -> None:
    content = make_video(kind, frames=30, audio_s=1.2)
    with rewritten(content, sound=SoundTreatment.CHANGE) as (made, told):
        assert told.sound is SoundTreatment.CHANGE
        (codec, before), (same, after) = _sound(content), _sound(made)
        assert codec == same
        assert abs(len(before) - len(after)) < 0.06 * 48000
        pitch, changed = _peak_hz(before), _peak_hz(after)
        assert abs(pitch - 440) < 5
        assert abs(np.log2(changed / pitch)) > 2 / 12, "at least two semitones away"


def _sound(content: bytes) -> tuple[str, Floats]:
    with opened(content) as container:
        stream = container.streams.audio[0]
        blocks = [frame.to_ndarray() for frame in container.decode(stream)]
        return stream.codec_context.name, np.concatenate([np.atleast_2d(block)[0] for block in blocks]).astype(
            np.float32
        )


def _peak_hz(samples: Floats) -> float:
    middle = samples[len(samples) // 4 : len(samples) * 3 // 4]
    sizes = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    return float(np.argmax(sizes) * 48000 / len(middle))


def test_no_more_frames_are_written_than_were_looked_at() -> None:
    with rewritten(make_video("mp4", frames=20), frames=7) as (made, told):
        assert told.frames == 7
        assert len(times(made)) == 7


def test_an_output_that_was_cut_at_the_limit_of_duration_is_read_again_for_the_check() -> None:
    # Of unknown duration, as browsers record it, and not beginning at zero: the end is announced of what is written of it.
    content = without_duration(make_video("webm", times_ms=[90, 420, 750, 1080, 1410]))
    output = os.memfd_create("output")
    try:
        os.ftruncate(output, 2**22)
        with memory_file(content) as media:
            item = DescriptorMedia(media, output, MediaLimits(duration_s=1.0))
            with closing(item.reader()) as reader:
                assert len(list(reader.frames())) == 4
            item.rewrite(Leave(), SoundTreatment.KEEP, 5, 4)
            with closing(item.written()) as reader:
                assert len(list(reader.frames())) == 4
    finally:
        os.close(output)


def without_duration(webm: bytes) -> bytes:
    """`webm` with its duration (EBML id 4489, a float of 8 bytes) made an empty element (id EC)."""
    at = webm.index(bytes.fromhex("448988"))
    return webm[:at] + b"\xec\x89" + webm[at + 2 :]


def test_an_output_over_its_limit_is_refused() -> None:
    noise = [np.random.default_rng(i).integers(0, 256, (240, 320, 3), np.uint8) for i in range(6)]
    content = make_video("mkv", codec="ffv1", pictures=noise, size=(320, 240))
    with pytest.raises(MediaTooLarge), rewritten(content, limit=300_000):
        pass


def test_odd_sizes_that_a_codec_cannot_write_lose_a_row_and_that_is_said() -> None:
    picture = np.full((49, 65, 3), 100, np.uint8)
    content = make_video("mkv", codec="ffv1", pictures=[picture] * 3, size=(65, 49))
    with rewritten(content) as (made, told):
        assert pictures(made)[0].shape == (49, 65, 3)
        assert told.warnings == ()
