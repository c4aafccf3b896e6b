"""Decisions: search (1:N), verify (1:1), and compare (two photos). Nothing of their photos is kept.

Belongs here: the addresses. Does not belong here: how a decision is made.
"""

from contextlib import ExitStack
from functools import partial
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Query, Request, Response

from moretta.api.auth import Guard
from moretta.api.calls import REPEATED, Call, IdempotencyHeader, json_answer
from moretta.api.forms import UploadRules
from moretta.api.idempotency import Answer, idempotency_key
from moretta.api.openapi import MEDIA, photo_body, problems
from moretta.api.options import refuse_storing
from moretta.api.people import People
from moretta.api.people_schemas import ComparisonView, SearchView, VerificationView
from moretta.api.people_views import comparison_view, search_view, verification_view
from moretta.api.people_work import SEARCH, VERIFY, Count, PurposeHeader, counted, photo_rules
from moretta.api.schemas import to_json
from moretta.api.uploads import Received
from moretta.api.v1.collections import CollectionId
from moretta.api.v1.persons import PersonId
from moretta.api.work import Desk
from moretta.core.errors import NotFound, PersonErased, PolicyProhibited, ScopeMissing
from moretta.core.keys import ApiKeyInfo, Scope
from moretta.use_cases.recognition.results import Comparison, Search, Verification

COMPARE = "/v1/compare"
StoreNothingHeader = Annotated[
    str | None, Header(alias="Store", description="Only `none`: nothing of a photo that is compared is kept.")
]
ComparePurposeHeader = Annotated[
    str | None,
    Header(
        alias="Purpose",
        max_length=500,
        description="Why: a purpose of the policy; left out, the only one that allows it.",
    ),
]
_PAIR = frozenset({"a", "b"})
_STORE = {"store": "Only none: nothing is kept here."}


def add_matching_routes(app: FastAPI, desk: Desk, may_search: Guard) -> None:
    """Add the addresses to `app`."""
    _add_search(app, desk, may_search)
    _add_verify(app, desk, may_search)
    _add_compare(app, desk, may_search)


def _add_search(app: FastAPI, desk: Desk, may_search: Guard) -> None:
    @app.post(
        "/v1/collections/{collection_id}/search",
        operation_id="searchCollection",
        tags=["recognition"],
        summary="Who of the collection is in a photo; every face in it is searched",
        responses={200: {"model": SearchView, "headers": REPEATED}, **problems(*MEDIA, 404, 410)},
        openapi_extra=photo_body(fields=_STORE),
    )
    async def search_collection(
        request: Request,
        key: Annotated[ApiKeyInfo, Depends(may_search)],
        collection_id: CollectionId,
        limit: Annotated[int, Query(ge=1, le=100, description="Most persons a face.")] = 10,
        names: Annotated[bool, Query(description="Tell names too; needs persons:write.")] = False,
        idempotency: IdempotencyHeader = None,
        store: StoreNothingHeader = None,
        purpose: PurposeHeader = None,
    ) -> Response:
        if names and not key.allows(Scope.PERSONS_WRITE):
            raise ScopeMissing(f"Names need the scope {Scope.PERSONS_WRITE}; search without them, or use another key.")
        call = Call(desk, request, key, SEARCH, idempotency_key(idempotency))
        received = await _received(call, store, photo_rules(desk, frozenset({"store"})))
        make = partial(_search, call, received, collection_id, limit, names, purpose)
        return await call.answer(received, f"{collection_id}|{limit}|{names}|{purpose}", make)


def _add_verify(app: FastAPI, desk: Desk, may_search: Guard) -> None:
    @app.post(
        "/v1/persons/{person_id}/verify",
        operation_id="verifyPerson",
        tags=["recognition"],
        summary="Whether a photo shows the person claimed",
        responses={200: {"model": VerificationView, "headers": REPEATED}, **problems(*MEDIA, 404, 410, 423)},
        openapi_extra=photo_body(fields=_STORE),
    )
    async def verify_person(
        request: Request,
        key: Annotated[ApiKeyInfo, Depends(may_search)],
        person_id: PersonId,
        idempotency: IdempotencyHeader = None,
        store: StoreNothingHeader = None,
        purpose: PurposeHeader = None,
    ) -> Response:
        call = Call(desk, request, key, VERIFY, idempotency_key(idempotency))
        received = await _received(call, store, photo_rules(desk, frozenset({"store"})))
        return await call.answer(
            received, f"{person_id}|{purpose}", partial(_verify, call, received, person_id, purpose)
        )


