"""A watching process's receipt is signed, and what is altered, foreign or of another kind of process does not verify."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from moretta.core.analysis import ModelUse
from moretta.core.cameras import Denial, WatchReceipt
from moretta.core.documents import Trust
from moretta.core.errors import ProofRejected
from moretta.keys.signing import SeedSigner, is_signed_by
from moretta.vision.models.catalogue import find
from moretta.wiring.streams.receipts import WATCH_RECEIPT_TYPE, signed_receipt
from moretta.wiring.verifying import verified

SIGNER = SeedSigner(b"s" * 32)
TRUST = Trust((SIGNER.public_key,), is_signed_by)
RECEIPT = WatchReceipt(
    "shop",
    "ws_0123456789abcdef",
    datetime(2026, 11, 25, 12, tzinfo=UTC),
    (ModelUse("centerface", find("centerface").sha256),),
    False,
    (Denial("seccomp", "full", "tried"),),
)


def changed(**fields: Any) -> bytes:
    return json.dumps(json.loads(signed_receipt(RECEIPT, SIGNER)) | fields).encode()


def test_a_signed_receipt_says_what_was_loaded_and_denied() -> None:
    found = verified(signed_receipt(RECEIPT, SIGNER), TRUST)
    assert (found.type, found.public_key) == (WATCH_RECEIPT_TYPE, SIGNER.public_key)
    text = "\n".join(found.statements)
    assert "ws_0123456789abcdef of site shop began 2026-11-25 12:00:00 UTC" in text
    assert find("centerface").sha256[:12] in text and "in full force: seccomp" in text
    partly = replace(RECEIPT, denials=(Denial("landlock", "partial", "an old kernel"),))
    assert "not in full force: landlock" in "\n".join(verified(signed_receipt(partly, SIGNER), TRUST).statements)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(changed(site="hall"), id="altered"),
        pytest.param(changed(models=[]), id="a model less"),
        pytest.param(signed_receipt(RECEIPT, SeedSigner(b"x" * 32)), id="another key"),
        pytest.param(signed_receipt(replace(RECEIPT, recognises=True), SIGNER), id="it could recognise"),
        pytest.param(
            signed_receipt(replace(RECEIPT, models=(ModelUse("centerface", find("mobilefacenet").sha256),)), SIGNER),
            id="an embedder under another name",
        ),
        pytest.param(
            signed_receipt(replace(RECEIPT, models=(ModelUse("centerface", "0" * 64),)), SIGNER), id="unknown model"
        ),
    ],
)
def test_another_receipt_does_not_hold(document: bytes) -> None:
    with pytest.raises(ProofRejected):
        verified(document, TRUST)
