"""People's own pages, under /me: which there are, and what each form does.

Belongs here: the addresses. Does not belong here: cookies and tokens (see `subject_visits`), what is done (see
`use_cases.subject`), words (the page maker's).

Every address but the first three goes through `_Rooms.see` or `_Rooms.do`, which find the visit; nothing else in a request says
whose data is meant. `do` also takes the form's token.
"""

from collections.abc import Callable, Mapping
from functools import partial

import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import FastAPI, Request, Response

from moretta.api.subject_desk import SubjectDesk
from moretta.api.subject_visits import (
    FormWork,
    Work,
    cookie,
    file,
    go_to,
    let_in,
    let_out,
    page,
    read_form,
    refusal,
    require_form_token,
    require_own_page,
)
from moretta.core.acting import THE_SUBJECT, act_as
from moretta.core.consent import Age, Notice
from moretta.core.consent_proof import PasskeyProof
from moretta.core.errors import MorettaError, NotFound, PersonErased, RequestInvalid, SubjectAccessError
from moretta.core.rights import Right
from moretta.use_cases.consent.give import Agreement
from moretta.use_cases.subject.access import Visit
from moretta.use_cases.subject.facade import SEARCHES_A_PAGE
from moretta.use_cases.subject.own import About

MAX_LINK_CHARACTERS = 64
# What is told after something was done; an address names one of these words and nothing else.
_TOLD = {
    "given": "Your consent is recorded. The receipt below proves it.",
    "refused": "Your refusal is recorded.",
    "withdrawn": "Your consent is withdrawn, and nobody is compared with you any more. You are erased as soon as nothing keeps "
    "it from being done.",
    "corrected": "Your data is corrected.",
    "unchanged": "Nothing was different, so nothing was changed.",
    "restricted": "You are not compared any more.",
    "unrestricted": "You are compared again.",
    "objected": "Your objection is recorded, and you are not compared any more.",
    "asked": "Your request is recorded. You see below by when it must be answered.",
}
_ATTRIBUTE = "attribute:"


def add_subject_routes(app: FastAPI, desk: SubjectDesk, inline: CapacityLimiter) -> None:
    """Add the pages to `app`. Work that blocks is done within `inline`."""
    rooms = _Rooms(app, desk, inline)
    _add_door(rooms)
    looks: dict[str, Callable[..., Response]] = {
        "/me": _overview,
        "/me/photos": _photos,
        "/me/photos/{face_id}": _photo,
        "/me/consent": _consent,
        "/me/consent/{consent_id}/receipt": _receipt,
        "/me/withdraw": partial(_plain, "withdraw", "consent"),
        "/me/searches": _searches,
        "/me/rights": _rights,
        "/me/correct": partial(_plain, "correct", "rights"),
        "/me/object": partial(_plain, "object", "rights"),
        "/me/erase": partial(_plain, "erase", "rights"),
        "/me/erased": _erased,
        "/me/certificate": _certificate,
        "/me/verify": _verify,
    }
    for address, look in looks.items():
        rooms.see(address, partial(look, desk))
    acts: dict[str, Callable[..., Response]] = {
        "/me/consent/sign": _sign,
        "/me/consent/give": _give,
        "/me/consent/refuse": _refuse,
        "/me/withdraw": _withdraw,
        "/me/download": _download,
        "/me/correct": _correct,
        "/me/restrict": _restrict,
        "/me/unrestrict": _unrestrict,
        "/me/object": _object,
        "/me/erase": _erase,
        "/me/leave": _leave,
    }
    for address, act in acts.items():
        rooms.do(address, partial(act, desk))


class _Rooms:
    """Adds pages and forms that belong to one visit."""

    def __init__(self, app: FastAPI, desk: SubjectDesk, inline: CapacityLimiter) -> None:
        self.app, self.desk, self._inline = app, desk, inline

    def see(self, address: str, work: Work) -> None:
        """A page of the visitor."""

        async def shown(request: Request) -> Response:
            return await self.blocking(partial(self._seen, request, work))

        self.add(address, "GET", shown)

    def do(self, address: str, work: FormWork) -> None:
        """A form of the visitor."""

        async def done(request: Request) -> Response:
            try:
                require_own_page(request)
                form = await read_form(request)
            except MorettaError as error:
                return refusal(self.desk, request, error, None)
            return await self.blocking(partial(self._done, request, form, work))

        self.add(address, "POST", done)

    def add(self, address: str, method: str, answer: object) -> None:
        """Any other address; none of them is part of the API."""
        self.app.add_api_route(
            address,
            answer,  # type: ignore[arg-type]
            methods=[method],
            include_in_schema=False,
            response_model=None,
        )

    async def blocking(self, work: "partial[Response]") -> Response:
        """Do it where it holds up nobody."""
        act_as(THE_SUBJECT)
        return await anyio.to_thread.run_sync(work, limiter=self._inline)

    def _seen(self, request: Request, work: Work) -> Response:
        visit = None
        try:
            visit = self.desk.pages.visit(cookie(self.desk, request))
            return work(visit, request)
        except MorettaError as error:
            return refusal(self.desk, request, error, visit)

    def _done(self, request: Request, form: Mapping[str, str], work: FormWork) -> Response:
        visit = None
        try:
            visit = self.desk.pages.visit(cookie(self.desk, request))
            require_form_token(request, visit, form)
            return work(visit, request, form)
        except MorettaError as error:
            return refusal(self.desk, request, error, visit)


