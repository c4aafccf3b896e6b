"""A video written anew: same container, codec, pixel format, frame times and length, upright, and no metadata.

Belongs here: the order in which pictures and sound go into the output. Does not belong here: which encoder (`encoders`), what
becomes of the sound (`sounds`), what is drawn.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import chain

import av
import av.error
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from moretta.core.analysis import Notice
from moretta.core.errors import MediaUnsupported
from moretta.core.prefetch import ahead
from moretta.core.redaction import FrameEditor, Rewritten, SoundTreatment
from moretta.vision.decode.formats import Format
from moretta.vision.decode.videos import VideoReader
from moretta.vision.encode.encoders import VideoEncoder, encoder_for
from moretta.vision.encode.planes import UprightPictures
from moretta.vision.encode.sounds import NoSound, Sound, open_sound
from moretta.vision.encode.target import DescriptorTarget

# FFmpeg's muxers by the name that the readers show.
_MUXERS: Mapping[str, str] = {
    "mp4": "mp4",
    "mov": "mov",
    "mkv": "matroska",
    "webm": "webm",
    "avi": "avi",
    "mpegts": "mpegts",
}
# Two cores are what a small machine has; more threads make x264's rate control and latency worse, not its output faster here.
_THREADS = 2
_BUFFER_BYTES = 1024 * 1024
_EVEN = frozenset({"libx264", "libx265", "libvpx", "mpeg4", "libsvtav1", "mpeg2video", "mpeg1video"})


def rewrite_video(
    reader: VideoReader, target: DescriptorTarget, editor: FrameEditor, sound: SoundTreatment, seed: int, frames: int
) -> Rewritten:
    """Write the first `frames` frames of `reader` into `target`, each after `editor`; see `core.redaction.RedactableMedia`."""
    name = reader.info.format
    if name not in _MUXERS:
        raise MediaUnsupported(f"expected a container that can be written, got {name}; convert it to MP4 first")
    options = {"fflags": "+bitexact"}  # no name or version of a writing program, no random or dated ids
    output = av.open(target, "w", format=_MUXERS[name], options=options, buffer_size=_BUFFER_BYTES)
    try:
        return _Writing(reader, output, target).run(editor, sound, seed, frames)
    finally:
        output.close()


class _Writing:
    """One video on its way."""

    def __init__(self, reader: VideoReader, output: OutputContainer, target: DescriptorTarget) -> None:
        self._reader, self._output, self._target = reader, output, target
        self._notices: list[Notice] = []
        self._last_pts = -1

    def run(self, editor: FrameEditor, sound: SoundTreatment, seed: int, frames: int) -> Rewritten:
        source = self._reader.container.video()
        pictures = self._reader.pictures()
        first = next(pictures)
        encoder = self._encoder(source, first[0])
        uprights = UprightPictures(self._reader.turn, self._reader.decoded_size, encoder.pix_fmt)
        stream = self._stream(source, encoder, uprights, first[0])
        heard: Sound = NoSound()
        if self._reader.info.has_audio and sound is not SoundTreatment.DROP:
            heard = open_sound(self._reader, self._output, sound, seed)
        self._output.start_encoding()
        count = 0
        # Decoding, editing and encoding each in a thread of its own: 282 pictures of 720p on two cores take 2.8 s instead of 4.0.
        with (
            ahead(chain([first], pictures)) as decoded,
            ahead(self._edited(decoded, uprights, editor, frames)) as edited,
        ):
            for made, picture, time_ns in edited:
                made.pts = self._pts(picture, time_ns, source, encoder)
                made.time_base = encoder.time_base
                if picture.duration and source.time_base:
                    made.duration = round(picture.duration * source.time_base / encoder.time_base)
                self._output.mux(stream.encode(made))
                heard.write_until(time_ns / 1e9)
                count += 1
        self._output.mux(stream.encode(None))
        heard.write_rest(self._reader.info.duration_s if count >= frames else None)
        self._output.close()
        self._notices += heard.notices
        return Rewritten(self._reader.info.format, self._target.size, count, self._treated(sound), tuple(self._notices))

    def _edited(
        self,
        decoded: Iterator[tuple[VideoFrame, int, int]],
        uprights: UprightPictures,
        editor: FrameEditor,
        frames: int,
    ) -> Iterator[tuple[VideoFrame, VideoFrame, int]]:
        """Each of the first `frames` pictures anew, beside the decoded one and its time in ns."""
        for picture, index, time_ns in decoded:
            if index >= frames:
                return
            yield self._made(uprights, picture, index, editor), picture, time_ns

    def _treated(self, sound: SoundTreatment) -> SoundTreatment | None:
        return sound if self._reader.info.has_audio else None

    def _made(self, uprights: UprightPictures, picture: VideoFrame, index: int, editor: FrameEditor) -> VideoFrame:
        made = uprights.upright(picture)
        regions = editor.regions(index)
        if regions:
            pixels = uprights.rgb(picture)
            editor.edit(pixels, index)
            made = uprights.put(made, pixels, regions, picture)
        return made

    def _encoder(self, source: VideoStream, first: VideoFrame) -> VideoEncoder:
        webm = self._reader.info.format == "webm"
        rate = source.average_rate or source.guessed_rate
        found = {"mp4": Format.MOV, "mov": Format.MOV, "mkv": Format.MATROSKA, "webm": Format.MATROSKA}
        form = found.get(self._reader.info.format) or Format(self._reader.info.format)
        encoder = encoder_for(source, form, webm, self._bit_rate(source), first.format.name, rate)
        if encoder.substitute:
            detail = f"The video's codec {source.codec_context.name} cannot be written here; it became {encoder.name}."
            self._notices.append(Notice("redaction.codec_changed", detail))
        if encoder.pix_fmt != first.format.name and encoder.pix_fmt != first.format.name.replace("yuvj", "yuv"):
            detail = f"The pixel format {first.format.name} cannot be written by {encoder.name}; it became {encoder.pix_fmt}."
            self._notices.append(Notice("redaction.pixel_format_changed", detail))
        return encoder

    def _stream(
        self, source: VideoStream, encoder: VideoEncoder, uprights: UprightPictures, first: VideoFrame
    ) -> VideoStream:
        rate = source.average_rate or source.guessed_rate or Fraction(25)
        stream = self._output.add_stream(encoder.name, rate=rate, options=dict(encoder.options))
        if not isinstance(stream, VideoStream):
            raise MediaUnsupported("expected a video encoder, got another; convert the media to H.264 first")
        width, height = uprights.size
        if encoder.name in _EVEN and (width % 2 or height % 2) and encoder.pix_fmt != "yuv444p":
            uprights.even()
            width, height = uprights.size
            detail = "The picture lost its last row or column: this codec writes even sizes only."
            self._notices.append(Notice("redaction.size_changed", detail))
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, encoder.pix_fmt
        context.time_base = encoder.time_base
        stream.time_base = encoder.time_base
        context.thread_count = _THREADS
        if encoder.bit_rate is not None:
            context.bit_rate = encoder.bit_rate
        context.color_range = first.color_range
        context.colorspace = first.colorspace
        context.color_primaries = first.color_primaries
        context.color_trc = first.color_trc
        aspect = source.codec_context.sample_aspect_ratio
        if aspect:
            context.sample_aspect_ratio = 1 / aspect if self._reader.turn.transpose else aspect
        return stream

    def _bit_rate(self, source: VideoStream) -> int | None:
        """The source's bits per second: announced, or what the file holds beside the announced sound."""
        if source.bit_rate:
            return source.bit_rate
        duration_s = self._reader.info.duration_s
        if not duration_s:
            return None
        sound = sum(track.bit_rate or 0 for track in self._reader.container.sounds())
        return max(1, round(self._reader.container.size * 8 / duration_s) - sound)

    def _pts(self, picture: VideoFrame, time_ns: int, source: VideoStream, encoder: VideoEncoder) -> int:
        """The picture's own time where it has one and it moves on, otherwise where the reader's clock puts it."""
        base = source.time_base or Fraction(1, 1000)
        if picture.pts is not None:
            pts = picture.pts if base == encoder.time_base else round(picture.pts * base / encoder.time_base)
        else:
            pts = round(Fraction(time_ns, 1_000_000_000) / encoder.time_base)
        self._last_pts = pts if self._last_pts < 0 else max(pts, self._last_pts + 1)
        return self._last_pts
