"""A gallery of one scheme inside this process, for an evaluation: made under a fresh key, filled, and gone when it ends.

Belongs here: standing in for a deployment's nodes and parties with the same classes. Does not belong here: comparing.

What a scheme keeps in files (segments, shares) lies in memory: an evaluation leaves nothing on a disk.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from moretta.core.errors import RequestInvalid
from moretta.core.gallery import GalleryDelta, GallerySpec, SegmentInfo
from moretta.core.protection import (
    ProtectedProbe,
    ProtectionTerms,
    Scheme,
    SealedScores,
    TemplateProtector,
)
from moretta.links.frames import Message
from moretta.nodes.galleries import PackedIndex
from moretta.protection.opening import GalleryKey
from moretta.protection.schemes import gallery_index, new_gallery_key, protector
from moretta.protection.shares.node import SharesNode
from moretta.protection.shares.party import SERVICE_ROLE, Party, party_role
from moretta.protection.shares.sealing import PARTIES, party_key
from moretta.use_cases.recognition.packing import SLOTS

_NAME = "evaluation"
# All three parties work on the same cores here, so one waits long for the others.
_PATIENCE_S = 60.0
_MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 (where Linux keeps files in memory; the folder in it is made unguessable)

Compare = Callable[[ProtectedProbe, float], SealedScores]
Fill = Callable[[TemplateProtector], Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class Trial:
    """A gallery whose row i is the i-th reference: its key, its protecting side, its comparing side."""

    key: GalleryKey
    protecting: TemplateProtector
    compare: Compare


@contextmanager
def trial(scheme: Scheme, model_id: str, dimension: int, fill: Fill) -> Iterator[Trial]:
    """A gallery of the references that `fill` makes with the protecting side."""
    if scheme is Scheme.SHARES:
        with _three_parties() as (node, public_keys):
            yield _shared(
                node, new_gallery_key(scheme, dimension, public_keys), _spec(scheme, model_id, dimension), fill
            )
        return
    key, spec = new_gallery_key(scheme, dimension), _spec(scheme, model_id, dimension)
    protecting = _protecting(spec, key)
    payloads = fill(protecting)
    with ExitStack() as held:
        index = held.enter_context(closing(gallery_index(spec)))
        if not isinstance(index, PackedIndex):
            index.put(range(len(payloads)), payloads)
            yield Trial(key, protecting, index.compare)
            return
        for start in range(0, len(payloads), SLOTS):  # packed, as the product's galleries are
            content = key.pack(payloads[start : start + SLOTS])
            rows = np.arange(start, min(start + SLOTS, len(payloads)), dtype=np.uint32)
            info = SegmentInfo(f"{_NAME}-{start}", rows, hashlib.sha256(content).hexdigest(), len(content))
            index.attach(info, held.enter_context(_file_in_memory(content)))
        yield Trial(key, protecting, index.compare)


def _spec(scheme: Scheme, model_id: str, dimension: int) -> GallerySpec:
    return GallerySpec(_NAME, scheme, model_id, dimension, _NAME, frozenset({_NAME}))


def _protecting(spec: GallerySpec, key: GalleryKey) -> TemplateProtector:
    return protector(ProtectionTerms(spec.scheme, spec.model_id, spec.dimension, spec.key_id, key.material()))


def _shared(node: SharesNode, key: GalleryKey, spec: GallerySpec, fill: Fill) -> Trial:
    protecting = _protecting(spec, key)
    payloads = fill(protecting)
    node.apply(GalleryDelta(spec, 0, 1, tuple(enumerate(payloads))), _no_segment)
    return Trial(key, protecting, lambda probe, threshold: node.compare(spec, probe, threshold))


@contextmanager
def _file_in_memory(content: bytes) -> Iterator[Path]:
    descriptor = os.memfd_create("segment", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


class _Way:
    """A `shares` peer in this process: calls a party as `role`, as a link between processes would."""

    def __init__(self, parties: list[Party], to: int, role: str) -> None:
        self._parties, self._to, self._role = parties, to, role

    def call(self, message: Message, timeout_s: float | None = None) -> Message:
        """The party's answer; nothing here can be late."""
        return self._parties[self._to].handle(self._role, message)


@contextmanager
def _three_parties() -> Iterator[tuple[SharesNode, bytes]]:
    """A node over three parties of this process, and their public keys."""
    if not _MEMORY_FOLDER.is_dir():
        raise RequestInvalid(
            "expected a file system in memory at /dev/shm for an evaluation of `shares`; there is none"
        )
    with tempfile.TemporaryDirectory(prefix="moretta-parties-", dir=_MEMORY_FOLDER) as folder, ExitStack() as held:
        parties: list[Party] = []
        keys = [party_key(Path(folder) / str(index) / "party.key") for index in range(PARTIES)]
        for index, key in enumerate(keys):
            others = {other: _Way(parties, other, party_role(index)) for other in range(PARTIES) if other != index}
            party = Party(index, _NAME, Path(folder) / str(index) / "galleries", key, others, _PATIENCE_S)
            parties.append(party)
            held.enter_context(closing(party))
        ways = [_Way(parties, index, SERVICE_ROLE) for index in range(PARTIES)]
        node = held.enter_context(closing(SharesNode(_NAME, ways, 3 * _PATIENCE_S)))
        yield node, b"".join(key.public_key().public_bytes_raw() for key in keys)


def _no_segment(_segment_id: str) -> bytes:
    raise RequestInvalid("expected a scheme with segments; `shares` has none")
