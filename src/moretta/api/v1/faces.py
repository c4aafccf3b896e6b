"""A person's faces and stored photos.

Belongs here: more templates of a known person, and the short-lived addresses of photos. Does not belong here: enrolling somebody
new (see `persons`).
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import anyio.to_thread
from fastapi import Depends, FastAPI, Path, Query, Request, Response

from moretta.api.auth import Guard
from moretta.api.calls import REPEATED, Call, IdempotencyHeader
from moretta.api.idempotency import Answer, idempotency_key
from moretta.api.openapi import MEDIA, PEOPLE, photo_body, problems
from moretta.api.people_schemas import Enrolment, Erasure, FacePage, PhotoAddress
from moretta.api.people_views import face_view
from moretta.api.people_work import (
    NAMING,
    Count,
    PurposeHeader,
    StorePhotoHeader,
    counted,
    flag,
    photo_rules,
    store_wish,
)
from moretta.api.photo_links import MAX_TOKEN_CHARACTERS, PhotoLink, PhotoLinks
from moretta.api.uploads import Received
from moretta.api.v1.collections import json_response
from moretta.api.v1.persons import PERSONS, PersonId, enrolled_answer, settled
from moretta.api.work import Desk
from moretta.core.errors import NotFound, PurposeMismatch, RequestInvalid
from moretta.core.keys import ApiKeyInfo
from moretta.core.recognition import Enrolled, FailureToEnrol, StoreWish

FACES = "/v1/persons/{person_id}/faces"
PHOTOS = "/v1/photos/{token}"
FACE_FIELDS = frozenset({"store", "replaces", "refuse_duplicates"})
FaceId = Annotated[str, Path(max_length=64, examples=["fac_local_0123456789abcdef01234567"])]
# A photo is a picture and nothing else, whatever a browser makes of it.
_PHOTO_HEADERS = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox"}
_IMAGE = {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}


def add_face_routes(app: FastAPI, desk: Desk, may_manage: Guard) -> None:
    """Add the addresses to `app`."""
    _add_enrol(app, desk, may_manage)
    _add_records(app, desk, may_manage)
    _add_photos(app, desk, may_manage)


def _add_enrol(app: FastAPI, desk: Desk, may_manage: Guard) -> None:
    @app.post(
        FACES,
        operation_id="addFaces",
        tags=["persons"],
        summary="Enrol more photos of a known person, or one in place of another",
        status_code=201,
        responses={201: {"model": Enrolment, "headers": REPEATED}, **problems(*MEDIA, 404, 410)},
        openapi_extra=photo_body(
            fields={
                "replaces": "The id of a face that the new one takes the place of, in the same transaction.",
                "store": "1 or photo: keep the photo too; 0 or template: the template alone.",
                "refuse_duplicates": "1: refuse a face that somebody else is enrolled with.",
            },
            many=True,
        ),
    )
    async def add_faces(
        request: Request,
        key: Annotated[ApiKeyInfo, Depends(may_manage)],
        person_id: PersonId,
        idempotency: IdempotencyHeader = None,
        store: StorePhotoHeader = None,
        purpose: PurposeHeader = None,
    ) -> Response:
        if store is not None:
            store_wish(store, {})
        call = Call(desk, request, key, PERSONS, idempotency_key(idempotency))
        rules = photo_rules(desk, FACE_FIELDS, desk.services.settings.enrol_photos)
        received, wishes = await call.receive(rules, partial(_wishes, store))
        make = partial(_add, call, received, person_id, wishes, purpose)
        return await call.answer(received, f"{person_id}|{purpose}|{wishes!r}", make)


def _add_records(app: FastAPI, desk: Desk, may_manage: Guard) -> None:
    people = desk.services.people

    @app.get(
        FACES,
        operation_id="listFaces",
        tags=["persons"],
        summary="The person's faces, the oldest first",
        responses={200: {"model": FacePage}, **problems(*PEOPLE)},
    )
    async def list_faces(key: Annotated[ApiKeyInfo, Depends(may_manage)], person_id: PersonId) -> Response:
        found = await anyio.to_thread.run_sync(people.faces, key.company_id, person_id, limiter=desk.inline)
        return json_response(FacePage, FacePage(data=[face_view(face) for face in found]))

    @app.delete(
        "/v1/persons/{person_id}/faces/{face_id}",
        operation_id="deleteFace",
        tags=["persons"],
        summary="Delete one face and its photo",
        responses={200: {"model": Erasure}, **problems(*PEOPLE, 409)},
    )
    async def delete_face(
        key: Annotated[ApiKeyInfo, Depends(may_manage)], person_id: PersonId, face_id: FaceId
    ) -> Response:
        def work() -> Erasure:
            faces = {face.face_id: face for face in people.faces(key.company_id, person_id)}
            if face_id not in faces:
                raise NotFound("This person has no such face.")
            people.delete_face(key.company_id, face_id)
            photo_id = faces.pop(face_id).photo_id
            kept = photo_id is None or any(face.photo_id == photo_id for face in faces.values())
            return Erasure(id=face_id, persons=0, faces=1, photos=0 if kept else 1)

        deleted = await anyio.to_thread.run_sync(work, limiter=desk.inline)
        desk.memory.forget(key.company_id, NAMING)
        return json_response(Erasure, deleted)


@dataclass(frozen=True, slots=True)
class _Wishes:
    store: StoreWish
    refuse_duplicates: bool
    replaced: str | None


def _wishes(store: str | None, received: Received) -> _Wishes:
    form = received.fields
    return _Wishes(store_wish(store, form), flag(form, "refuse_duplicates"), _replaced(form))


def _replaced(form: Mapping[str, str]) -> str | None:
    face_id = form.get("replaces", "").strip()
    if len(face_id) > 64:
        raise RequestInvalid("The field replaces holds no id of a face.")
    return face_id or None


async def _add(
    call: Call, received: Received, person_id: str, wishes: _Wishes, purpose: str | None
) -> tuple[Answer, bool]:
    people, rights, company_id = call.desk.services.people, call.desk.services.rights, call.key.company_id
    replaced = wishes.replaced
    receipts: list[tuple[str, str]] = []

    def work(count: Count) -> list[Enrolled | FailureToEnrol]:
        collection = people.collection(company_id, people.person(company_id, person_id).collection_id)
        if purpose is not None and purpose != collection.purpose:
            raise PurposeMismatch("The person is enrolled for another purpose than the one in the header.")
        with ExitStack() as held:
            fds = [held.enter_context(received.upload.item(i)) for i in range(len(received.parts))]
            if rights is not None and replaced is not None and len(fds) == 1:
                outcome, receipt = rights.replace_face(company_id, person_id, replaced, fds[0], store=wishes.store)
                if receipt is not None:
                    receipts.append(("Link", f'</v1/receipts/{receipt}>; rel="describedby"'))
                return settled([outcome], count)
            outcomes = people.add_faces(
                company_id,
                person_id,
                fds,
                store=wishes.store,
                replace=replaced,
                refuse_duplicates=wishes.refuse_duplicates,
            )
        return settled(outcomes, count)

    answer = enrolled_answer(await counted(call, 1, work))
    return replace(answer, headers=(*answer.headers, *receipts)), False


def _add_photos(app: FastAPI, desk: Desk, may_manage: Guard) -> None:
    people, services = desk.services.people, desk.services
    links = PhotoLinks(services.photo_link_secret, services.clock, services.settings.photo_link_s)

    @app.get(
        "/v1/persons/{person_id}/photo",
        operation_id="getPhotoAddress",
        tags=["persons"],
        summary="An address that shows a stored photo for a minute, without a key",
        responses={200: {"model": PhotoAddress}, **problems(*PEOPLE)},
    )
    async def get_photo_address(
        key: Annotated[ApiKeyInfo, Depends(may_manage)],
        person_id: PersonId,
        face_id: Annotated[str | None, Query(max_length=64, description="Left out: the newest with a photo.")] = None,
    ) -> Response:
        faces = await anyio.to_thread.run_sync(people.faces, key.company_id, person_id, limiter=desk.inline)
        shown = [face for face in faces if face.photo_id is not None and face_id in {None, face.face_id}]
        if not shown:
            raise NotFound("No photo of this person is kept; enrol one with Store: photo.")
        link = PhotoLink(key.company_id, person_id, shown[-1].face_id, key.key_id)
        token, expires_at = links.token(link)
        return json_response(PhotoAddress, PhotoAddress(url=f"/v1/photos/{token}", expires_at=expires_at))

    @app.get(
        PHOTOS,
        operation_id="getPhoto",
        tags=["persons"],
        summary="A stored photo, at an address that is good for a minute",
        response_class=Response,
        responses={200: {"content": _IMAGE, "description": "The photo"}, **problems(400, 404, 410, 422, 500, 503)},
    )
    async def get_photo(request: Request, token: Annotated[str, Path(max_length=MAX_TOKEN_CHARACTERS)]) -> Response:
        link = links.opened(token)
        request.state.key_id = link.key_id  # The log tells whose key a photo was shown for.
        show = partial(people.photo, link.company_id, link.person_id, link.face_id)
        photo = await anyio.to_thread.run_sync(show, limiter=desk.inline)
        return Response(photo.content, media_type=photo.media_type, headers=_PHOTO_HEADERS)
