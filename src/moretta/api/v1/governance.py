"""Governance documents: records of processing, impact assessment, evidence map, signs, and the page of a notice.

Belongs here: the addresses. Does not belong here: what the documents say (see `wiring.governance`).
"""

import re
from collections.abc import Callable
from typing import Annotated, Any

import anyio.to_thread
from fastapi import Depends, FastAPI, Path, Response

from moretta.api.auth import Guard
from moretta.api.openapi import GUARDED, PEOPLE, problems
from moretta.api.services import Governance, GovernanceDocuments
from moretta.api.work import Desk
from moretta.core.keys import ApiKeyInfo

MARKDOWN = "text/markdown; charset=utf-8"
_TEXT: dict[str, Any] = {"content": {"text/markdown": {"schema": {"type": "string"}}}, "description": "Markdown"}
_STYLE = re.compile(r"style-src '(sha256-[A-Za-z0-9+/=]+)'")

NoticeId = Annotated[str, Path(max_length=64, examples=["not_local_0123456789abcdef01234567"])]


def add_governance_routes(app: FastAPI, desk: Desk, governance: Governance, may_manage: Guard) -> None:
    """Add the addresses to `app`."""
    documents = governance.documents
    _add_of_company(app, desk, "/v1/ropa", "getRecordsOfProcessing", _ROPA, documents.ropa, may_manage)
    _add_of_company(app, desk, "/v1/dpia", "getImpactAssessment", _DPIA, documents.dpia, may_manage)
    _add_evidence(app, desk, documents)
    _add_notices(app, desk, documents, may_manage)


_ROPA = "Records of processing activities (GDPR Art. 30), from the running configuration"
_DPIA = "A pre-filled impact assessment (GDPR Art. 35), from the running configuration and what was measured"


def _add_of_company(
    app: FastAPI,
    desk: Desk,
    address: str,
    operation: str,
    summary: str,
    document: Callable[[str], str],
    may_manage: Guard,
) -> None:
    @app.get(
        address,
        operation_id=operation,
        tags=["governance"],
        summary=summary,
        response_class=Response,
        responses={200: _TEXT, **problems(*GUARDED, 503)},
    )
    async def get_document(key: Annotated[ApiKeyInfo, Depends(may_manage)]) -> Response:
        text = await anyio.to_thread.run_sync(document, key.company_id, limiter=desk.inline)
        return Response(text, media_type=MARKDOWN)


def _add_evidence(app: FastAPI, desk: Desk, documents: GovernanceDocuments) -> None:
    @app.get(
        "/v1/evidence",
        operation_id="getEvidenceMap",
        tags=["governance"],
        summary="What laws and standards ask, what enforces it here, what shows it, and what remains with the operator",
        response_class=Response,
        responses={200: _TEXT, **problems(400, 500)},
    )
    async def get_evidence() -> Response:
        return Response(await anyio.to_thread.run_sync(documents.evidence, limiter=desk.inline), media_type=MARKDOWN)


def _add_notices(app: FastAPI, desk: Desk, documents: GovernanceDocuments, may_manage: Guard) -> None:
    @app.get(
        "/v1/notices/{notice_id}/sign.pdf",
        operation_id="getSign",
        tags=["governance"],
        summary="The sign of a notice, to be printed: its code leads to the notice's page",
        response_class=Response,
        responses={
            200: {
                "content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}},
                "description": "PDF",
            },
            **problems(*PEOPLE),
        },
    )
    async def get_sign(key: Annotated[ApiKeyInfo, Depends(may_manage)], notice_id: NoticeId) -> Response:
        pdf = await anyio.to_thread.run_sync(documents.sign, key.company_id, notice_id, limiter=desk.inline)
        return Response(pdf, media_type="application/pdf")

    @app.get(
        "/notices/{notice_id}",
        operation_id="getNoticePage",
        tags=["governance"],
        summary="The notice for whoever reads the sign, with what the running configuration says; without a key",
        response_class=Response,
        responses={
            200: {"content": {"text/html": {"schema": {"type": "string"}}}, "description": "A page"},
            **problems(400, 404, 422, 500, 503),
        },
    )
    async def get_notice_page(notice_id: NoticeId) -> Response:
        page = await anyio.to_thread.run_sync(documents.notice_page, notice_id, limiter=desk.inline)
        return Response(page, media_type="text/html; charset=utf-8", headers=_style_allowed(page))


def _style_allowed(page: str) -> dict[str, str]:
    """The page carries its stylesheet; the answer allows that one, by its digest, and nothing else."""
    found = _STYLE.search(page)
    style = "'none'" if found is None else f"'{found[1]}'"
    policy = f"default-src 'none'; style-src {style}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    return {"Content-Security-Policy": policy}