def _add_door(rooms: _Rooms) -> None:
    desk = rooms.desk

    async def start(link: str) -> Response:
        return page(desk, "start", None, link=link[:MAX_LINK_CHARACTERS], code="", problem=None)

    async def start_with_code(link: str, code: str) -> Response:
        # Nothing is used up yet: mail programs and messengers open links to look at them.
        return page(desk, "start", None, link=link[:MAX_LINK_CHARACTERS], code=code[:MAX_LINK_CHARACTERS], problem=None)

    async def enter(request: Request) -> Response:
        try:
            require_own_page(request)
            form = await read_form(request)
        except MorettaError as error:
            return refusal(desk, request, error, None)
        return await rooms.blocking(partial(_enter, desk, request, form))

    async def asset(name: str) -> Response:
        found = desk.maker.asset(name)
        if found is None:
            raise NotFound("There is nothing at this address.")
        return file(*found)

    rooms.add("/me/start/{link}", "GET", start)
    rooms.add("/me/start/{link}/{code}", "GET", start_with_code)
    rooms.add("/me/start", "POST", enter)
    rooms.add("/me/static/{name}", "GET", asset)


def _enter(desk: SubjectDesk, request: Request, form: Mapping[str, str]) -> Response:
    link, code = form.get("link", "")[:MAX_LINK_CHARACTERS], form.get("code", "")[:MAX_LINK_CHARACTERS]
    try:
        visit = desk.pages.enter(link, code)
    except SubjectAccessError as error:
        request.state.problem_code = error.code
        return page(desk, "start", None, status=error.status, link=link, code="", problem=error)
    except MorettaError as error:
        return refusal(desk, request, error, None)
    _leave_before(desk, request)
    return let_in(desk, request, go_to("/me"), visit)


def _leave_before(desk: SubjectDesk, request: Request) -> None:
    """End the visit that this browser was on."""
    try:
        desk.pages.leave(desk.pages.visit(cookie(desk, request)))
    except MorettaError:
        return


def _overview(desk: SubjectDesk, visit: Visit, request: Request) -> Response:
    about = desk.pages.about(visit)
    return page(
        desk, "overview", visit, where="overview", about=about, notice=_notice(about, request), told=_told(request)
    )


def _photos(desk: SubjectDesk, visit: Visit, _: Request) -> Response:
    return page(desk, "photos", visit, where="overview", about=desk.pages.about(visit))


def _photo(desk: SubjectDesk, visit: Visit, request: Request) -> Response:
    return file(desk.pages.photo(visit, request.path_params["face_id"]), "image/jpeg")


def _consent(desk: SubjectDesk, visit: Visit, request: Request) -> Response:
    about = desk.pages.about(visit)
    notice, now = _notice(about, request), desk.clock()
    told = _told(request)
    return page(desk, "consent", visit, where="consent", about=about, notice=notice, now=now, told=told)


def _receipt(desk: SubjectDesk, visit: Visit, request: Request) -> Response:
    receipt = desk.pages.receipt(visit, request.path_params["consent_id"])
    return file(receipt.jws.encode("ascii"), "application/jose", "consent-receipt.jws")


def _plain(name: str, where: str, desk: SubjectDesk, visit: Visit, _: Request) -> Response:
    return page(desk, name, visit, where=where, about=desk.pages.about(visit))


def _searches(desk: SubjectDesk, visit: Visit, request: Request) -> Response:
    asked = request.query_params.get("before", "")
    # An index of the log has no more digits than a database's number.
    before = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 19 else None
    found = desk.pages.searches(visit, before)
    earlier = found[-1].log_index if len(found) == SEARCHES_A_PAGE else None
    return page(desk, "searches", visit, where="searches", searches=found, before=earlier, later=before is not None)


def _rights(desk: SubjectDesk, visit: Visit, request: Request) -> Response:
    about, requests = desk.pages.about(visit), desk.pages.requests(visit)
    return page(desk, "rights", visit, where="rights", about=about, requests=requests, told=_told(request))


def _erased(desk: SubjectDesk, visit: Visit, _: Request) -> Response:
    return page(desk, "erased", visit, certified=desk.pages.certificate(visit))


