"""Three parties in this process behind one node, and their gallery behind the methods of `GalleryIndex`."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.errors import NodeUnavailable, ProbeRejected
from moretta.core.gallery import GalleryDelta, GallerySpec
from moretta.core.protection import ProtectedProbe, ProtectionTerms, Scheme, SealedScores
from moretta.core.values import Embedding, Floats
from moretta.links.frames import Message
from moretta.protection.shares.keys import SharesKey
from moretta.protection.shares.node import SharesNode
from moretta.protection.shares.party import SERVICE_ROLE, Party, party_role
from moretta.protection.shares.protect import SharesProtector
from moretta.protection.shares.sealing import party_key
from tests import memory

MODEL, KEY, REGION = "0123456789abcdef", "key-1", "local"
# Answers in place of a party: gets the caller's role and the message, and may pass it on.
Answering = Callable[[str, Message], Message]


class Way:
    """A `Peer`: calls a party of this process as `role`, as a link would; what is not of ours cannot pass."""

    def __init__(self, trio: "Trio", to: int, role: str) -> None:
        self._trio, self._to, self._role = trio, to, role

    def call(self, message: Message, timeout_s: float | None = None) -> Message:
        return self._trio.answering[self._to](self._role, self._trio.tampered(self._role, message))


class Trio:
    """Three parties with folders under `root`; one can be taken down, started again, or replaced."""

    def __init__(
        self, root: Path, patience_s: float = 5.0, checkpoints: Sequence[Checkpoint] = (no_checkpoint,) * 3
    ) -> None:
        self.root, self.patience_s, self.checkpoints = root, patience_s, list(checkpoints)
        self.keys = [party_key(root / f"p{index}" / "party.key") for index in range(3)]
        self.parties: list[Party | None] = [None] * 3
        self.answering: list[Answering] = [self.down] * 3
        # What becomes of a message on its way, by the sender's role.
        self.tampered: Callable[[str, Message], Message] = untouched
        for index in range(3):
            self.start(index)
        self.node = SharesNode(
            REGION, [Way(self, index, SERVICE_ROLE) for index in range(3)], 3 * patience_s, settle_s=1.0
        )
        self.public_keys = [key.public_key().public_bytes_raw() for key in self.keys]

    def start(self, index: int) -> None:
        others = {other: Way(self, other, party_role(index)) for other in range(3) if other != index}
        party = Party(
            index,
            REGION,
            self.folder(index),
            self.keys[index],
            others,
            self.patience_s,
            self.checkpoints[index],
        )
        self.parties[index], self.answering[index] = party, party.handle

    def stop(self, index: int) -> None:
        """As if its process had ended; what it has on the disk stays."""
        party = self.parties[index]
        if party is not None:
            self.parties[index], self.answering[index] = None, self.down
            party.close()

    def party(self, index: int) -> Party:
        party = self.parties[index]
        assert party is not None
        return party

    def folder(self, index: int) -> Path:
        return self.root / f"p{index}" / "galleries"

    def files(self, index: int, name: str) -> list[Path]:
        return sorted(self.folder(index).rglob(name))

    def close(self) -> None:
        self.node.close()
        for index in range(3):
            self.stop(index)

    @staticmethod
    def down(_role: str, _message: Message) -> Message:
        raise NodeUnavailable("the party is down")


@dataclass
class SharedGallery:
    """One gallery at a trio, filled as the database would: each change is a delta with the next sequence."""

    trio: Trio
    spec: GallerySpec
    key: SharesKey
    protector: SharesProtector
    sequence: int = 0
    rows: set[int] = field(default_factory=set)
    excluded: set[int] = field(default_factory=set)

    def put(self, rows: Sequence[int], payloads: Sequence[bytes]) -> None:
        if not self.trio.node.accepted(self.spec, payloads).all():
            raise ProbeRejected("the parties refuse a reference")
        self.rows |= set(rows)
        self.change(added=tuple(zip(rows, payloads, strict=True)))

    def remove(self, rows: Sequence[int]) -> None:
        self.rows -= set(rows)
        self.change(removed=tuple(rows))

    def exclude(self, rows: Sequence[int]) -> None:
        self.excluded = set(rows)
        self.change()

    def compare(self, probe: ProtectedProbe, threshold: float, only: Sequence[int] | None = None) -> SealedScores:
        return self.trio.node.compare(self.spec, probe, threshold, only)

    def __len__(self) -> int:
        return len(self.rows - self.excluded)

    def close(self) -> None:
        self.trio.close()

    def change(self, added: Sequence[tuple[int, bytes]] = (), removed: Sequence[int] = (), **more: object) -> int:
        delta = GalleryDelta(self.spec, self.sequence, self.sequence + 1, tuple(added), tuple(removed))
        more.setdefault("excluded", tuple(self.excluded))
        reached = self.trio.node.apply(replace(delta, **more), no_segment)  # type: ignore[arg-type]
        self.sequence = max(self.sequence, reached)
        return reached

    def reference(self, vector: Floats) -> bytes:
        return self.protector.protect_reference(Embedding(np.array(vector, np.float32), MODEL)).payload

    def probe(self, vector: Floats) -> ProtectedProbe:
        return self.protector.protect_probe(Embedding(np.array(vector, np.float32), MODEL))

    def enrol(self, vectors: Floats, start: int = 0) -> None:
        self.put(list(range(start, start + len(vectors))), [self.reference(vector) for vector in vectors])


def gallery(trio: Trio, dimension: int = 32, collection_id: str = "col_local_0") -> SharedGallery:
    """An empty gallery under a fresh key."""
    key = SharesKey.new(dimension, trio.public_keys)
    spec = GallerySpec(collection_id, Scheme.SHARES, MODEL, dimension, KEY, frozenset({REGION}))
    terms = ProtectionTerms(Scheme.SHARES, MODEL, dimension, KEY, key.material())
    made = SharedGallery(trio, spec, key, SharesProtector(terms))
    trio.node.apply(GalleryDelta(spec, 0, 0), no_segment)
    return made


@contextlib.contextmanager
def temporary_trio(**options: object) -> Iterator[Trio]:
    """A trio whose folders go with it."""
    root = Path(tempfile.mkdtemp(prefix="moretta-shares-", dir=memory.folder()))
    trio = Trio(root, **options)  # type: ignore[arg-type]
    try:
        yield trio
    finally:
        trio.close()
        shutil.rmtree(root)


def no_segment(_segment_id: str) -> bytes:
    raise AssertionError("this scheme has no segments")


def untouched(_role: str, message: Message) -> Message:
    return message


def garbled(message: Message) -> Message:
    """Random bytes of the same lengths."""
    return Message(message.kind, message.fields, tuple(os.urandom(len(blob)) for blob in message.blobs))
