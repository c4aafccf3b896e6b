"""Protected templates as values, and the ports of the four schemes: protect, compare, open.

Belongs here: what passes between a worker (protects), a node (compares) and a key holder (opens).
Does not belong here: cryptography, storage, sockets.

One rule keeps the flow one-way: embeddings end in `protect`, plaintext scores end in `open`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from moretta.core.values import Embedding

Rows = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]


class Scheme(StrEnum):
    """How a collection's templates are protected; see `docs/THREAT_MODEL.md` for who learns what under each."""

    PLAIN = "plain"
    ROTATED = "rotated"
    HE = "he"
    SHARES = "shares"


@dataclass(frozen=True, slots=True)
class ProtectionTerms:
    """What a worker needs to protect embeddings of one collection under one key.

    `material` is the scheme's own: empty (plain), a rotation seed (rotated), a seed and a public key (he), a seed and the
    parties' public keys (shares). Nothing in it opens a score or a ciphertext.
    """

    scheme: Scheme
    model_id: str
    dimension: int
    key_id: str
    material: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class ProtectedReference:
    """A template that is stored: `payload` in the scheme's own form."""

    scheme: Scheme
    model_id: str
    key_id: str
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ProtectedProbe:
    """A template that is compared once and then forgotten: `payload` in the scheme's own form."""

    scheme: Scheme
    model_id: str
    key_id: str
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SealedScores:
    """What comparing gives: scores that only an opener can read.

    Position i of `payload` belongs to gallery row `rows[i]` (uint32, shape (n,)). Positions where `counted` (bool, shape (n,))
    is false hold noise, not a score (removed, restricted, or padding), and are never opened. `threshold` is the similarity
    that the comparison was made for, which a scheme may have put into `payload` already.
    """

    scheme: Scheme
    model_id: str
    key_id: str
    threshold: float
    rows: Rows
    counted: Mask
    payload: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if self.rows.ndim != 1 or self.rows.shape != self.counted.shape:
            raise ValueError(
                f"expected rows and counted of one shape (n,), got {self.rows.shape}, {self.counted.shape}"
            )


@dataclass(frozen=True, slots=True)
class OpenTerms:
    """How scores may be opened: similarities from `threshold` on are matches; at most `limit` of them are told.

    `bands` are rising similarities above the threshold; where they are given, each match tells how many it reaches.
    """

    threshold: float
    limit: int = 100
    bands: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """A match: its gallery row. `rank` counts from 1, the most similar first; a scheme that opens only decisions gives all 1.

    `band` counts the bands reached; None where the terms name none, or the scheme cannot tell.
    """

    row: int
    rank: int
    band: int | None = None


class TemplateProtector(Protocol):
    """The protecting side; runs in a worker, right behind the embedder. The same terms serve references and probes."""

    def protect_reference(self, embedding: Embedding) -> ProtectedReference:
        """A reference to keep. Two calls for one embedding give payloads that cannot be told to belong together (he, shares).

        Raises:
            ModelMismatch: the embedding is of another model or dimension than the terms.
        """

    def protect_probe(self, embedding: Embedding) -> ProtectedProbe:
        """A probe to compare once; raises as `protect_reference` does."""


class GalleryIndex(Protocol):
    """The comparing side: one collection's references under one key. It holds no key and can read neither score nor template.

    Rows are given by the caller, unique, and never used twice. Every change is idempotent. Safe for several threads.
    """

    def put(self, rows: Sequence[int], payloads: Sequence[bytes]) -> None:
        """Take references. Durable where the index is."""

    def remove(self, rows: Sequence[int]) -> None:
        """Let rows never be compared again; unknown rows are ignored."""

    def exclude(self, rows: Sequence[int]) -> None:
        """Do not compare these rows while they are named: the full set, which replaces the one before; unknown rows may be in it.

        What is compared is the rows that are there, less excluded ones. They may come to be there later.
        """

    def compare(self, probe: ProtectedProbe, threshold: float, only: Sequence[int] | None = None) -> SealedScores:
        """Compare with all rows, or with `only` these (1:1 and few).

        Raises:
            ProbeRejected: the probe is of another key or model, malformed, or not of unit length.
        """

    def __len__(self) -> int:
        """How many rows would be compared."""

    def close(self) -> None:
        """Give memory and files back. Idempotent."""


class ScoreOpener(Protocol):
    """The opening side: holds the key, sees scores, tells decisions."""

    def open(self, sealed: SealedScores, terms: OpenTerms) -> list[Opened]:
        """The matches, the most similar first; nothing but `rows` where `counted` is ever told.

        Raises:
            ProbeRejected: the sealed scores are malformed, or the threshold is under the key's floor.
        """
