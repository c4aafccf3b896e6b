"""Which classes protect, compare and open under each scheme: the one place that knows all four.

Belongs here: choosing. Does not belong here: any scheme. Whoever compares only imports `gallery_index` through here without
loading an opening side: each scheme's modules are imported when they are asked for.
"""

from collections.abc import Mapping
from types import MappingProxyType

from moretta.core.errors import RequestInvalid
from moretta.core.gallery import GallerySpec
from moretta.core.protection import GalleryIndex, ProtectionTerms, Scheme, TemplateProtector
from moretta.protection.opening import GalleryKey

# How far a scheme's similarity may lie from the exact cosine of the embeddings. plain, rotated: rounding of float32, measured
# worst of 10^6 pairs 1.5e-7 at d = 128 and 512. he, shares: six standard deviations of the formula in `quantise`; measured worst
# of 10^6 pairs for he 0.0098, of 4 * 10^6 at d = 64 to 512 for shares 0.0178. Each reissue under he rounds once more: after
# one, 1 pair in 10^7 errs by more than stated here, after five 2 in 10^4.
STATED_ERROR: Mapping[Scheme, float] = MappingProxyType(
    {Scheme.PLAIN: 1e-6, Scheme.ROTATED: 2e-6, Scheme.HE: 0.012, Scheme.SHARES: 0.02}
)


def protector(terms: ProtectionTerms) -> TemplateProtector:
    """The protecting side under `terms`. Raises `KeyRejected` where their material is not the scheme's."""
    match terms.scheme:
        case Scheme.PLAIN:
            from moretta.protection.plain.protect import PlainProtector

            return PlainProtector(terms)
        case Scheme.ROTATED:
            from moretta.protection.rotated.protect import RotatedProtector

            return RotatedProtector(terms)
        case Scheme.HE:
            from moretta.protection.he.protect import HeProtector

            return HeProtector(terms)
        case Scheme.SHARES:
            from moretta.protection.shares.protect import SharesProtector

            return SharesProtector(terms)


def gallery_index(spec: GallerySpec) -> GalleryIndex:
    """An empty comparing side for a gallery.

    Raises:
        RequestInvalid: the scheme is `shares`, whose galleries are held by its parties.
    """
    match spec.scheme:
        case Scheme.PLAIN | Scheme.ROTATED:
            from moretta.protection.plain.compare import VectorIndex

            return VectorIndex(spec)
        case Scheme.HE:
            from moretta.protection.he.compare import HeIndex

            return HeIndex(spec)
        case Scheme.SHARES:
            raise RequestInvalid("galleries of scheme shares are held by three parties; name them for this region")


def new_gallery_key(scheme: Scheme, dimension: int, parties: bytes = b"") -> GalleryKey:
    """A fresh key of one gallery; `parties` are the parties' public keys in order (`shares` alone).

    Raises:
        RequestInvalid: the scheme cannot hold templates of that dimension.
    """
    match scheme:
        case Scheme.PLAIN:
            from moretta.protection.plain.open import PlainKey

            return PlainKey.new(dimension)
        case Scheme.ROTATED:
            from moretta.protection.rotated.open import RotatedKey

            return RotatedKey.new(dimension)
        case Scheme.HE:
            from moretta.protection.he.open import HeKey

            return HeKey.new(dimension)
        case Scheme.SHARES:
            from moretta.protection.shares.keys import SharesKey
            from moretta.protection.shares.sealing import PUBLIC_KEY_BYTES

            size = PUBLIC_KEY_BYTES
            return SharesKey.new(dimension, [parties[at : at + size] for at in range(0, len(parties), size)])


def load_gallery_key(scheme: Scheme, secret: bytes) -> GalleryKey:
    """The key that `GalleryKey.secret` wrote. Raises `KeyRejected` where it is none of the scheme."""
    match scheme:
        case Scheme.PLAIN:
            from moretta.protection.plain.open import PlainKey

            return PlainKey.load(secret)
        case Scheme.ROTATED:
            from moretta.protection.rotated.open import RotatedKey

            return RotatedKey.load(secret)
        case Scheme.HE:
            from moretta.protection.he.open import HeKey

            return HeKey.load(secret)
        case Scheme.SHARES:
            from moretta.protection.shares.keys import SharesKey

            return SharesKey.read(secret)
