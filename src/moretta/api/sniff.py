"""Tells a video from a still by its first bytes, to choose between an answer and a job.

Belongs here: signatures only; a wrong guess costs waiting time, never correctness, since the decoder decides for itself.
"""

# ISO base media brands of stills (AVIF and HEIF, ISO/IEC 23008-12); every other `ftyp` is a film.
_STILL_BRANDS = frozenset({b"avif", b"mif1", b"miaf", b"heic", b"heix", b"heim", b"heis"})
_TS_PACKET = 188


def looks_like_video(head: bytes) -> bool:
    """Whether `head`, the first 512 bytes, opens a video container: MP4/MOV, Matroska/WebM, AVI, MPEG-TS or MPEG-PS."""
    if head[4:8] == b"ftyp":
        return head[8:12] not in _STILL_BRANDS
    # Old QuickTime files begin with one of these atoms.
    if head[4:8] in {b"moov", b"mdat", b"wide", b"free", b"skip"}:
        return True
    if head[:4] == b"\x1a\x45\xdf\xa3" or head[:4] == b"\x00\x00\x01\xba":
        return True
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return True
    return len(head) > _TS_PACKET and head[0] == 0x47 and head[_TS_PACKET] == 0x47
