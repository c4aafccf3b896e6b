"""Which encoder writes what was decoded, and how carefully.

Belongs here: the tables from codec to encoder and its options. Does not belong here: writing a file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from av.codec.codec import Codec
from av.video.stream import VideoStream

from moretta.vision.decode.formats import Format

# By the decoder's name; `av.codecs_available` of the PyAV wheel (18.1, FFmpeg 8.1) has each of these encoders.
_ENCODERS: Mapping[str, str] = {
    "h264": "libx264",
    "hevc": "libx265",
    "vp8": "libvpx",
    "libvpx": "libvpx",
    "vp9": "libvpx-vp9",
    "libvpx-vp9": "libvpx-vp9",
    "av1": "libsvtav1",
    "libdav1d": "libsvtav1",
    "mpeg4": "mpeg4",
    "mpeg1video": "mpeg1video",
    "mpeg2video": "mpeg2video",
    "mjpeg": "mjpeg",
    "prores": "prores_ks",
    "ffv1": "ffv1",
    "huffyuv": "huffyuv",
    "ffvhuff": "ffvhuff",
    "utvideo": "utvideo",
    "rawvideo": "rawvideo",
    "png": "png",
}
# What every player of the container shows, for codecs that nothing here encodes. MPEG-4 part 2 is AVI's own.
_FALLBACKS = {Format.MOV: "libx264", Format.MATROSKA: "libx264", Format.MPEGTS: "libx264", Format.AVI: "mpeg4"}
_WEBM_FALLBACK = "libvpx-vp9"
# Constant quality that viewers hold for transparent or close to it: CRF 18-23 of x264 and 20-25 of x265 are those projects' own
# words for it, 31 of VP9 and 30 of SVT-AV1 those of their guides for 720p. Speed: presets that keep up with two cores.
_QUALITY: Mapping[str, Mapping[str, str]] = {
    "libx264": {"preset": "veryfast", "crf": "18", "a53cc": "0"},
    "libx265": {"preset": "superfast", "crf": "22", "x265-params": "log-level=none"},
    "libvpx": {"deadline": "realtime", "cpu-used": "6", "crf": "10"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "6", "crf": "28", "row-mt": "1"},
    "libsvtav1": {"preset": "10", "crf": "30", "svtav1-params": "lp=2"},
    "mpeg4": {"qmin": "2", "qmax": "8"},
    "mpeg2video": {"qmin": "2", "qmax": "8"},
    "mpeg1video": {"qmin": "2", "qmax": "8"},
    # Not only full range: limited range is what FFmpeg calls unofficial in JPEG.
    "mjpeg": {"qmin": "2", "qmax": "4", "strict": "unofficial"},
}
_LOSSLESS = frozenset({"ffv1", "huffyuv", "ffvhuff", "utvideo", "rawvideo", "png"})
# A picture of constant quality may need more bits than the source had; this many times as many at most (VBV).
_MOST_TIMES_SOURCE = 2
# Encoders that know a cap on the bit rate beside constant quality.
_CAPPED = frozenset({"libx264", "libx265"})
# FFmpeg's names of H.264 profiles as decoders report them, to those that x264 takes.
_X264_PROFILES = {
    "Constrained Baseline": "baseline",
    "Baseline": "baseline",
    "Main": "main",
    "High": "high",
    "High 10": "high10",
    "High 4:2:2": "high422",
    "High 4:4:4 Predictive": "high444",
}
_PRORES_PROFILES = {"Proxy": "0", "LT": "1", "Standard": "2", "HQ": "3", "4444": "4", "XQ": "5"}
# MPEG-4 part 2 writes the time base's denominator in 16 bits (ISO/IEC 14496-2, 6.3.3).
_MPEG4_MOST_DENOMINATOR = 65_535


@dataclass(frozen=True, slots=True)
class VideoEncoder:
    """An encoder by FFmpeg's name with its options. `substitute`: another codec than the source's.

    `bit_rate` in bit/s where the encoder aims at one; `time_base` of the frames; `pix_fmt` FFmpeg's name.
    """

    name: str
    pix_fmt: str
    time_base: Fraction
    options: Mapping[str, str]
    bit_rate: int | None = None
    substitute: bool = False


def encoder_for(
    stream: VideoStream, found: Format, webm: bool, bit_rate: int | None, pix_fmt: str, rate: Fraction | None
) -> VideoEncoder:
    """The encoder that keeps what can be kept of `stream`: codec, profile, pixel format, class of quality, time base.

    Args:
        stream: the source.
        found: its container, which is the output's too.
        webm: whether that is WebM, which holds VP8, VP9 and AV1 only.
        bit_rate: of the source in bit/s, where it is known.
        pix_fmt: of the decoded pictures.
        rate: frames per second, where they are constant or announced.
    """
    decoder = stream.codec_context.name
    name = _ENCODERS.get(decoder)
    substitute = name is None
    if name is None:
        name = _WEBM_FALLBACK if webm else _FALLBACKS[found]
    options = dict(_QUALITY.get(name, {}))
    if name in _CAPPED and bit_rate:
        most = _MOST_TIMES_SOURCE * bit_rate
        if name == "libx264":
            options |= {"maxrate": str(most), "bufsize": str(2 * most)}
        else:
            options["x265-params"] += f":vbv-maxrate={most // 1000 or 1}:vbv-bufsize={2 * most // 1000 or 1}"
    chosen = _pixel_format(name, pix_fmt)
    if name == "libx264" and not substitute:
        profile = _X264_PROFILES.get(stream.codec_context.profile or "")
        if profile is not None and _fits(profile, chosen):
            options["profile"] = profile
    if name == "prores_ks":
        options["profile"] = _PRORES_PROFILES.get(stream.codec_context.profile or "", "2")
    aimed = None if name in _CAPPED or name in _LOSSLESS or name in ("libsvtav1", "prores_ks") else bit_rate
    if aimed is not None and name.startswith("libvpx"):
        aimed = _MOST_TIMES_SOURCE * aimed  # with crf it is the cap
    return VideoEncoder(name, chosen, _time_base(name, found, stream, rate), options, aimed, substitute)


def tried_encoders() -> list[tuple[str, str, dict[str, str]]]:
    """Every encoder with a pixel format that it takes and its options, to be tried before they are needed."""
    return [
        (name, _pixel_format(name, "yuv420p"), dict(_QUALITY.get(name, {})))
        for name in dict.fromkeys(_ENCODERS.values())
    ]


def _pixel_format(name: str, wanted: str) -> str:
    formats = Codec(name, "w").video_formats
    names = [each.name for each in formats or ()]
    if not names or wanted in names:
        return wanted
    same_depth = {"yuvj420p": "yuv420p", "yuvj422p": "yuv422p", "yuvj444p": "yuv444p", "yuva420p": "yuv420p"}
    close = same_depth.get(wanted)
    if close in names:
        return str(close)
    return "yuv420p" if "yuv420p" in names else names[0]


def _fits(profile: str, pix_fmt: str) -> bool:
    """Whether an H.264 profile can hold the pixel format; x264 refuses to open where it cannot."""
    plain = pix_fmt in ("yuv420p", "yuvj420p", "nv12")
    return plain or profile == "high444" or (profile == "high422" and "422" in pix_fmt) or pix_fmt == "yuv420p10le"


def _time_base(name: str, found: Format, stream: VideoStream, rate: Fraction | None) -> Fraction:
    base = stream.time_base or Fraction(1, 1000)
    if found is Format.AVI or name in ("mpeg2video", "mpeg1video"):
        # These know a constant rate only.
        return 1 / (rate or Fraction(25))
    if name == "mpeg4" and base.denominator > _MPEG4_MOST_DENOMINATOR:
        return 1 / rate if rate and rate.numerator <= _MPEG4_MOST_DENOMINATOR else Fraction(1, 1000)
    return base
