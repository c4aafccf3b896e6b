"""Persons and their faces: read, rectify, restrict, erase.

Belongs here: the order in which erasing reaches every store. Does not belong here: enrolling.
"""

from collections.abc import Sequence
from dataclasses import replace

from moretta.core.errors import Conflict, NotFound, PersonErased
from moretta.core.policy import Action
from moretta.core.recognition import Collection, CollectionState, FaceRecord, IdKind, Person, PersonState
from moretta.use_cases.recognition import acts, packing
from moretta.use_cases.recognition.collections import require_page
from moretta.use_cases.recognition.leftovers import sweep
from moretta.use_cases.recognition.means import Means, Region
from moretta.use_cases.recognition.words import require_words


def person(means: Means, company_id: str, person_id: str) -> Person:
    """See `Recognition.person`."""
    return _found(means, company_id, person_id, Action.READ)[1]


def listed(means: Means, company_id: str, collection_id: str, limit: int, after: str | None) -> list[Person]:
    """See `Recognition.persons`."""
    require_page(limit)
    region, collection = means.opened(company_id, collection_id)
    means.guard.on(collection, Action.READ)
    return region.store.persons(company_id, collection.collection_id, limit, after)


def update(
    means: Means,
    company_id: str,
    person_id: str,
    name: str | None,
    attributes: Sequence[tuple[str, str]] | None,
    state: PersonState | None,
) -> Person:
    """See `Recognition.update_person`."""
    action = Action.RECTIFY if state is None else Action.RESTRICT
    region, present = _found(means, company_id, person_id, action)
    changed = replace(
        present,
        name=present.name if name is None else name,
        attributes=present.attributes if attributes is None else tuple(attributes),
        state=state or present.state,
    )
    require_words(changed.name, changed.attributes)
    entries = acts.person_changed(means.clock, present, changed, acts.data_key(region, person_id))
    region.store.update_person(changed, entries=entries)
    if changed.state is not present.state:
        region.galleries.follow(region.store.collection(company_id, changed.collection_id))
    return region.store.person(company_id, person_id)


def delete(means: Means, company_id: str, person_id: str) -> None:
    """See `Recognition.delete_person`."""
    region = means.home(person_id, IdKind.PERSON)
    # Without words: whose key is gone must be deleted all the same.
    found = region.erasures.whereabouts(company_id, person_id)
    means.guard.on(region.store.collection(company_id, found.collection_id), Action.DELETE)
    with means.locks.of(found.collection_id):
        collection = _not_reissuing(region, company_id, found.collection_id)
        rows = [face.row for face in region.store.faces(company_id, person_id)]
        told = acts.erased(means.clock, found, acts.key_if_it_opens(region, person_id), faces=len(rows))
        means.checkpoint("delete_person:before")
        region.store.delete_person(company_id, person_id, entries=[told])
        means.checkpoint("delete_person:committed")
        _forget(means, region, collection, rows)


def delete_several(
    means: Means, region: Region, collection: Collection, person_ids: Sequence[str], rows: Sequence[int]
) -> None:
    """Erase persons of a closed collection as `delete` does, but take their `rows` out of packed ciphertexts all at once.

    Whoever is gone already is passed over, and their rows are taken out all the same.
    """
    with means.locks.of(collection.collection_id):
        for person_id in person_ids:
            try:
                found = region.erasures.whereabouts(collection.company_id, person_id)
            except (PersonErased, NotFound):
                continue
            told = acts.erased(means.clock, found, acts.key_if_it_opens(region, person_id), faces=found.faces)
            region.store.delete_person(collection.company_id, person_id, entries=[told])
            means.checkpoint("delete_several:committed")
        _forget(means, region, collection, rows)


def faces(means: Means, company_id: str, person_id: str) -> list[FaceRecord]:
    """See `Recognition.faces`."""
    region, _ = _found(means, company_id, person_id, Action.READ)
    return region.store.faces(company_id, person_id)


def delete_face(means: Means, company_id: str, face_id: str) -> None:
    """See `Recognition.delete_face`."""
    region = means.home(face_id, IdKind.FACE)
    found = region.store.face(company_id, face_id)
    means.guard.on(region.store.collection(company_id, found.collection_id), Action.DELETE)
    told = acts.face_removed(
        means.clock, company_id, found.collection_id, acts.key_if_it_opens(region, found.person_id)
    )
    face = region.store.delete_face(company_id, face_id, entries=[told])
    means.checkpoint("delete_face:committed")
    with means.locks.of(face.collection_id):
        collection = region.store.collection(company_id, face.collection_id)
        _forget(means, region, collection, [face.row])


def _found(means: Means, company_id: str, person_id: str, action: Action) -> tuple[Region, Person]:
    """The person and their home, where the policy allows the action."""
    region = means.home(person_id, IdKind.PERSON)
    person = region.store.person(company_id, person_id)
    means.guard.on(region.store.collection(company_id, person.collection_id), action)
    return region, person


def _forget(means: Means, region: Region, collection: Collection, rows: Sequence[int]) -> None:
    """Take deleted rows out of packed ciphertexts, delete photos, and tell the nodes."""
    sweep(means, region)
    packing.rewrite_without(means, region, collection, rows)
    region.galleries.follow(region.store.collection(collection.company_id, collection.collection_id))


def _not_reissuing(region: Region, company_id: str, collection_id: str) -> Collection:
    collection = region.store.collection(company_id, collection_id)
    if collection.state is CollectionState.REISSUING:
        raise Conflict("the collection is being given a new key; try again in a while")
    return collection
