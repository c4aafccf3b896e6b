"""Whether two collections of the same people can be linked by what stands in their stores, measured with real keys.

Belongs here: what an attacker sees under each scheme, and how he compares it. Does not belong here: the measures themselves.

The attacker has both stores (or, of `shares`, is one party), no key, and the best case for him: the very same photo of each
person in both. Vectors he compares by their cosine; ciphertexts and sealed shares byte by byte, each byte's place centred and
scaled. He does that pair by pair, as the protocol of Gomez-Barrero et al. has it. What the arrangement of a whole gallery of
bare vectors tells him is `neighbourhoods`: a rotation keeps distances, so `rotated` alone is open to it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from moretta.core.protection import ProtectionTerms, Scheme
from moretta.core.values import Embedding
from moretta.evaluation.recognition.comparisons import Vectors
from moretta.evaluation.recognition.unlinkability import (
    Linking,
    Unlinkability,
    Values,
    nearest_neighbour,
    unlinkability,
)
from moretta.protection.schemes import new_gallery_key, protector
from moretta.protection.shares.sealing import PARTIES, Kind, opened_shares, sealed_parts

_MODEL, _KEY = "linkability", "linkability"
# Non-mated scores for each mated one: more say nothing new, since the rarer kind limits the measure.
_OTHERS = 20

See = Callable[[Vectors], Values]


@dataclass(frozen=True, slots=True)
class Linkability:
    """The measure pair by pair, and how many people a nearest-neighbour attack finds in the other store."""

    pairwise: Unlinkability
    neighbours: Linking


def linkability(see: See, first: Vectors, second: Vectors, seed: int = 0) -> Linkability:
    """How far two stores are linkable; row i of `first` and `second` (n, d) shows person i. `see` protects under a fresh key."""
    one, other = _scaled(see(first)), _scaled(see(second))
    scores = one @ other.T / one.shape[1]
    count = len(scores)
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.arange(count), _OTHERS)
    shifts = rng.integers(1, count, len(rows))
    non_mated = scores[rows, (rows + shifts) % count]
    measured = unlinkability(np.diag(scores).copy(), non_mated, np.arange(count), seed)
    return Linkability(measured, nearest_neighbour(one, other))


def stored(scheme: Scheme) -> See:
    """What stands in the database under `scheme`: references as they are kept."""

    def see(vectors: Vectors) -> Values:
        payloads = _protected(scheme, vectors, b"".join(_public_keys()))
        kind = "<f4" if scheme in (Scheme.PLAIN, Scheme.ROTATED) else np.uint8
        return np.stack([np.frombuffer(payload, kind) for payload in payloads]).astype(np.float64)

    return see


def one_party(party: int) -> See:
    """What one party of `shares` holds: two of the three shares of each reference."""

    def see(vectors: Vectors) -> Values:
        private = [X25519PrivateKey.generate() for _ in range(PARTIES)]
        payloads = _protected(Scheme.SHARES, vectors, b"".join(key.public_key().public_bytes_raw() for key in private))
        found = []
        for payload in payloads:
            blob = sealed_parts(payload)[party]
            shares = opened_shares(blob, private[party], party, Kind.REFERENCE, _MODEL, vectors.shape[1], _KEY)
            found.append(np.concatenate([share.view(np.uint8) for share in shares]))
        return np.stack(found).astype(np.float64)

    return see


def neighbourhoods(scheme: Scheme) -> See:
    """What a whole gallery of vectors tells about each: its similarities to all others, in order. Distances survive rotation."""

    def see(vectors: Vectors) -> Values:
        found = stored(scheme)(vectors)
        return np.sort(found @ found.T, axis=1)

    return see


def _protected(scheme: Scheme, vectors: Vectors, parties: bytes) -> Sequence[bytes]:
    key = new_gallery_key(scheme, vectors.shape[1], parties if scheme is Scheme.SHARES else b"")
    protecting = protector(ProtectionTerms(scheme, _MODEL, vectors.shape[1], _KEY, key.material()))
    return [protecting.protect_reference(Embedding(vector, _MODEL)).payload for vector in vectors]


def _public_keys() -> list[bytes]:
    return [X25519PrivateKey.generate().public_key().public_bytes_raw() for _ in range(PARTIES)]


def _scaled(seen: Values) -> Values:
    """Each column centred and of unit variance, over one store alone; columns that never change (headers) become 0."""
    spread = seen.std(axis=0)
    return np.asarray((seen - seen.mean(axis=0)) / np.where(spread > 0, spread, 1.0), np.float64)
