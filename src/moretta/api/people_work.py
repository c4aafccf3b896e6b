"""Photos on their way to recognition, each counted once it was worked on.

Belongs here: the rules of uploads of photos, counting, and what of the wishes in headers and form holds for all addresses.
Does not belong here: addresses, the shape of answers.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, TypeVar

import anyio.to_thread
from fastapi import Header
from pydantic import BaseModel

from moretta.api.bodies import checked
from moretta.api.calls import Call
from moretta.api.forms import MEDIA_PARTS, UploadRules
from moretta.api.people_schemas import Attributes, PersonName
from moretta.api.work import Desk, failures_counted
from moretta.core.errors import (
    DuplicateFace,
    FaceNotFound,
    FieldError,
    MediaError,
    MorettaError,
    ProbeRejected,
    QualityTooLow,
    RequestInvalid,
    SeveralFaces,
    TimeLimitExceeded,
    WorkerLost,
)
from moretta.core.recognition import FailureToEnrol, RefusalReason, StoreWish

# As usage records name them.
SEARCH, VERIFY = "/v1/search", "/v1/verify"
# As answers are remembered under an `Idempotency-Key`.
CONFIRM, REJECT = "/v1/reviews/confirm", "/v1/reviews/reject"
# Whose remembered answers name persons who match: forgotten where somebody must not be found any more.
NAMING = frozenset({SEARCH, VERIFY, CONFIRM, REJECT})

T = TypeVar("T")
Count = Callable[[int, int], None]

PurposeHeader = Annotated[
    str | None, Header(max_length=500, description="Why; where it is sent, it must be the collection's purpose.")
]
StorePhotoHeader = Annotated[
    str | None,
    Header(
        alias="Store",
        description="`template` (what enrolling needs, the default) or `photo` (the photo as well, encrypted under the "
        "person's own key). `none` cannot be had here.",
    ),
]
# Users of other services send several photos as `photos`.
PHOTO_PARTS = MEDIA_PARTS | {"photos"}
# About a photo that a worker had; whatever else is raised came before, or is the deployment's own fault.
ABOUT_THE_PHOTO = (
    MediaError,
    FaceNotFound,
    SeveralFaces,
    QualityTooLow,
    DuplicateFace,
    ProbeRejected,
    TimeLimitExceeded,
    WorkerLost,
)
_REFUSALS: dict[RefusalReason, type[MorettaError]] = {
    RefusalReason.NO_FACE: FaceNotFound,
    RefusalReason.SEVERAL_FACES: SeveralFaces,
    RefusalReason.LOW_QUALITY: QualityTooLow,
    RefusalReason.DUPLICATE: DuplicateFace,
}
_WISHES = {
    "none": StoreWish.NONE,
    "template": StoreWish.TEMPLATE,
    "photo": StoreWish.PHOTO,
    # In a form, as users of Luxand's API ask whether the photo is stored.
    "1": StoreWish.PHOTO,
    "0": StoreWish.TEMPLATE,
}


def photo_rules(
    desk: Desk,
    fields: frozenset[str],
    items: int = 1,
    *,
    parts: frozenset[str] = PHOTO_PARTS,
    field_bytes: int | None = None,
) -> UploadRules:
    """Within what `items` photos and the form fields `fields` are read; all photos together have the limit of one item."""
    settings = desk.services.settings
    return UploadRules(
        desk.services.limits.bytes,
        field_bytes or settings.field_bytes,
        settings.upload_idle_s,
        settings.upload_total_s,
        fields,
        parts,
        items,
        once=parts is not PHOTO_PARTS,
    )


async def counted(call: Call, items: int, work: Callable[[Count], T]) -> T:
    """What `work` gives, which counts its own successes with the function it is handed; failures are counted here.

    `work` runs in a thread. `items` are the photos that a failure stands for.

    Raises:
        MorettaError: as `work`; or a record could not be kept, and then there is no result either.
    """
    services = call.desk.services

    def count(status: int, number: int) -> None:
        if number:
            services.meter.record(call.endpoint, status, call.key.company_id, number, call.key.key_id)
            call.desk.metrics.photos(number)

    def run() -> T:
        with failures_counted(lambda status: count(status, items), ABOUT_THE_PHOTO):
            return work(count)

    return await anyio.to_thread.run_sync(run, limiter=call.desk.inline)


def store_wish(header: str | None, form: Mapping[str, str]) -> StoreWish:
    """What to keep of a photo that is enrolled: the header, else the form's `store`, else the template.

    Raises:
        RequestInvalid: a word that means nothing, or `none`: enrolling without keeping anything is no enrolment.
    """
    word = header if header is not None else form.get("store", "")
    word = word.strip().lower()
    wish = _WISHES.get(word) if word else StoreWish.TEMPLATE
    if wish is None:
        raise RequestInvalid(
            "The Store header cannot be used.", field_errors=(FieldError("Store", "expected template or photo"),)
        )
    if wish is StoreWish.NONE:
        wrong = FieldError("Store", "expected template (the default) or photo")
        raise RequestInvalid(
            "Enrolling keeps a protected template: that is what later photos are compared with. To look at a photo and keep "
            "nothing, send it to /v1/analyze, /v1/compare or a collection's search.",
            field_errors=(wrong,),
        )
    return wish


class _Described(BaseModel, extra="forbid"):
    name: PersonName = ""
    attributes: Attributes = {}


def described(form: Mapping[str, str]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The name and the attributes (a JSON object of texts) in a form.

    Raises:
        RequestInvalid: one of them is no such thing; the message does not repeat it.
    """
    given: dict[str, object] = {"name": form.get("name", "")}
    if form.get("attributes"):
        try:
            given["attributes"] = json.loads(form["attributes"])
        except (ValueError, RecursionError):
            wrong = FieldError("attributes", "expected a JSON object of texts")
            raise RequestInvalid("The attributes cannot be read.", field_errors=(wrong,)) from None
    found = checked(json.dumps(given), _Described, "a person")
    return found.name, tuple(found.attributes.items())


def flag(form: Mapping[str, str], name: str) -> bool:
    """The yes or no in a form's field; left out: no. Raises `RequestInvalid` for another word."""
    word = form.get(name, "0").strip().lower()
    if word not in {"0", "1", "true", "false", ""}:
        raise RequestInvalid("A flag is neither yes nor no.", field_errors=(FieldError(name, "expected 1 or 0"),))
    return word in {"1", "true"}


def refused(failures: Sequence[FailureToEnrol]) -> MorettaError:
    """The problem of photos of which none was enrolled: the first one's, with a word about each."""
    first = failures[0]
    told = tuple(FieldError(f"photos[{i}]", f"{one.reason.value}: {_measured(one)}") for i, one in enumerate(failures))
    return _REFUSALS[first.reason](_measured(first), field_errors=told if len(failures) > 1 else ())


def _measured(failure: FailureToEnrol) -> str:
    if failure.quality is None:
        return failure.detail
    parts = ", ".join(f"{name} {value:.0f}" for name, value in failure.components)
    return f"{failure.detail} (measured quality {failure.quality:.0f} of 100{': ' if parts else ''}{parts})"
