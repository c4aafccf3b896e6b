"""A fresh key for a gallery: made and announced, so that a crash leaves none that nobody knows."""

from moretta.core.protection import ProtectionTerms, Scheme
from moretta.core.recognising import EmbedderCard
from moretta.use_cases.recognition.leftovers import Made
from moretta.use_cases.recognition.means import Means, Region
from moretta.use_cases.recognition.thresholds import floor


def new_key(means: Means, region: Region, scheme: Scheme, card: EmbedderCard, made: Made) -> ProtectionTerms:
    """A key for templates of `card`, noted in `made`."""
    with region.store.keys_alone():
        terms = region.keys.create(scheme, card.model_id, card.dimension, floor(card))
        made.keys.append(terms.key_id)
        means.checkpoint("key:made")
        region.store.announce_key(terms.key_id)
    means.checkpoint("key:announced")
    return terms
