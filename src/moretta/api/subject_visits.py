"""Cookies, forms and headers of people's own pages: what keeps one person's pages from everybody else.

Belongs here: the session's cookie, reading forms within a limit, tokens of forms, security headers, errors as pages. Does not
belong here: the pages themselves (see `subject`).

A form counts only where three things hold: the cookie, which browsers send along from pages of the same site alone
(SameSite=Strict); the form's own token, which no other page can know; and, where the browser tells, that a page of this origin
sent it (Sec-Fetch-Site). Source: OWASP Cross-Site Request Forgery Prevention Cheat Sheet.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from fastapi import Request, Response
from starlette.datastructures import UploadFile
from starlette.formparsers import FormParser

from moretta.api.problems import problem_headers
from moretta.api.subject_desk import SubjectDesk
from moretta.core.errors import FormRejected, MediaTooLarge, MorettaError, PersonErased, SessionEnded
from moretta.core.subject_access import form_token, is_form_token
from moretta.use_cases.subject.access import Visit

# Two answers of a passkey have about 2 KiB; thirty-two attributes at most 54 KiB.
MAX_FORM_BYTES = 128 * 1024
FORM_TYPE = "application/x-www-form-urlencoded"
TOKEN_FIELD = "form_token"  # noqa: S105 - a field's name
# The prefix makes browsers refuse the cookie unless it is for https, for this very host and for all of its paths.
SAFE_COOKIE, PLAIN_COOKIE = "__Host-moretta-me", "moretta-me"

_POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; {}form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
_HEADERS = {
    "Content-Security-Policy": _POLICY.format(""),
    "Cache-Control": "no-store",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Robots-Tag": "noindex, nofollow",
}
_SCRIPTED = _HEADERS | {"Content-Security-Policy": _POLICY.format("script-src 'self'; ")}
FOREIGN = {"cross-site", "same-site"}


def is_secure(desk: SubjectDesk, request: Request) -> bool:
    """Whether the pages are reached over https, as far as can be told."""
    return desk.origin.startswith("https://") if desk.origin else request.url.scheme == "https"


def cookie(desk: SubjectDesk, request: Request) -> str | None:
    """The session's cookie."""
    return request.cookies.get(SAFE_COOKIE if is_secure(desk, request) else PLAIN_COOKIE)


def let_in(desk: SubjectDesk, request: Request, response: Response, visit: Visit) -> Response:
    """`response` with the cookie of a visit; it ends with the browser, and before that when the session does."""
    secure = is_secure(desk, request)
    name = SAFE_COOKIE if secure else PLAIN_COOKIE
    response.set_cookie(name, visit.token.text, path="/", secure=secure, httponly=True, samesite="strict")
    return response


def let_out(desk: SubjectDesk, request: Request, response: Response) -> Response:
    """`response` that takes the cookie away."""
    secure = is_secure(desk, request)
    name = SAFE_COOKIE if secure else PLAIN_COOKIE
    response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="strict")
    return response


def require_own_page(request: Request) -> None:
    """Raises `FormRejected` where the browser says that another site's page sent this."""
    if request.headers.get("sec-fetch-site", "").lower() in FOREIGN:
        raise FormRejected("another site sent this; open your own pages and do it there")


def require_form_token(request: Request, visit: Visit, form: Mapping[str, str]) -> None:
    """Raises `FormRejected` unless the form is the one that this session's pages hold for this address."""
    if not is_form_token(visit.token, request.url.path, form.get(TOKEN_FIELD, "")):
        raise FormRejected(
            "expected a form of your own pages, which it was not or is no more; load the page and do it again"
        )


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form; of a field that is there twice, the last.

    Raises:
        FormRejected: another content type.
        MediaTooLarge: over `MAX_FORM_BYTES`.
    """
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != FORM_TYPE:
        raise FormRejected("expected a form as the pages send it")
    parsed = await FormParser(request.headers, _within_limit(request)).parse()
    return {name: value for name, value in parsed.multi_items() if not isinstance(value, UploadFile)}


def page(
    desk: SubjectDesk, name: str, visit: Visit | None, *, status: int = 200, scripted: bool = False, **values: Any
) -> Response:
    """A rendered page with its headers. `scripted`: it loads the one script."""

    def token(address: str) -> str:
        return "" if visit is None else form_token(visit.token, address)

    html = desk.maker.page(name, token, {"where": None, "told": None, **values})
    headers = _SCRIPTED if scripted else _HEADERS
    return Response(html, status, media_type="text/html; charset=utf-8", headers=dict(headers))


def go_to(address: str) -> Response:
    """On to one of our own pages. `address` is never anything that a request holds."""
    return Response(status_code=303, headers={"Location": address, **_HEADERS})


def file(content: bytes, media_type: str, name: str | None = None) -> Response:
    """A file: shown, or saved under `name`."""
    saved = {} if name is None else {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers={**_HEADERS, **saved})


def refusal(desk: SubjectDesk, request: Request, error: MorettaError, visit: Visit | None) -> Response:
    """An error as a page; who is erased sees their certificate instead, and who has no session is let out."""
    request.state.problem_code = error.code
    if isinstance(error, PersonErased) and visit is not None:
        return go_to("/me/erased")
    shown = page(desk, "closed", visit, status=error.status, where=visit and "error", problem=error)
    shown.headers.update(problem_headers(error))
    return let_out(desk, request, shown) if isinstance(error, SessionEnded) else shown


async def _within_limit(request: Request) -> AsyncGenerator[bytes, None]:
    read = 0
    async for chunk in request.stream():
        read += len(chunk)
        if read > MAX_FORM_BYTES:
            raise MediaTooLarge(f"expected a form of at most {MAX_FORM_BYTES} bytes")
        yield chunk


Work = Callable[[Visit, Request], Response]
FormWork = Callable[[Visit, Request, Mapping[str, str]], Response]
