"""Reissue: a collection's templates under a new key and rotation, without enrolling anybody again.

Belongs here: the order of it. Until the one transaction that switches keys, the old gallery answers; after it, the new one.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from moretta.core.errors import Conflict, RequestInvalid
from moretta.core.policy import Action
from moretta.core.protection import ProtectionTerms, Scheme
from moretta.core.recognising import EmbedderCard
from moretta.core.recognition import Collection, CollectionState
from moretta.core.recognition_store import PackedSegment
from moretta.use_cases.recognition import acts, packing
from moretta.use_cases.recognition.leftovers import Made, sweep, undone_on_failure
from moretta.use_cases.recognition.means import Means, Region
from moretta.use_cases.recognition.new_key import new_key, successor
from moretta.use_cases.recognition.results import OnStep, StepProgress
from moretta.use_cases.recognition.thresholds import SHIPPED

# References that go to the key holder in one call.
_BATCH = 1000
# More single references than a collection can have.
_ALL = 2**31 - 1


def reissue(means: Means, company_id: str, collection_id: str, on_step: OnStep | None) -> Collection:
    """See `Recognition.reissue`."""
    region, collection = means.opened(company_id, collection_id)
    means.guard.on(collection, Action.REISSUE)
    if collection.scheme is Scheme.SHARES:
        raise RequestInvalid("a collection of scheme shares cannot be reissued: refresh its shares instead")
    return _moved(means, region, collection, _card_of(means, collection), "reissue", on_step)


def succeed(means: Means, company_id: str, collection_id: str) -> Collection:
    """The collection under a successor of its key (see `KeyHolder.successor`): the old key is destroyed, nothing is rounded.

    What was packed under the old key then opens no more, wherever copies of it lie. A part of erasing: no policy is asked.

    Raises:
        NotFound: it is deleted, or is being deleted.
        RequestInvalid: its references are not packed.
        Conflict: it changed meanwhile, or is being given another key; nothing has changed here.
    """
    region, collection = means.opened(company_id, collection_id)
    return _moved(means, region, collection, None, "succeed", None)


def _moved(
    means: Means, region: Region, collection: Collection, card: EmbedderCard | None, why: str, on_step: OnStep | None
) -> Collection:
    """All references under another key, in one transaction."""
    with means.locks.of(collection.collection_id):
        packing.settle_removed(means, region, collection)
        with switching(means, region, collection, card) as (present, terms, made):
            payloads = _payloads(region, present, terms.key_id, on_step)
            segments = _segments(means, region, present, terms.key_id, on_step, made)
            means.checkpoint("reissue:before")
            told = acts.key_changed(means.clock, present, terms.key_id, why)
            region.store.reissue(present, terms.key_id, payloads, segments, entries=[told])
            means.checkpoint("reissue:committed")
        return finish(means, region, collection.company_id, collection.collection_id)


@contextmanager
def switching(
    means: Means, region: Region, collection: Collection, card: EmbedderCard | None
) -> Iterator[tuple[Collection, ProtectionTerms, Made]]:
    """A new key, and the collection with its writes held back until the block ends; what was made is deleted where it fails.

    `card`: the model that the key is for; None: the key is the successor of the present one.

    The key is announced before the collection says that it changes, so that a recovery can tell a change that goes on from one
    that died.

    Raises:
        Conflict: another change of key is under way.
    """
    with undone_on_failure(means, region) as made:
        if card is None:
            terms = successor(means, region, collection.key_id, made)
        else:
            terms = new_key(means, region, collection.scheme, card, made)
        present = region.store.collection(collection.company_id, collection.collection_id)
        if present.state is not CollectionState.ACTIVE:
            raise Conflict("the collection is being given a new key already; try again when that is done")
        region.store.update_collection(replace(present, state=CollectionState.REISSUING))
        try:
            yield region.store.collection(collection.company_id, collection.collection_id), terms, made
        finally:
            resume(region, collection.company_id, collection.collection_id)


def resume(region: Region, company_id: str, collection_id: str) -> None:
    """Let the collection's writes through again."""
    collection = region.store.collection(company_id, collection_id)
    if collection.state is CollectionState.REISSUING:
        region.store.update_collection(replace(collection, state=CollectionState.ACTIVE))


def finish(means: Means, region: Region, company_id: str, collection_id: str) -> Collection:
    """After the switch: bring the nodes over, destroy the old key and its segments."""
    collection = region.store.collection(company_id, collection_id)
    region.galleries.follow(collection)
    sweep(means, region)
    region.galleries.drop(collection, collection.key_id)
    return collection


def _payloads(
    region: Region, collection: Collection, new_key_id: str, on_step: OnStep | None
) -> list[tuple[int, bytes]]:
    singles = region.store.unpacked(collection.collection_id, _ALL)
    made: list[tuple[int, bytes]] = []
    for start in range(0, len(singles), _BATCH):
        part: Sequence[tuple[int, bytes]] = singles[start : start + _BATCH]
        payloads = region.keys.reissue_payload(collection.key_id, new_key_id, [payload for _, payload in part])
        made += [(row, payload) for (row, _), payload in zip(part, payloads, strict=True)]
        if on_step is not None:
            on_step(StepProgress("references", len(made), len(singles)))
    return made


def _segments(
    means: Means, region: Region, collection: Collection, new_key_id: str, on_step: OnStep | None, made: Made
) -> list[PackedSegment]:
    old = region.store.segments(collection.collection_id)
    new: list[PackedSegment] = []
    for segment in old:
        content = region.segments.get(segment.segment_id)
        reissued = region.keys.reissue_segment(collection.key_id, new_key_id, content)
        new.append(PackedSegment(packing.written(means, region, segment.rows, reissued, made), new_key_id))
        if on_step is not None:
            on_step(StepProgress("segments", len(new), len(old)))
    return new


def _card_of(means: Means, collection: Collection) -> EmbedderCard:
    """What is known of the collection's model, which need not be installed for this."""
    found = next((card for card in means.cards if card.model_id == collection.model_id), None)
    name = collection.model_id.partition(":")[0]
    return found or EmbedderCard(name, collection.model_id, collection.dimension, SHIPPED.get(name, ()))
