"""Re-enrol: a collection moves to another model, its templates made anew from stored photos.

Belongs here: the order of it, in one transaction. Persons without a stored photo keep their record; they need a new picture.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from operator import attrgetter

from moretta.core.errors import RequestInvalid
from moretta.core.paging import every
from moretta.core.policy import Action
from moretta.core.protection import ProtectionTerms
from moretta.core.recognising import EmbedRequest, Wanted
from moretta.core.recognition import Collection, Person, Thresholds
from moretta.use_cases.recognition import acts, photos
from moretta.use_cases.recognition.means import Means, Region
from moretta.use_cases.recognition.reissue import finish, switching
from moretta.use_cases.recognition.results import OnStep, Reenrolment, StepProgress
from moretta.use_cases.recognition.thresholds import default_thresholds, require_usable

_PAGE = 200


def reenrol(
    means: Means,
    company_id: str,
    collection_id: str,
    model: str | None,
    thresholds: Thresholds | None,
    on_step: OnStep | None,
) -> Reenrolment:
    """See `Recognition.reenrol`."""
    region, collection = means.opened(company_id, collection_id)
    means.guard.on(collection, Action.REENROL)
    card = means.card(model)
    if card.model_id == collection.model_id:
        raise RequestInvalid("expected another model than the collection's own; `reissue` renews its key")
    decided = require_usable(thresholds or default_thresholds(card), card)
    with means.locks.of(collection_id):
        with switching(means, region, collection, card) as (present, terms, _):
            payloads: list[tuple[int, bytes]] = []
            needing: list[str] = []
            for done, person in enumerate(_persons(region, present), start=1):
                templates = _templates(means, region, person, terms)
                payloads += templates
                if not templates:
                    needing.append(person.person_id)
                if on_step is not None:
                    on_step(StepProgress("persons", done, 0))
            means.checkpoint("reissue:before")
            changed = replace(present, model_id=card.model_id, dimension=card.dimension, thresholds=decided)
            told = acts.key_changed(means.clock, changed, terms.key_id, "model")
            region.store.reissue(changed, terms.key_id, payloads, [], entries=[told])
            means.checkpoint("reissue:committed")
        finish(means, region, company_id, collection_id)
    return Reenrolment(card.model_id, len(payloads), tuple(needing))


def _templates(means: Means, region: Region, person: Person, terms: ProtectionTerms) -> list[tuple[int, bytes]]:
    """Rows and new templates of the person's faces that have a photo in which the one face is found again."""
    faces = [face for face in region.store.faces(person.company_id, person.person_id) if face.photo_id is not None]
    if not faces:
        return []
    key = region.cipher.opened(person.person_id, region.store.subject_key(person.person_id))
    made = []
    for face in faces:
        with photos.in_memory(photos.opened(region, key, face)) as media_fd:
            # No quality gate: the photo has passed it when the person was enrolled.
            found = means.reader.embed(media_fd, EmbedRequest(terms, Wanted.REFERENCE)).faces
        if len(found) == 1 and found[0].reference is not None:
            made.append((face.row, found[0].reference))
    return made


def _persons(region: Region, collection: Collection) -> Iterator[Person]:
    page = partial(region.store.persons, collection.company_id, collection.collection_id, _PAGE)
    return every(page, attrgetter("person_id"))
