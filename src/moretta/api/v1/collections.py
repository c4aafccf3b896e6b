"""Collections: make, list, look at, change, take down, and make anew what protects them.

Belongs here: the addresses. Does not belong here: persons (see `persons`), imports and exports (see `transfer`).
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import anyio.to_thread
from fastapi import Depends, FastAPI, Path, Query, Request, Response

from moretta.api.auth import Guard
from moretta.api.bodies import read_json
from moretta.api.calls import response
from moretta.api.job_answers import job_answer
from moretta.api.openapi import LOCATION, PEOPLE, json_body, problems
from moretta.api.people import People
from moretta.api.people_jobs import DeletionResult, Pace, RenewalResult, deletion_result
from moretta.api.people_schemas import (
    CollectionChanges,
    CollectionPage,
    CollectionView,
    NewCollection,
    NewRenewal,
    Renewal,
)
from moretta.api.people_views import collection_view
from moretta.api.people_work import NAMING
from moretta.api.schemas import JobView, to_json
from moretta.api.work import Desk
from moretta.core.errors import FieldError, NotFound, RequestInvalid
from moretta.core.jobs import JobResult
from moretta.core.keys import ApiKeyInfo
from moretta.core.ports import OnProgress
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection, IdKind, region_of
from moretta.use_cases.rights import Rights

COLLECTIONS = "/v1/collections"
COLLECTION = "/v1/collections/{collection_id}"
REISSUE = "/v1/collections/{collection_id}/reissue"
CollectionId = Annotated[str, Path(max_length=64, examples=["col_local_0123456789abcdef01234567"])]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=64, description="The next_cursor of the page before.")]


def add_collection_routes(app: FastAPI, desk: Desk, *, may_manage: Guard, may_look: Guard) -> None:
    """Add the addresses to `app`."""
    _add_list(app, desk, may_manage, may_look)
    _add_one(app, desk, may_manage, may_look)
    _add_reissue(app, desk, may_manage)
    if desk.services.rights is not None:
        _add_deletion(app, desk, desk.services.rights, may_manage)


def mark(cursor: str | None, kind: IdKind) -> str | None:
    """The id that a cursor is. Raises `RequestInvalid` where it is none."""
    try:
        if cursor is not None:
            region_of(cursor, kind)
    except NotFound:
        wrong = FieldError("cursor", "expected the next_cursor of an earlier page")
        raise RequestInvalid("The cursor is not one of ours.", field_errors=(wrong,)) from None
    return cursor


def json_response(kind: Any, value: object, status: int = 200, **headers: str) -> Response:
    """`value`, which is a `kind`, as JSON."""
    return Response(to_json(kind, value), status, media_type="application/json", headers=headers)


def _add_list(app: FastAPI, desk: Desk, may_manage: Guard, may_look: Guard) -> None:
    people = desk.services.people

    @app.post(
        COLLECTIONS,
        operation_id="createCollection",
        tags=["collections"],
        summary="Make a collection: a gallery of people under one purpose and one protection scheme",
        status_code=201,
        responses={201: {"model": CollectionView, "headers": LOCATION}, **problems(*PEOPLE, 409, 413, 415)},
        openapi_extra=json_body("NewCollection"),
    )
    async def create_collection(request: Request, key: Annotated[ApiKeyInfo, Depends(may_manage)]) -> Response:
        wanted = await read_json(request, NewCollection, "a collection")
        made = await anyio.to_thread.run_sync(partial(_create, people, key.company_id, wanted), limiter=desk.inline)
        return json_response(CollectionView, collection_view(made), 201, Location=f"{COLLECTIONS}/{made.collection_id}")

    @app.get(
        COLLECTIONS,
        operation_id="listCollections",
        tags=["collections"],
        summary="The company's collections",
        responses={200: {"model": CollectionPage}, **problems(*PEOPLE)},
    )
    async def list_collections(
        key: Annotated[ApiKeyInfo, Depends(may_look)], limit: Limit = 50, cursor: Cursor = None
    ) -> Response:
        after = mark(cursor, IdKind.COLLECTION)
        found = await anyio.to_thread.run_sync(people.collections, key.company_id, limit, after, limiter=desk.inline)
        following = found[-1].collection_id if len(found) == limit else None
        page = CollectionPage(data=[collection_view(one) for one in found], next_cursor=following)
        return json_response(CollectionPage, page)


def _add_one(app: FastAPI, desk: Desk, may_manage: Guard, may_look: Guard) -> None:
    people = desk.services.people

    @app.get(
        COLLECTION,
        operation_id="getCollection",
        tags=["collections"],
        summary="A collection as it stands",
        responses={200: {"model": CollectionView}, **problems(*PEOPLE)},
    )
    async def get_collection(key: Annotated[ApiKeyInfo, Depends(may_look)], collection_id: CollectionId) -> Response:
        found = await anyio.to_thread.run_sync(people.collection, key.company_id, collection_id, limiter=desk.inline)
        return json_response(CollectionView, collection_view(found))

    @app.patch(
        COLLECTION,
        operation_id="updateCollection",
        tags=["collections"],
        summary="Change a collection; what is left out stays",
        responses={200: {"model": CollectionView}, **problems(*PEOPLE, 409, 413, 415)},
        openapi_extra=json_body("CollectionChanges"),
    )
    async def update_collection(
        request: Request, key: Annotated[ApiKeyInfo, Depends(may_manage)], collection_id: CollectionId
    ) -> Response:
        changes = await read_json(request, CollectionChanges, "changes of a collection")
        work = partial(_update, people, key.company_id, collection_id, changes)
        return json_response(CollectionView, collection_view(await anyio.to_thread.run_sync(work, limiter=desk.inline)))


def _add_deletion(app: FastAPI, desk: Desk, rights: Rights, may_manage: Guard) -> None:
    @app.delete(
        COLLECTION,
        operation_id="deleteCollection",
        tags=["collections"],
        summary="Erase everybody of a collection, each with a certificate, then the collection and its key",
        status_code=202,
        responses={
            202: {
                "model": JobView,
                "description": (
                    "Nobody of the collection is compared from here on; the job erases them and tells the ids of their "
                    "certificates. It goes on after a restart, and asked again tells the same."
                ),
                "headers": LOCATION,
            },
            **problems(*PEOPLE, 423),
        },
    )
    async def delete_collection(
        request: Request, key: Annotated[ApiKeyInfo, Depends(may_manage)], collection_id: CollectionId
    ) -> Response:
        await anyio.to_thread.run_sync(rights.close_collection, key.company_id, collection_id, limiter=desk.inline)
        desk.memory.forget(key.company_id, NAMING)
        work = partial(_delete, rights, key.company_id, collection_id)
        return _taken_on(desk, request, key, COLLECTION, work)


def _add_reissue(app: FastAPI, desk: Desk, may_manage: Guard) -> None:
    people = desk.services.people

    @app.post(
        REISSUE,
        operation_id="reissueCollection",
        tags=["collections"],
        summary="Make anew what protects a collection: its key, its shares, its packing, or its templates under another model",
        status_code=202,
        responses={
            202: {"model": JobView, "description": "Taken on as a job", "headers": LOCATION},
            **problems(*PEOPLE, 409, 413, 415),
        },
        openapi_extra=json_body("NewRenewal", required=False),
    )
    async def reissue_collection(
        request: Request, key: Annotated[ApiKeyInfo, Depends(may_manage)], collection_id: CollectionId
    ) -> Response:
        wanted = NewRenewal()
        if "content-type" in request.headers:
            wanted = await read_json(request, NewRenewal, "what shall be made anew")
        found = await anyio.to_thread.run_sync(people.collection, key.company_id, collection_id, limiter=desk.inline)
        renewal = _renewal(wanted, found)
        work = partial(_renew, people, found, renewal, wanted.model)
        return _taken_on(desk, request, key, REISSUE, work)


def _taken_on(
    desk: Desk, request: Request, key: ApiKeyInfo, endpoint: str, work: Callable[[OnProgress], JobResult]
) -> Response:
    job = desk.board.submit(key.company_id, endpoint, work, lambda: None)
    return response(job_answer(job, request))


def _create(people: People, company_id: str, wanted: NewCollection) -> Collection:
    return people.create_collection(
        company_id,
        wanted.name,
        wanted.purpose,
        scheme=wanted.scheme,
        region=wanted.region,
        replicas=wanted.replicas,
        retention_days=wanted.retention_days,
        model=wanted.model,
        min_quality=wanted.min_quality,
        bands=wanted.bands,
        thresholds=None if wanted.thresholds is None else wanted.thresholds.value(),
    )


def _update(people: People, company_id: str, collection_id: str, changes: CollectionChanges) -> Collection:
    changed: dict[str, Any] = {name: getattr(changes, name) for name in changes.model_fields_set}
    if changes.thresholds is None:
        changed.pop("thresholds", None)
    else:
        changed["thresholds"] = changes.thresholds.value()
    return people.update_collection(company_id, collection_id, **changed)


def _renewal(wanted: NewRenewal, collection: Collection) -> Renewal:
    shared = collection.scheme is Scheme.SHARES
    renewal = wanted.renew or (Renewal.SHARES if shared else Renewal.KEY)
    wrong: FieldError | None = None
    if renewal is Renewal.KEY and shared:
        wrong = FieldError("renew", "expected shares or model: this collection's templates are shares under no one key")
    elif renewal is Renewal.SHARES and not shared:
        wrong = FieldError("renew", "expected key, packing or model: this collection's scheme has no shares")
    elif wanted.model is not None and renewal is not Renewal.MODEL:
        wrong = FieldError("model", "expected a model only with renew: model")
    if wrong is not None:
        raise RequestInvalid("This cannot be made anew for this collection.", field_errors=(wrong,))
    return renewal


def _renew(
    people: People, collection: Collection, renewal: Renewal, model: str | None, on_progress: OnProgress
) -> RenewalResult:
    company_id, collection_id = collection.company_id, collection.collection_id
    pace = Pace(on_progress)
    needing_photo: tuple[str, ...] = ()
    if renewal is Renewal.KEY:
        people.reissue(company_id, collection_id, on_progress=pace.stepped)
    elif renewal is Renewal.SHARES:
        people.refresh_shares(company_id, collection_id)
    elif renewal is Renewal.PACKING:
        people.repack(company_id, collection_id)
    else:
        made = people.reenrol(company_id, collection_id, model=model, on_progress=pace.stepped)
        needing_photo = made.needing_photo
    now = people.collection(company_id, collection_id)
    return RenewalResult(renewal, collection_id, now.key_id, now.model_id, needing_photo)


def _delete(rights: Rights, company_id: str, collection_id: str, on_progress: OnProgress) -> DeletionResult:
    pace = Pace(on_progress)
    return deletion_result(rights.delete_collection(company_id, collection_id, on_progress=pace.stepped))
