"""What a camera offers: the video of a session description.

Belongs here: the few lines that matter. Source: RFC 4566 (SDP), RFC 6184 8.2.1, RFC 7798 7.2.1, RFC 2326 C.1.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from enum import StrEnum

from moretta.core.errors import CameraUnavailable

_RTPMAP = re.compile(r"rtpmap:(\d{1,3}) ([A-Za-z0-9.-]+)/(\d{1,9})")
_STATIC_JPEG = 26  # RFC 3551, table 5
_CLOCK_HZ = 90_000


class Codec(StrEnum):
    """What we depacketise, by the decoder's name."""

    H264 = "h264"
    H265 = "hevc"
    JPEG = "mjpeg"


_NAMES = {"H264": Codec.H264, "H265": Codec.H265, "JPEG": Codec.JPEG}


@dataclass(frozen=True, slots=True)
class VideoOffer:
    """`control` is where the video is set up, relative or absolute; `parameter_sets` come before its first picture."""

    codec: Codec
    payload_type: int
    clock_hz: int
    control: str
    parameter_sets: tuple[bytes, ...] = ()


def video_offer(text: str) -> VideoOffer:
    """The first video that we can read.

    Raises:
        CameraUnavailable: there is none.
    """
    for media in _media(text):
        found = _offer(media)
        if found is not None:
            return found
    raise CameraUnavailable("expected H.264, H.265 or JPEG video from the camera; set its stream to one of them")


def _media(text: str) -> list[list[str]]:
    """The lines of each media section that is video."""
    found: list[list[str]] = []
    video = False
    for line in text.splitlines():
        if line.startswith("m="):
            video = line.startswith("m=video")
            if video:
                found.append([])
        if video:
            found[-1].append(line.strip())
    return found


def _offer(lines: list[str]) -> VideoOffer | None:
    types = [int(word) for word in lines[0].split()[3:] if word.isdigit() and int(word) < 128]
    attributes = [line[2:] for line in lines if line.startswith("a=")]
    known = {_STATIC_JPEG: (Codec.JPEG, _CLOCK_HZ)} if _STATIC_JPEG in types else {}
    for match in filter(None, map(_RTPMAP.match, attributes)):
        codec = _NAMES.get(match[2].upper())
        if codec is not None and int(match[3]) > 0:
            known[int(match[1])] = (codec, int(match[3]))
    control = next((one[len("control:") :] for one in attributes if one.startswith("control:")), "")
    for payload_type in types:
        if payload_type in known:
            codec, clock_hz = known[payload_type]
            return VideoOffer(codec, payload_type, clock_hz, control, _parameter_sets(attributes, payload_type))
    return None


def _parameter_sets(attributes: list[str], payload_type: int) -> tuple[bytes, ...]:
    line = next((one for one in attributes if one.startswith(f"fmtp:{payload_type} ")), "")
    fields = [field.strip().partition("=") for field in line.partition(" ")[2].split(";")]
    named = {name: value for name, _, value in fields}
    given = [named[name] for name in ("sprop-vps", "sprop-sps", "sprop-pps", "sprop-parameter-sets") if name in named]
    sets: list[bytes] = []
    for word in ",".join(given).split(","):
        try:
            sets.append(base64.b64decode(word, validate=True))
        except (binascii.Error, ValueError):
            continue
    return tuple(one for one in sets if one)
