"""Reviews: matches that people must confirm before anybody is told who it is.

Belongs here: the addresses, and who is shown what. Does not belong here: how votes decide (see `core.review`).
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated

import anyio.to_thread
from fastapi import Depends, FastAPI, Path, Query, Request, Response

from moretta.api.auth import Guard
from moretta.api.bodies import read_json
from moretta.api.calls import REPEATED, IdempotencyHeader, json_answer
from moretta.api.idempotency import Answer
from moretta.api.openapi import PEOPLE, json_body, problems
from moretta.api.people_work import CONFIRM, REJECT
from moretta.api.repeats import answered_once
from moretta.api.review_schemas import Confirmation, ReviewPage, ReviewView, review_view
from moretta.api.schemas import to_json
from moretta.api.v1.collections import Cursor, Limit, json_response, mark
from moretta.api.v1.notices import RegionFilter
from moretta.api.work import Desk
from moretta.core.keys import ApiKeyInfo, Scope
from moretta.core.recognition import IdKind
from moretta.core.review import Choice, Proposal, ReviewState
from moretta.use_cases.review.facade import Reviews

ReviewId = Annotated[str, Path(max_length=64, examples=["rev_local_0123456789abcdef01234567"])]


def add_review_routes(app: FastAPI, desk: Desk, reviews: Reviews, *, may_review: Guard, may_ask: Guard) -> None:
    """Add the addresses to `app`. `may_ask` lets those in who may search, and reviewers."""
    _add_looking(app, desk, reviews, may_review, may_ask)
    _add_deciding(app, desk, reviews, may_review)


def _add_looking(app: FastAPI, desk: Desk, reviews: Reviews, may_review: Guard, may_ask: Guard) -> None:
    @app.get(
        "/v1/reviews",
        operation_id="listReviews",
        tags=["reviews"],
        summary="Matches that wait for people to confirm them, with those who are proposed",
        responses={200: {"model": ReviewPage}, **problems(*PEOPLE)},
    )
    async def list_reviews(
        key: Annotated[ApiKeyInfo, Depends(may_review)],
        state: Annotated[ReviewState, Query(description="Pending ones, unless another state is named.")] = (
            ReviewState.PENDING
        ),
        region: RegionFilter = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        after = mark(cursor, IdKind.REVIEW)
        find = partial(reviews.proposals, key.company_id, limit, after, state=state, region=region)
        found = await anyio.to_thread.run_sync(find, limiter=desk.inline)
        following = found[-1].proposal_id if len(found) == limit else None
        page = ReviewPage(data=[review_view(one, for_reviewer=True) for one in found], next_cursor=following)
        return json_response(ReviewPage, page)

    @app.get(
        "/v1/reviews/{review_id}",
        operation_id="getReview",
        tags=["reviews"],
        summary="What became of a match: its state, and who it is once people have confirmed it",
        responses={200: {"model": ReviewView}, **problems(*PEOPLE)},
    )
    async def get_review(key: Annotated[ApiKeyInfo, Depends(may_ask)], review_id: ReviewId) -> Response:
        reviewer = key.allows(Scope.REVIEWS_DECIDE)
        ask = reviews.proposal if reviewer else reviews.result
        found = await anyio.to_thread.run_sync(partial(ask, key.company_id, review_id), limiter=desk.inline)
        return json_response(ReviewView, review_view(found, for_reviewer=reviewer))


def _add_deciding(app: FastAPI, desk: Desk, reviews: Reviews, may_review: Guard) -> None:
    def decided(decide: Callable[[], Proposal]) -> Answer:
        return json_answer(to_json(ReviewView, review_view(decide(), for_reviewer=True)))

    @app.post(
        "/v1/reviews/{review_id}/confirm",
        operation_id="confirmReview",
        tags=["reviews"],
        summary="Confirm who it is; each key is heard once, and remote identification needs two",
        responses={200: {"model": ReviewView, "headers": REPEATED}, **problems(*PEOPLE, 409, 413, 415)},
        openapi_extra=json_body("Confirmation", required=False),
    )
    async def confirm_review(
        request: Request,
        key: Annotated[ApiKeyInfo, Depends(may_review)],
        review_id: ReviewId,
        idempotency: IdempotencyHeader = None,
    ) -> Response:
        wanted = Confirmation()
        if "content-type" in request.headers:
            wanted = await read_json(request, Confirmation, "a confirmation")
        choices = None if wanted.choices is None else [Choice(one.face, one.person_id) for one in wanted.choices]
        make = partial(decided, partial(reviews.confirm, key.company_id, review_id, key.key_id, choices))
        return await answered_once(desk, key, CONFIRM, idempotency, wanted, make, of=_vote_of(key, review_id))

    @app.post(
        "/v1/reviews/{review_id}/reject",
        operation_id="rejectReview",
        tags=["reviews"],
        summary="Reject a match; those who were proposed are forgotten",
        responses={200: {"model": ReviewView, "headers": REPEATED}, **problems(*PEOPLE, 409)},
    )
    async def reject_review(
        key: Annotated[ApiKeyInfo, Depends(may_review)], review_id: ReviewId, idempotency: IdempotencyHeader = None
    ) -> Response:
        make = partial(decided, partial(reviews.reject, key.company_id, review_id, key.key_id))
        return await answered_once(desk, key, REJECT, idempotency, None, make, of=_vote_of(key, review_id))


def _vote_of(key: ApiKeyInfo, review_id: str) -> str:
    """Whose vote on what: another reviewer's is never taken for a repetition of the first one's."""
    return f"{key.key_id}|{review_id}"
