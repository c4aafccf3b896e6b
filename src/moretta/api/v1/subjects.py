"""Links to people's own pages: an operator makes one and gives it to the person.

Belongs here: the address. Does not belong here: the pages (see `api.subject`).
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Annotated

import anyio.to_thread
from fastapi import Depends, FastAPI, Request, Response
from pydantic import BaseModel, Field

from moretta.api.auth import Guard
from moretta.api.bodies import read_json
from moretta.api.openapi import PEOPLE, json_body, problems
from moretta.api.v1.collections import json_response
from moretta.api.v1.persons import PersonId
from moretta.api.work import Desk
from moretta.core.keys import ApiKeyInfo
from moretta.core.subject_access import LINK_LIFE, MAX_LINK_LIFE, IssuedLink
from moretta.use_cases.subject import OwnPages

SUBJECT_LINKS = "/v1/persons/{person_id}/subject-links"


class NewSubjectLink(BaseModel, extra="forbid"):
    """A link to a person's own pages. `hours`: for how long its code can be used."""

    hours: Annotated[int, Field(ge=1, le=MAX_LINK_LIFE.days * 24)] = LINK_LIFE.days * 24


class SubjectLinkView(BaseModel):
    """A fresh link. The code is shown here once and stored nowhere.

    `url` asks for the code, which then goes another way than the link; `direct_url` holds it, for a QR code that is handed over.
    Without an origin in the settings both begin with the path.
    """

    id: str
    person_id: str
    code: str
    url: str
    direct_url: str
    expires_at: datetime


def subject_link_view(made: IssuedLink, origin: str | None) -> SubjectLinkView:
    """What is shown of a fresh link."""
    url = f"{origin or ''}/me/start/{made.link.link_id}"
    return SubjectLinkView(
        id=made.link.link_id,
        person_id=made.link.person_id,
        code=made.code,
        url=url,
        direct_url=f"{url}/{made.code}",
        expires_at=made.link.expires_at,
    )


def add_subject_link_routes(app: FastAPI, desk: Desk, pages: OwnPages, may_manage: Guard, origin: str | None) -> None:
    """Add the address to `app`."""

    @app.post(
        SUBJECT_LINKS,
        operation_id="linkSubject",
        tags=["rights"],
        summary="A link with a one-time code to the person's own pages; the code is shown once",
        status_code=201,
        responses={201: {"model": SubjectLinkView}, **problems(*PEOPLE, 413, 415)},
        openapi_extra=json_body("NewSubjectLink"),
    )
    async def link_subject(
        request: Request, key: Annotated[ApiKeyInfo, Depends(may_manage)], person_id: PersonId
    ) -> Response:
        wish = await read_json(request, NewSubjectLink, "a link to a person's own pages")
        make = partial(pages.make_link, key.company_id, person_id, made_by=key.key_id, life=timedelta(hours=wish.hours))
        made = await anyio.to_thread.run_sync(make, limiter=desk.inline)
        return json_response(SubjectLinkView, subject_link_view(made, origin), 201)