def _certificate(desk: SubjectDesk, visit: Visit, _: Request) -> Response:
    certified = desk.pages.certificate(visit)
    if certified is None:
        raise NotFound("the certificate is being made; try again in a moment")
    return file(certified.document, "application/json", "erasure-certificate.json")


def _verify(desk: SubjectDesk, visit: Visit, _: Request) -> Response:
    return page(desk, "verify", visit, keys=desk.pages.keys(visit))


def _sign(desk: SubjectDesk, visit: Visit, _: Request, form: Mapping[str, str]) -> Response:
    asked = desk.pages.ask_consent(visit, form.get("notice", ""))
    return page(desk, "sign", visit, scripted=True, where="consent", asked=asked)


def _give(desk: SubjectDesk, visit: Visit, _: Request, form: Mapping[str, str]) -> Response:
    age, guardian = form.get("age", ""), form.get("guardian", "").strip()
    if age not in {Age.ADULT, Age.MINOR}:
        raise RequestInvalid("expected whether you sign for yourself or for a child; go back and choose")
    if (age == Age.MINOR) != bool(guardian):
        raise RequestInvalid(
            "expected what you are to the child where you sign for one, and nothing else; go back and mend it"
        )
    proof = PasskeyProof(form.get("challenge", ""), form.get("assertion", ""), form.get("registration", ""))
    # Collection and person are the visit's own, whatever stands here.
    desk.pages.give(visit, Agreement("", form.get("notice", ""), proof, age=Age(age), guardian=guardian))
    return go_to("/me/consent?done=given")


def _refuse(desk: SubjectDesk, visit: Visit, _: Request, form: Mapping[str, str]) -> Response:
    desk.pages.refuse(visit, form.get("notice", ""))
    return go_to("/me/consent?done=refused")


def _withdraw(desk: SubjectDesk, visit: Visit, _: Request, __: Mapping[str, str]) -> Response:
    ended = desk.pages.withdraw(visit)
    desk.forget(visit.company_id)
    if any(one.erased for one in ended):
        return go_to("/me/erased")
    return go_to("/me/consent?done=withdrawn" if ended else "/me/consent?done=unchanged")


def _download(desk: SubjectDesk, visit: Visit, _: Request, __: Mapping[str, str]) -> Response:
    name = f"my-data-{desk.clock():%Y-%m-%d}.zip"
    return file(desk.pages.archive(visit), "application/zip", name)


def _correct(desk: SubjectDesk, visit: Visit, _: Request, form: Mapping[str, str]) -> Response:
    attributes = [
        (name.removeprefix(_ATTRIBUTE), value.strip()) for name, value in form.items() if name.startswith(_ATTRIBUTE)
    ]
    asked = desk.pages.correct(visit, form.get("name", "").strip(), attributes)
    if asked is None:
        return go_to("/me/rights?done=unchanged")
    return go_to("/me/rights?done=asked" if asked.state.open else "/me/rights?done=corrected")


def _restrict(desk: SubjectDesk, visit: Visit, _: Request, __: Mapping[str, str]) -> Response:
    desk.pages.ask(visit, Right.RESTRICTION)
    desk.forget(visit.company_id)
    return go_to("/me/rights?done=restricted")


def _unrestrict(desk: SubjectDesk, visit: Visit, _: Request, __: Mapping[str, str]) -> Response:
    desk.pages.lift_restriction(visit)
    return go_to("/me/rights?done=unrestricted")


def _object(desk: SubjectDesk, visit: Visit, _: Request, form: Mapping[str, str]) -> Response:
    desk.pages.ask(visit, Right.OBJECTION, form.get("reason", ""))
    desk.forget(visit.company_id)
    return go_to("/me/rights?done=objected")


def _erase(desk: SubjectDesk, visit: Visit, _: Request, __: Mapping[str, str]) -> Response:
    try:
        asked = desk.pages.ask(visit, Right.ERASURE)
    except PersonErased:
        return go_to("/me/erased")
    finally:
        desk.forget(visit.company_id)
    return go_to("/me/rights?done=asked" if asked.state.open else "/me/erased")


def _leave(desk: SubjectDesk, visit: Visit, request: Request, _: Mapping[str, str]) -> Response:
    desk.pages.leave(visit)
    return let_out(desk, request, page(desk, "left", None))


def _told(request: Request) -> str | None:
    return _TOLD.get(request.query_params.get("done", ""))


def _notice(about: About, request: Request) -> Notice | None:
    """What the collection shows: in the language that was picked, else in one that the browser asks for, else in the first."""
    by_language = {notice.language: notice for notice in about.notices}
    accepted = [one.split(";")[0].strip() for one in request.headers.get("accept-language", "").split(",")]
    spoken = [language for one in accepted for language in (one, one.split("-")[0])]
    wanted = [request.query_params.get("language", ""), *spoken]
    found = next((by_language[one] for one in wanted if one in by_language), None)
    return found or next(iter(about.notices), None)