def _add_compare(app: FastAPI, desk: Desk, may_search: Guard) -> None:
    @app.post(
        COMPARE,
        operation_id="compareFaces",
        tags=["recognition"],
        summary="Whether two photos show the same person",
        responses={200: {"model": ComparisonView, "headers": REPEATED}, **problems(*MEDIA)},
        openapi_extra=photo_body(fields=_STORE, parts=("a", "b")),
    )
    async def compare_faces(
        request: Request,
        key: Annotated[ApiKeyInfo, Depends(may_search)],
        model: Annotated[str | None, Query(max_length=200, description="An installed embedder.")] = None,
        fmr: Annotated[float | None, Query(gt=0, lt=1, description="A false match rate of the model's card.")] = None,
        idempotency: IdempotencyHeader = None,
        store: StoreNothingHeader = None,
        purpose: ComparePurposeHeader = None,
    ) -> Response:
        call = Call(desk, request, key, COMPARE, idempotency_key(idempotency))
        received = await _received(call, store, photo_rules(desk, frozenset({"store"}), 2, parts=_PAIR))
        return await call.answer(
            received, f"{model}|{fmr}|{purpose}", partial(_compare, call, received, model, fmr, purpose)
        )


async def _received(call: Call, store: str | None, rules: UploadRules) -> Received:
    refuse_storing(store)
    received, _ = await call.receive(rules, lambda got: refuse_storing(got.fields.get("store")))
    return received


async def _search(
    call: Call, received: Received, collection_id: str, limit: int, names: bool, purpose: str | None
) -> tuple[Answer, bool]:
    people, company_id = call.desk.services.people, call.key.company_id

    def work(count: Count) -> SearchView:
        with received.upload.item(0) as fd:
            found = people.search(company_id, collection_id, fd, limit=limit, purpose=purpose, caller=call.key.key_id)
        view = search_view(found, names_in(people, company_id, found) if names else None)
        count(200, 1)
        return view

    return json_answer(to_json(SearchView, await counted(call, 1, work))), False


def names_in(people: People, company_id: str, found: Search) -> dict[str, str]:
    """The names of everybody found, as far as the policy lets them be read; who was erased meanwhile is not among them."""
    names = {}
    for person_id in {one.person_id for face in found.faces for one in face.candidates}:
        try:
            names[person_id] = people.person(company_id, person_id).name
        except (PersonErased, NotFound, PolicyProhibited):
            continue
    return names


async def _verify(call: Call, received: Received, person_id: str, purpose: str | None) -> tuple[Answer, bool]:
    people = call.desk.services.people

    def work(count: Count) -> Verification:
        with received.upload.item(0) as fd:
            found = people.verify(call.key.company_id, person_id, fd, purpose=purpose, caller=call.key.key_id)
        count(200, 1)
        return found

    view = verification_view(person_id, await counted(call, 1, work))
    return json_answer(to_json(VerificationView, view)), False


async def _compare(
    call: Call, received: Received, model: str | None, fmr: float | None, purpose: str | None
) -> tuple[Answer, bool]:
    people, key = call.desk.services.people, call.key

    def work(count: Count) -> Comparison:
        with ExitStack() as held:
            first, second = (held.enter_context(received.upload.item(received.parts.index(name))) for name in "ab")
            found = people.compare(
                key.company_id, first, second, model=model, fmr=fmr, purpose=purpose, caller=key.key_id
            )
        count(200, 2)
        return found

    return json_answer(to_json(ComparisonView, comparison_view(await counted(call, 2, work)))), False
