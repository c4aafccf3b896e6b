"""Persons: enrol, list, look at, rectify, erase.

Belongs here: the addresses. Does not belong here: a person's faces and photos (see `faces`), searching (see `matching`).
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import anyio.to_thread
from fastapi import Depends, FastAPI, Header, Path, Request, Response

from moretta.api.auth import Guard
from moretta.api.bodies import read_json
from moretta.api.calls import REPEATED, Call, IdempotencyHeader, json_answer
from moretta.api.idempotency import Answer, idempotency_key
from moretta.api.openapi import MEDIA, PEOPLE, json_body, photo_body, problems
from moretta.api.people_schemas import Enrolment, PersonChanges, PersonErasure, PersonPage, PersonView
from moretta.api.people_views import enrolment, person_view
from moretta.api.people_work import (
    NAMING,
    Count,
    PurposeHeader,
    StorePhotoHeader,
    counted,
    described,
    flag,
    photo_rules,
    refused,
    store_wish,
)
from moretta.api.schemas import to_json
from moretta.api.uploads import Received
from moretta.api.v1.collections import CollectionId, Cursor, Limit, json_response, mark
from moretta.api.work import Desk
from moretta.core.keys import ApiKeyInfo
from moretta.core.recognition import Enrolled, FailureToEnrol, IdKind, Person, PersonState, StoreWish

# As usage records name it, whichever address a photo was enrolled at.
PERSONS = "/v1/persons"
ENROL = "/v1/collections/{collection_id}/persons"
ENROL_FIELDS = frozenset({"name", "attributes", "store", "refuse_duplicates"})
PersonId = Annotated[str, Path(max_length=64, examples=["per_local_0123456789abcdef01234567"])]
ConsentHeader = Annotated[
    str | None, Header(alias="Consent-Id", max_length=200, description="Accepted, neither kept nor logged.")
]
EnrolmentConsentHeader = Annotated[
    str | None,
    Header(
        alias="Consent-Id",
        max_length=64,
        description="The consent on which the enrolment rests; it says who the person is.",
    ),
]
_DESCRIBED = {
    "store": "1 or photo: keep the photo too; 0 or template: the template alone.",
    "refuse_duplicates": "1: refuse a face that is enrolled already.",
}


def add_person_routes(app: FastAPI, desk: Desk, may_manage: Guard) -> None:
    """Add the addresses to `app`."""
    _add_enrol(app, desk, may_manage)
    _add_list(app, desk, may_manage)
    _add_one(app, desk, may_manage)


def _add_enrol(app: FastAPI, desk: Desk, may_manage: Guard) -> None:
    @app.post(
        ENROL,
        operation_id="enrolPerson",
        tags=["persons"],
        summary="Enrol a person with one or more photos, each of that person alone",
        status_code=201,
        responses={201: {"model": Enrolment, "headers": REPEATED}, **problems(*MEDIA, 404, 410)},
        openapi_extra=photo_body(
            fields={
                "name": "The operator's own word for the person; encrypted where it is kept.",
                "attributes": "A JSON object of texts, kept as the name is.",
                **_DESCRIBED,
            },
            many=True,
        ),
    )
    async def enrol_person(
        request: Request,
        key: Annotated[ApiKeyInfo, Depends(may_manage)],
        collection_id: CollectionId,
        idempotency: IdempotencyHeader = None,
        store: StorePhotoHeader = None,
        purpose: PurposeHeader = None,
        consent: EnrolmentConsentHeader = None,
    ) -> Response:
        if store is not None:
            store_wish(store, {})  # What can be refused is refused before the upload is read.
        call = Call(desk, request, key, PERSONS, idempotency_key(idempotency))
        rules = photo_rules(desk, ENROL_FIELDS, desk.services.settings.enrol_photos)
        received, wishes = await call.receive(rules, partial(_wishes, store))
        make = partial(_enrol, call, received, collection_id, wishes, purpose, consent)
        return await call.answer(received, f"{collection_id}|{purpose}|{consent}|{wishes!r}", make)


@dataclass(frozen=True, slots=True)
class _Wishes:
    name: str
    attributes: Sequence[tuple[str, str]]
    store: StoreWish
    refuse_duplicates: bool


def _wishes(store: str | None, received: Received) -> _Wishes:
    form = received.fields
    return _Wishes(*described(form), store_wish(store, form), flag(form, "refuse_duplicates"))


async def _enrol(
    call: Call,
    received: Received,
    collection_id: str,
    wishes: _Wishes,
    purpose: str | None,
    consent: str | None,
) -> tuple[Answer, bool]:
    people = call.desk.services.people

    def work(count: Count) -> list[Enrolled | FailureToEnrol]:
        with ExitStack() as held:
            fds = [held.enter_context(received.upload.item(i)) for i in range(len(received.parts))]
            outcomes = people.enrol(
                call.key.company_id,
                collection_id,
                fds,
                name=wishes.name,
                attributes=wishes.attributes,
                store=wishes.store,
                purpose=purpose,
                refuse_duplicates=wishes.refuse_duplicates,
                consent_id=consent,
            )
        return settled(outcomes, count)

    return enrolled_answer(await counted(call, 1, work)), False


def settled(outcomes: list[Enrolled | FailureToEnrol], count: Count) -> list[Enrolled | FailureToEnrol]:
    """`outcomes`, each counted.

    Raises:
        FaceNotFound, SeveralFaces, QualityTooLow, DuplicateFace: no photo was enrolled.
    """
    failures = [one for one in outcomes if isinstance(one, FailureToEnrol)]
    if failures and len(failures) == len(outcomes):
        error = refused(failures)
        # One of them is counted where the problem is.
        count(error.status, len(failures) - 1)
        raise error
    count(201, len(outcomes) - len(failures))
    count(422, len(failures))
    return outcomes


def enrolled_answer(outcomes: Sequence[Enrolled | FailureToEnrol]) -> Answer:
    """201 with an outcome for each photo, and where the person is."""
    view = enrolment(outcomes)
    return json_answer(to_json(Enrolment, view), 201, [("Location", f"{PERSONS}/{view.person_id}")])


def _add_list(app: FastAPI, desk: Desk, may_manage: Guard) -> None:
    people = desk.services.people

    @app.get(
        ENROL,
        operation_id="listPersons",
        tags=["persons"],
        summary="The collection's persons",
        responses={200: {"model": PersonPage}, **problems(*PEOPLE)},
    )
    async def list_persons(
        key: Annotated[ApiKeyInfo, Depends(may_manage)],
        collection_id: CollectionId,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        after = mark(cursor, IdKind.PERSON)
        found = await anyio.to_thread.run_sync(
            people.persons, key.company_id, collection_id, limit, after, limiter=desk.inline
        )
        following = found[-1].person_id if len(found) == limit else None
        page = PersonPage(data=[person_view(one) for one in found], next_cursor=following)
        return json_response(PersonPage, page)


def _add_one(app: FastAPI, desk: Desk, may_manage: Guard) -> None:
    people = desk.services.people

    @app.get(
        "/v1/persons/{person_id}",
        operation_id="getPerson",
        tags=["persons"],
        summary="A person as they stand",
        responses={200: {"model": PersonView}, **problems(*PEOPLE)},
    )
    async def get_person(key: Annotated[ApiKeyInfo, Depends(may_manage)], person_id: PersonId) -> Response:
        found = await anyio.to_thread.run_sync(people.person, key.company_id, person_id, limiter=desk.inline)
        return json_response(PersonView, person_view(found))

    @app.patch(
        "/v1/persons/{person_id}",
        operation_id="updatePerson",
        tags=["persons"],
        summary="Rectify name or attributes, or say whether the person may be compared; what is left out stays",
        responses={200: {"model": PersonView}, **problems(*PEOPLE, 409, 413, 415)},
        openapi_extra=json_body("PersonChanges"),
    )
    async def update_person(
        request: Request, key: Annotated[ApiKeyInfo, Depends(may_manage)], person_id: PersonId
    ) -> Response:
        changes = await read_json(request, PersonChanges, "changes of a person", MAX_PERSON_BYTES)
        changed = await anyio.to_thread.run_sync(
            partial(_changed, desk, key.company_id, person_id, changes), limiter=desk.inline
        )
        if not changed.state.comparable:
            desk.memory.forget(key.company_id, NAMING)
        return json_response(PersonView, person_view(changed))

    @app.delete(
        "/v1/persons/{person_id}",
        operation_id="erasePerson",
        tags=["persons"],
        summary="Erase a person: templates, photos, name, and the key they were encrypted under",
        responses={
            200: {"model": PersonErasure},
            202: {
                "model": PersonErasure,
                "description": "Erased; nodes that are down acknowledge it when they are back",
            },
            **problems(*PEOPLE, 409, 423),
        },
    )
    async def erase_person(key: Annotated[ApiKeyInfo, Depends(may_manage)], person_id: PersonId) -> Response:
        work = partial(_erased, desk, key.company_id, person_id)
        erased = await anyio.to_thread.run_sync(work, limiter=desk.inline)
        # No repetition of an earlier answer names them any more.
        desk.memory.forget(key.company_id, NAMING)
        where = {} if erased.certificate_id is None else {"Location": f"/v1/receipts/{erased.certificate_id}"}
        return json_response(PersonErasure, erased, 202 if erased.waiting else 200, **where)


def _changed(desk: Desk, company_id: str, person_id: str, changes: PersonChanges) -> Person:
    rights, state = desk.services.rights, changes.state
    if state is PersonState.ACTIVE and rights is not None:
        rights.compare_again(company_id, person_id, changes.reason or "")
        state = None
    attributes = None if changes.attributes is None else tuple(changes.attributes.items())
    return desk.services.people.update_person(
        company_id, person_id, name=changes.name, attributes=attributes, state=state
    )


def _erased(desk: Desk, company_id: str, person_id: str) -> PersonErasure:
    rights, people = desk.services.rights, desk.services.people
    if rights is not None:
        done = rights.erase(company_id, person_id)
        certificate_id = done.certificate.certificate_id
        return PersonErasure(
            id=person_id,
            persons=1,
            faces=done.faces,
            photos=done.photos,
            certificate_id=certificate_id,
            waiting=list(done.waiting),
        )
    faces = people.faces(company_id, person_id)
    people.delete_person(company_id, person_id)
    photos = len({face.photo_id for face in faces if face.photo_id is not None})
    return PersonErasure(id=person_id, persons=1, faces=len(faces), photos=photos)


# Thirty-two attributes of 564 characters in a script of three bytes each.
MAX_PERSON_BYTES = 64 * 1024
