"""One opened video container: where packets come from and what was lost on the way.

Belongs here: PyAV's containers, fenced in. Does not belong here: what pictures and sound become.

A container may name other files and addresses (HLS, DASH, concat, QuickTime data references). None of these can be followed:
the demuxer is fixed by the magic bytes, its name and the decoders' are allow-listed, and any request to open is refused.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import av
import av.error
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from moretta.core.errors import MediaTruncated, MediaUnreadable, MediaUnsupported, MediaWithoutFrames, MediaWithoutVideo
from moretta.core.limits import MediaLimits
from moretta.vision.decode.ends import is_cut
from moretta.vision.decode.formats import Format
from moretta.vision.decode.source import DescriptorFile

# Names of FFmpeg's decoders for what cameras, phones, browsers and editors write into the containers that we read.
VIDEO_DECODERS = (
    "h264,hevc,vp8,vp9,libvpx,libvpx-vp9,av1,libdav1d,mpeg4,mpeg1video,mpeg2video,mpegvideo,mjpeg,h263,prores,dnxhd,"
    "msmpeg4,msmpeg4v2,wmv2,dvvideo,ffv1,rawvideo,png,theora,flv,cinepak,huffyuv,ffvhuff,utvideo,svq3"
)
AUDIO_DECODERS = (
    "aac,aac_latm,mp1float,mp2,mp2float,mp3,mp3float,opus,libopus,vorbis,ac3,eac3,flac,alac,pcm_s16le,pcm_s16be,pcm_s24le,"
    "pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_u8,pcm_s8,pcm_mulaw,pcm_alaw,adpcm_ima_wav,adpcm_ima_qt,adpcm_ms,"
    "amrnb,amrwb,libopencore_amrnb,libopencore_amrwb,wmav1,wmav2"
)
# A demuxer reports damage and goes on behind it; this many times without a packet between and it is going nowhere.
_DEMUX_PATIENCE = 32
# Fewer and larger reads than PyAV's 32 KiB, since each takes the interpreter's lock.
_BUFFER_BYTES = 256 * 1024


class Container:
    """A container of `found` format over `file`, which it closes. `skipped` counts packets that could not be decoded."""

    def __init__(self, file: DescriptorFile, found: Format, limits: MediaLimits) -> None:
        self._file = file
        self._found = found
        # The decoder counts its padded rows too, so this is only what stops a gross lie before anything is allocated.
        self._most_pixels = str(2 * limits.pixels + 2**20)
        self.skipped = 0
        self.broken = False
        try:
            self._av = av.open(
                file,
                mode="r",
                format=found.value,
                options={
                    "max_pixels": self._most_pixels,
                    "codec_whitelist": f"{VIDEO_DECODERS},{AUDIO_DECODERS}",
                    "format_whitelist": found.value,
                },
                metadata_errors="replace",
                buffer_size=_BUFFER_BYTES,
                io_open=_refuse,
            )
        except Exception as error:
            cut = is_cut(file, found) or isinstance(error, EOFError)
            file.close()
            if isinstance(error, MemoryError | av.error.FFmpegError | OSError | ValueError | EOFError):
                raise unreadable(found, cut) from error
            raise

    @property
    def duration_s(self) -> float | None:
        """What the container announces."""
        return self._av.duration / av.time_base if self._av.duration else None

    @property
    def cut(self) -> bool:
        """Whether the file ends before its announced end."""
        return is_cut(self._file, self._found)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._file.size

    def video(self) -> VideoStream:
        """The video stream with the largest picture, cover art aside.

        Raises:
            MediaTruncated: the file ends before it names any stream.
        MediaWithoutFrames: the file is whole and names none.
            MediaWithoutVideo: there are only others.
            MediaUnsupported: its codec is not one that we decode.
        """
        streams = [s for s in self._av.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            if not len(self._av.streams):
                if self.cut or self._found is Format.MPEGTS:
                    raise unreadable(self._found, cut=True)
                raise without_frames()
            raise MediaWithoutVideo("expected pictures, got sound or cover art alone; send a picture or a video")
        usable = [
            s for s in streams if s.codec_context is not None and s.codec_context.name in VIDEO_DECODERS.split(",")
        ]
        if not usable:
            raise MediaUnsupported(
                "expected video in a common codec such as H.264, HEVC, VP9 or AV1, got another; convert it"
            )
        return max(usable, key=lambda s: s.codec_context.width * s.codec_context.height)

    def audio(self) -> AudioStream | None:
        """The first sound track that can be decoded."""
        for stream in self._av.streams.audio:
            if stream.codec_context is not None and stream.codec_context.name in AUDIO_DECODERS.split(","):
                return stream
        return None

    def sounds(self) -> list[AudioStream]:
        """Every sound track that can be decoded."""
        known = AUDIO_DECODERS.split(",")
        return [s for s in self._av.streams.audio if s.codec_context is not None and s.codec_context.name in known]

    def copies(self, streams: Sequence[AudioStream]) -> "Iterator[Packet[Any]]":
        """The packets of `streams` as they are stored, in the order of the file; ends where the file breaks."""
        return self._packets(*streams)

    def pictures(self, stream: VideoStream, threads: int) -> Iterator[VideoFrame]:
        """The stream's pictures in presentation order; packets that cannot be decoded are counted and left out."""
        return (frame for frame in self._decode(stream, threads) if isinstance(frame, VideoFrame))

    def sound(self, stream: AudioStream) -> Iterator[AudioFrame]:
        """The stream's sound; packets that cannot be decoded are counted and left out."""
        return (frame for frame in self._decode(stream, 1) if isinstance(frame, AudioFrame))

    def close(self) -> None:
        """Idempotent."""
        self._av.close()
        self._file.close()

    def _decode(self, stream: VideoStream | AudioStream, threads: int) -> Iterator[VideoFrame | AudioFrame]:
        context = stream.codec_context
        context.thread_count = threads
        context.thread_type = "AUTO" if threads > 1 else "NONE"
        context.options = {"max_pixels": self._most_pixels}
        for packet in self._packets(stream):
            yield from self._unpack(stream, packet)
        yield from self._unpack(stream, None)

    def _packets(self, *streams: VideoStream | AudioStream) -> "Iterator[Packet[Any]]":
        failures = 0
        while failures < _DEMUX_PATIENCE:
            try:
                for packet in self._av.demux(*streams):
                    if packet.size == 0:
                        if len(streams) > 1:
                            continue  # One of them has ended.
                        return
                    failures = 0
                    yield packet
                return
            except (av.error.FFmpegError, OSError, ValueError, MemoryError):
                self.broken = True
                failures += 1

    def _unpack(self, stream: VideoStream | AudioStream, packet: "Packet[Any] | None") -> list[VideoFrame | AudioFrame]:
        try:
            return list(stream.codec_context.decode(packet))
        except (av.error.FFmpegError, ValueError, MemoryError):
            self.skipped += 1
            return []


def unreadable(found: Format, cut: bool) -> MediaTruncated | MediaUnreadable:
    """The error for a video of which nothing could be decoded."""
    if cut:
        return MediaTruncated("expected a whole video, got one that ends before its first picture; send all of it")
    return MediaUnreadable(f"expected a {found.value} video, got one that cannot be decoded; export it again")


def without_frames() -> MediaWithoutFrames:
    """The error for a video of no length."""
    return MediaWithoutFrames("expected a video with frames, got a video track of no length; send another recording")


def _refuse(url: str, flags: int, options: dict[str, str]) -> None:
    raise OSError("a container may not open anything else")
