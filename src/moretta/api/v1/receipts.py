"""Certificates: have one, and have a signed document checked.

Belongs here: the addresses. Does not belong here: how a document is checked (`Services.verify`).
"""

from typing import Annotated

import anyio.to_thread
from fastapi import Depends, FastAPI, Path, Request, Response

from moretta.api.auth import Guard
from moretta.api.openapi import GUARDED, PEOPLE, problems
from moretta.api.rights_schemas import VerifiedView, verified_view
from moretta.api.services import VerifyDocument
from moretta.api.v1.collections import json_response
from moretta.api.work import Desk
from moretta.core.errors import MediaTooLarge
from moretta.core.keys import ApiKeyInfo
from moretta.use_cases.rights import Rights

# A certificate has a few KB; an access package is checked with `moretta verify`.
MAX_DOCUMENT_BYTES = 1024 * 1024
CertificateId = Annotated[str, Path(max_length=64, examples=["cer_local_0123456789abcdef01234567"])]
_ANY = {"schema": {"type": "string", "format": "binary"}}
_BODY = {"requestBody": {"required": True, "content": {"application/json": _ANY, "text/plain": _ANY}}}


def add_receipt_routes(
    app: FastAPI, desk: Desk, rights: Rights, verify: VerifyDocument, *, may_look: Guard, any_key: Guard
) -> None:
    """Add the addresses to `app`."""

    @app.get(
        "/v1/receipts/{certificate_id}",
        operation_id="getCertificate",
        tags=["rights"],
        summary="An erasure certificate: signed JSON that anybody can check offline with the region's public key",
        responses={
            200: {"description": "The certificate", "content": {"application/json": {"schema": {"type": "object"}}}},
            **problems(*PEOPLE),
        },
    )
    async def get_certificate(key: Annotated[ApiKeyInfo, Depends(may_look)], certificate_id: CertificateId) -> Response:
        found = await anyio.to_thread.run_sync(rights.certificate, key.company_id, certificate_id, limiter=desk.inline)
        return Response(found.document, media_type="application/json")

    @app.post(
        "/v1/receipts/verify",
        operation_id="verifyDocument",
        tags=["rights"],
        summary="Whether a certificate, receipt, proof or checkpoint holds, as this deployment's own keys signed it",
        responses={200: {"model": VerifiedView}, **problems(*GUARDED, 413)},
        openapi_extra=_BODY,
    )
    async def verify_document(request: Request, key: Annotated[ApiKeyInfo, Depends(any_key)]) -> Response:
        del key
        content = bytearray()
        async for chunk in request.stream():
            content += chunk
            if len(content) > MAX_DOCUMENT_BYTES:
                raise MediaTooLarge(f"Expected a document of at most {MAX_DOCUMENT_BYTES} bytes.")
        found = await anyio.to_thread.run_sync(verify, bytes(content), limiter=desk.inline)
        return json_response(VerifiedView, verified_view(found))
