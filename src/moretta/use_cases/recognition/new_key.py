"""A fresh key for a gallery: made and announced, so that a crash leaves none that nobody knows."""

from collections.abc import Callable

from moretta.core.protection import ProtectionTerms, Scheme
from moretta.core.recognising import EmbedderCard
from moretta.use_cases.recognition.leftovers import Made
from moretta.use_cases.recognition.means import Means, Region
from moretta.use_cases.recognition.thresholds import floor


def new_key(means: Means, region: Region, scheme: Scheme, card: EmbedderCard, made: Made) -> ProtectionTerms:
    """A key for templates of `card`, noted in `made`."""
    return _announced(
        means, region, made, lambda: region.keys.create(scheme, card.model_id, card.dimension, floor(card))
    )


def successor(means: Means, region: Region, key_id: str, made: Made) -> ProtectionTerms:
    """As `KeyHolder.successor`, noted in `made`."""
    return _announced(means, region, made, lambda: region.keys.successor(key_id))


def _announced(means: Means, region: Region, made: Made, make: Callable[[], ProtectionTerms]) -> ProtectionTerms:
    with region.store.keys_alone():
        terms = make()
        made.keys.append(terms.key_id)
        means.checkpoint("key:made")
        region.store.announce_key(terms.key_id)
    means.checkpoint("key:announced")
    return terms
