"""A worker's handler that protects a vector: what the confinement must leave every scheme able to do.

A request is four bytes of the length of the scheme's name, the name, four bytes of the material's length, the material, and the
vector as float32; the answer is the reference's length (four bytes), the reference, and the probe.
"""

import struct
from collections.abc import Callable

import numpy as np

from moretta.core.protection import ProtectionTerms, Scheme
from moretta.core.values import Embedding
from moretta.protection.schemes import new_gallery_key, protector

MODEL, KEY = "0123456789abcdef", "key-1"
_LENGTH = struct.Struct("<I")


def packed(scheme: Scheme, material: bytes, vector: np.ndarray) -> bytes:
    name = scheme.encode()
    return _LENGTH.pack(len(name)) + name + _LENGTH.pack(len(material)) + material + vector.astype("<f4").tobytes()


def unpacked(answer: bytes) -> tuple[bytes, bytes]:
    end = _LENGTH.size + _LENGTH.unpack_from(answer)[0]
    return answer[_LENGTH.size : end], answer[end:]


def handler() -> Callable[[int, bytes, Callable[[bytes], None]], bytes]:
    # As the rehearsal of the real worker: every scheme once, with a key that nobody uses.
    for scheme in (Scheme.PLAIN, Scheme.ROTATED, Scheme.HE):
        _protect(scheme, new_gallery_key(scheme, 8).material(), np.eye(8)[0])

    def handle(_media_fd: int, request: bytes, _progress: Callable[[bytes], None]) -> bytes:
        name, rest = unpacked(request)
        material, vector = unpacked(rest)
        reference, probe = _protect(Scheme(name.decode()), material, np.frombuffer(vector, "<f4"))
        return _LENGTH.pack(len(reference)) + reference + probe

    return handle


def _protect(scheme: Scheme, material: bytes, vector: np.ndarray) -> tuple[bytes, bytes]:
    sides = protector(ProtectionTerms(scheme, MODEL, vector.size, KEY, material))
    embedding = Embedding(vector.astype(np.float32), MODEL)
    return sides.protect_reference(embedding).payload, sides.protect_probe(embedding).payload
