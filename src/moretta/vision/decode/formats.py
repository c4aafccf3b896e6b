"""Which format the bytes are in, told by the bytes alone.

Belongs here: magic numbers. Does not belong here: decoding, or anything about how the format goes on.
Sources: the magic numbers are those of the formats' specifications (ISO/IEC 10918-1, 15948, 14496-12, 23000-22, 13818-1;
TIFF 6.0; RFC 9649 for WebP; RFC 8794 for EBML; Microsoft's RIFF and BITMAPINFOHEADER).
"""

from enum import StrEnum

from moretta.core.errors import MediaEmpty, MediaTruncated, MediaUnsupported, MediaWithoutVideo
from moretta.vision.decode.source import DescriptorFile

SUPPORTED = "JPEG, PNG, WebP, TIFF, BMP, GIF and AVIF pictures, and MP4, MOV, WebM, MKV, AVI and MPEG-TS videos"


class Format(StrEnum):
    """What we read. A still's value is Pillow's name in lower case, a video's is the demuxer's."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    TIFF = "tiff"
    BMP = "bmp"
    GIF = "gif"
    AVIF = "avif"
    MOV = "mov"
    MATROSKA = "matroska"
    AVI = "avi"
    MPEGTS = "mpegts"


VIDEOS = frozenset({Format.MOV, Format.MATROSKA, Format.AVI, Format.MPEGTS})

_HEAD_BYTES = 4096
_MAGIC = (
    (b"\xff\xd8\xff", Format.JPEG),
    (b"\x89PNG\r\n\x1a\n", Format.PNG),
    (b"II*\0", Format.TIFF),
    (b"MM\0*", Format.TIFF),
    (b"GIF87a", Format.GIF),
    (b"GIF89a", Format.GIF),
    (b"\x1aE\xdf\xa3", Format.MATROSKA),
)
# Box types with which a QuickTime file without `ftyp` starts (QuickTime File Format, "Overview of movie files").
_MOV_FIRST = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_BMP_HEADERS = frozenset({12, 40, 52, 56, 64, 108, 124})
# Plain packets, Blu-ray's with a 4-byte time, and packets with Reed-Solomon bytes.
_TS_PACKETS = (188, 192, 204)
_TS_SYNCS = 5
_SOUND = (b"ID3", b"fLaC", b"#!AMR", b"FORM", b".snd", b"caff")


def sniff(file: DescriptorFile) -> Format:
    """The format of `file` by its first bytes.

    Raises:
        MediaEmpty: no bytes.
        MediaTruncated: fewer bytes than any header has, but they start one.
        MediaWithoutVideo: a format for sound.
        MediaUnsupported: anything else.
    """
    if file.size == 0:
        raise MediaEmpty("expected a picture or a video, got no bytes; send the file's content")
    head = file.at(0, _HEAD_BYTES)
    found = _by_magic(head) or _riff(head) or _iso(head) or _transport_stream(head)
    if found is not None:
        return found
    if any(magic.startswith(head) for magic, _ in _MAGIC):
        raise MediaTruncated(f"expected a whole picture or video, got only its first {len(head)} bytes; send all of it")
    if _is_sound(head):
        raise MediaWithoutVideo("expected pictures, got a sound file; send a picture or a video")
    raise MediaUnsupported(f"expected one of {SUPPORTED}, got other content, whatever its name says; convert it first")


def public_name(file: DescriptorFile, found: Format) -> str:
    """The name to show for `found`: tells MOV from MP4, and WebM from Matroska."""
    head = file.at(0, _HEAD_BYTES)
    if found is Format.MOV:
        return "mp4" if head[4:8] == b"ftyp" and head[8:12] != b"qt  " else "mov"
    if found is Format.MATROSKA:
        return "webm" if b"webm" in head[:64] else "mkv"
    return found.value


def _by_magic(head: bytes) -> Format | None:
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    # Two letters are too little to go by, so the size of BMP's second header counts too.
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return Format.BMP
    return None


def _riff(head: bytes) -> Format | None:
    if not head.startswith(b"RIFF"):
        return None
    return {b"WEBP": Format.WEBP, b"AVI ": Format.AVI}.get(head[8:12])


def _iso(head: bytes) -> Format | None:
    kind = head[4:8]
    if kind in _MOV_FIRST:
        return Format.MOV
    if kind != b"ftyp":
        return None
    length = int.from_bytes(head[:4], "big")
    brands = {head[8:12]} | {head[at : at + 4] for at in range(16, min(length, len(head)), 4)}
    if brands & _AVIF_BRANDS:
        return Format.AVIF
    if head[8:12] in _HEIF_BRANDS:
        raise MediaUnsupported(f"expected one of {SUPPORTED}, got HEIC; convert it to JPEG or AVIF first")
    return Format.MOV


def _transport_stream(head: bytes) -> Format | None:
    # A recording may start within a packet, so the first sync byte may lie anywhere in the first packet.
    for length in _TS_PACKETS:
        for start in range(length):
            syncs = head[start : start + _TS_SYNCS * length : length]
            if len(syncs) == _TS_SYNCS and syncs == b"G" * _TS_SYNCS:
                return Format.MPEGTS
    return None


def _is_sound(head: bytes) -> bool:
    if head.startswith(_SOUND) or (head.startswith(b"RIFF") and head[8:12] == b"WAVE"):
        return True
    if head.startswith(b"OggS"):
        return b"theora" not in head
    # The frame header of MPEG audio and of ADTS: eleven or more set bits; a layer or a profile follows.
    return len(head) > 3 and head[0] == 0xFF and head[1] & 0xF0 == 0xF0 and head[1] != 0xFF
