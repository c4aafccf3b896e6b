"""JPEG pictures from RTP packets, which leave out the tables that every one has.

Belongs here: RFC 2435: its headers (section 3.1), and the tables of its appendices A and B, those of ITU-T T.81 annex K.
"""

import struct

_LUMA = (
    "16 11 12 14 12 10 16 14 13 14 18 17 16 19 24 40 26 24 22 22 24 49 35 37 29 40 58 51 61 60 57 51 56 55 64 72 92 78 64 68 87 "
    "69 55 56 80 109 81 87 95 98 103 104 103 62 77 113 121 112 100 120 92 101 103 99"
)
_CHROMA = (
    "17 18 18 24 21 24 47 26 26 47 99 66 56 66 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 "
    "99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99"
)
_QUANTISERS = tuple(tuple(map(int, text.split())) for text in (_LUMA, _CHROMA))
# Class and identifier, how many codes of each length, and their values: T.81 tables K.3 to K.6.
_HUFFMAN = (
    (0x00, "00010501010101010100000000000000", "000102030405060708090a0b"),
    (
        0x10,
        "0002010303020403050504040000017d",
        "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a434445464748"
        "494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3"
        "c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa",
    ),
    (0x01, "00030101010101010101010000000000", "000102030405060708090a0b"),
    (
        0x11,
        "00020102040403040705040400010277",
        "000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f11718191a262728292a35363738393a4344454647"
        "48494a535455565758595a636465666768696a737475767778797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9ba"
        "c2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa",
    ),
)
_MOST_BYTES = 16 * 2**20
_SOI, _EOI, _DQT, _SOF0, _DHT, _SOS, _DRI = 0xFFD8, 0xFFD9, 0xFFDB, 0xFFC0, 0xFFC4, 0xFFDA, 0xFFDD


class JpegParts:
    """Puts JPEG pictures together; see `rtp.Parts`."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._scan = 0
        self._tables: dict[int, bytes] = {}

    def add(self, payload: bytes) -> bool:
        """As `Parts.add`."""
        if len(payload) < 8:
            return False
        offset, kind, quality, width, height = int.from_bytes(payload[1:4], "big"), *payload[4:8]
        at, restart = 8, 0
        if 64 <= kind < 128:
            restart = int.from_bytes(payload[8:10], "big")
            at = 12
        if offset == 0:
            tables, at = self._quantisers(payload, at, quality)
            if tables is None or kind & 63 > 1 or not width or not height:
                return False
            self._data = bytearray(_head(tables, kind & 63, width * 8, height * 8, restart))
            self._scan = len(self._data)
        if not self._data or offset != len(self._data) - self._scan or len(self._data) > _MOST_BYTES:
            return False
        self._data += payload[at:]
        return True

    def picture(self) -> bytes:
        """As `Parts.picture`."""
        found, self._data = bytes(self._data), bytearray()
        return found + struct.pack(">H", _EOI) if found else b""

    def _quantisers(self, payload: bytes, at: int, quality: int) -> tuple[bytes | None, int]:
        """Two tables of 64 bytes, and where the scan begins."""
        if quality < 128:
            return (_scaled(quality), at) if 1 <= quality <= 99 else (None, at)
        if len(payload) < at + 4:
            return None, at
        precision, length = payload[at + 1], int.from_bytes(payload[at + 2 : at + 4], "big")
        tables = payload[at + 4 : at + 4 + length]
        if not length:
            return self._tables.get(quality), at + 4
        if precision or len(tables) not in (64, 128):
            return None, at
        tables = tables if len(tables) == 128 else tables * 2
        if quality < 255:
            self._tables[quality] = tables
        return tables, at + 4 + length


def _scaled(quality: int) -> bytes:
    """RFC 2435, appendix A."""
    factor = 5000 // quality if quality < 50 else 200 - quality * 2
    return bytes(min(255, max(1, (value * factor + 50) // 100)) for table in _QUANTISERS for value in table)


def _head(tables: bytes, kind: int, width: int, height: int, restart: int) -> bytes:
    """Everything before the scan (RFC 2435, appendix B). `kind` 0 is 4:2:2, 1 is 4:2:0."""
    head = struct.pack(">H", _SOI)
    for number in (0, 1):
        head += struct.pack(">HHB", _DQT, 67, number) + tables[64 * number : 64 * number + 64]
    if restart:
        head += struct.pack(">HHH", _DRI, 4, restart)
    head += struct.pack(">HHBHHB", _SOF0, 17, 8, height, width, 3)
    head += bytes([1, 0x22 if kind else 0x21, 0, 2, 0x11, 1, 3, 0x11, 1])
    for identifier, lengths, values in _HUFFMAN:
        content = bytes([identifier]) + bytes.fromhex(lengths) + bytes.fromhex(values)
        head += struct.pack(">HH", _DHT, 2 + len(content)) + content
    return head + struct.pack(">HHB", _SOS, 12, 3) + bytes([1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0])
