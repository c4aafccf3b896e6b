"""From RTP packets to encoded pictures.

Belongs here: the packets' layout, and putting NAL units back together. Source: RFC 3550 5.1, RFC 6184 (H.264), RFC 7798 (H.265).
JPEG is in `rtp_jpeg`. A picture of which a packet was lost is left out.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from moretta.vision.cameras.rtp_jpeg import JpegParts
from moretta.vision.cameras.sdp import Codec, VideoOffer

# A key picture of an 8K camera has some MiB.
MOST_PICTURE_BYTES = 16 * 2**20
_START = b"\0\0\0\1"


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One packet's parts; `marker` ends a picture."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Encoded:
    """One encoded picture and its time in seconds of the stream's own clock."""

    time_s: float
    data: bytes


def parse_rtp(raw: bytes) -> RtpPacket | None:
    """The packet in `raw`; None where it is none."""
    if len(raw) < 12 or raw[0] >> 6 != 2:
        return None
    sequence, timestamp = struct.unpack(">HI", raw[2:8])
    at = 12 + 4 * (raw[0] & 15)
    if raw[0] & 16:
        if len(raw) < at + 4:
            return None
        at += 4 + 4 * int.from_bytes(raw[at + 2 : at + 4], "big")
    end = len(raw) - (raw[-1] if raw[0] & 32 else 0)
    if at >= end:
        return None
    return RtpPacket(raw[1] & 127, bool(raw[1] & 128), sequence, timestamp, raw[at:end])


class Parts(Protocol):
    """Puts one picture together."""

    def add(self, payload: bytes) -> bool:
        """Take a packet's payload; False where it does not fit what came before."""

    def picture(self) -> bytes:
        """The picture so far, empty where there is none; the next begins."""


class NalParts:
    """NAL units of H.264 or H.265 in the byte stream format (Annex B)."""

    def __init__(self, unpack: Callable[["NalParts", bytes], bool]) -> None:
        self._unpack = unpack
        self.data = bytearray()

    def add(self, payload: bytes) -> bool:
        """As `Parts.add`."""
        return self._unpack(self, payload) and len(self.data) <= MOST_PICTURE_BYTES

    def picture(self) -> bytes:
        """As `Parts.picture`."""
        found, self.data = bytes(self.data), bytearray()
        return found

    def unit(self, content: bytes) -> None:
        """Append a whole unit."""
        self.data += _START + content


def _h264(parts: NalParts, payload: bytes) -> bool:
    kind = payload[0] & 31
    if 1 <= kind <= 23:
        parts.unit(payload)
        return True
    if kind == 24:  # STAP-A: several units, each with its length.
        return _several(parts, payload[1:])
    if kind == 28 and len(payload) > 2:  # FU-A: a part of a unit.
        head, rest = payload[1], payload[2:]
        return _fragment(parts, bytes([payload[0] & 0xE0 | head & 31]), head, rest)
    return False


def _h265(parts: NalParts, payload: bytes) -> bool:
    if len(payload) < 3:
        return False
    kind = payload[0] >> 1 & 63
    if kind < 48:
        parts.unit(payload)
        return True
    if kind == 48:
        return _several(parts, payload[2:])
    if kind == 49 and len(payload) > 3:
        head = payload[2]
        return _fragment(parts, bytes([payload[0] & 0x81 | (head & 63) << 1, payload[1]]), head, payload[3:])
    return False


def _several(parts: NalParts, content: bytes) -> bool:
    at = 0
    while at + 2 < len(content):
        length = int.from_bytes(content[at : at + 2], "big")
        if not length or at + 2 + length > len(content):
            return False
        parts.unit(content[at + 2 : at + 2 + length])
        at += 2 + length
    return at == len(content)


def _fragment(parts: NalParts, unit_head: bytes, head: int, rest: bytes) -> bool:
    if head & 128:
        parts.unit(unit_head + rest)
        return True
    if not parts.data:
        return False
    parts.data += rest
    return True


def parts_of(offer: VideoOffer) -> Parts:
    """What puts the offer's pictures together."""
    if offer.codec is Codec.JPEG:
        return JpegParts()
    return NalParts(_h264 if offer.codec is Codec.H264 else _h265)


def encoded_pictures(packets: Iterator[bytes], offer: VideoOffer) -> Iterator[Encoded]:
    """The pictures in RTP packets, each whole."""
    parts = parts_of(offer)
    clock = _Clock(offer.clock_hz)
    whole, expected, timestamp = True, -1, -1
    for raw in packets:
        packet = parse_rtp(raw)
        if packet is None or packet.payload_type != offer.payload_type:
            continue
        if timestamp >= 0 and packet.timestamp != timestamp:
            # The marker of the last picture was lost.
            data = parts.picture()
            if data and whole:
                yield Encoded(clock.seconds(timestamp), data)
            whole = True
        if expected >= 0 and packet.sequence != expected:
            parts.picture()
            whole = False
        expected, timestamp = packet.sequence + 1 & 0xFFFF, packet.timestamp
        whole = whole and parts.add(packet.payload)
        if packet.marker:
            data = parts.picture()
            if data and whole:
                yield Encoded(clock.seconds(timestamp), data)
            whole, timestamp = True, -1


class _Clock:
    """32-bit timestamps as seconds that go on when those begin again."""

    def __init__(self, hz: int) -> None:
        self._hz = hz
        self._last: int | None = None
        self._total = 0

    def seconds(self, timestamp: int) -> float:
        """Seconds since the first timestamp; goes back where that does."""
        if self._last is not None:
            self._total += (timestamp - self._last + 2**31) % 2**32 - 2**31
        self._last = timestamp
        return self._total / self._hz
