"""A signature holds for exactly the bytes it was made over, and for nothing else."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.usage_rig import a_record

from moretta.core.errors import RequestInvalid, UsageRejected
from moretta.core.usage import canonical_json, new_company_id, serialise_batch
from moretta.usage.envelope import (
    ENVELOPE_BYTES_MAX,
    BatchSigner,
    acknowledgement,
    is_signed_by,
    new_signing_key,
    parse_envelope,
)

COMPANY = new_company_id()
KEY = new_signing_key()
SEALED = BatchSigner(COMPANY, KEY.secret).seal((a_record(COMPANY, 2), a_record(COMPANY, 3)))


def test_a_sealed_batch_is_read_back_and_its_signature_holds() -> None:
    signed = parse_envelope(SEALED.envelope)
    assert is_signed_by(signed, KEY.public)
    assert (signed.batch.batch_id, signed.batch.items, SEALED.items, SEALED.records) == (SEALED.batch_id, 5, 5, 2)


def test_every_changed_value_breaks_the_signature() -> None:
    envelope = json.loads(SEALED.envelope)
    changes = [("status", 201), ("count", 4), ("time", "2025-03-01T12:00:01Z"), ("endpoint", "/v1/detect")]
    for field, value in changes:
        changed = json.loads(SEALED.envelope)
        changed["batch"]["records"][0][field] = value
        assert not is_signed_by(parse_envelope(canonical_json(changed)), KEY.public)
    envelope["batch"]["records"].pop()
    assert not is_signed_by(parse_envelope(canonical_json(envelope)), KEY.public)


def test_another_key_and_a_broken_key_do_not_hold() -> None:
    signed = parse_envelope(SEALED.envelope)
    assert not is_signed_by(signed, new_signing_key().public)
    assert not is_signed_by(signed, b"short")


def test_a_signature_over_the_batch_alone_does_not_hold() -> None:
    raw = base64.urlsafe_b64decode(KEY.secret.removeprefix("msk_") + "=")
    batch = parse_envelope(SEALED.envelope).batch
    signature = Ed25519PrivateKey.from_private_bytes(raw).sign(serialise_batch(batch))
    envelope = json.loads(SEALED.envelope) | {"signature": base64.b64encode(signature).decode()}
    assert not is_signed_by(parse_envelope(canonical_json(envelope)), KEY.public)


@pytest.mark.parametrize("signature", ["", "AAAA", 7, None, "!" * 88, "A" * 88 + "\n", "A" * 87 + "="])
def test_a_signature_of_another_form_is_refused(signature: object) -> None:
    with pytest.raises(UsageRejected, match="signature"):
        parse_envelope(canonical_json(json.loads(SEALED.envelope) | {"signature": signature}))


@pytest.mark.parametrize("where", [(), ("batch",), ("batch", "records", 0)])
def test_an_unknown_field_is_refused_at_every_level(where: tuple[str | int, ...]) -> None:
    envelope = json.loads(SEALED.envelope)
    target = envelope
    for part in where:
        target = target[part]
    target["note"] = "x"
    with pytest.raises(UsageRejected, match="1 unknown"):
        parse_envelope(canonical_json(envelope))


def test_bytes_around_an_envelope_are_refused() -> None:
    for raw in (SEALED.envelope + b"\n", b" " + SEALED.envelope, SEALED.envelope[:-1], b"", b"\x00"):
        with pytest.raises(UsageRejected):
            parse_envelope(raw)


def test_an_envelope_over_the_limit_is_refused_unread() -> None:
    with pytest.raises(UsageRejected, match=str(ENVELOPE_BYTES_MAX)):
        parse_envelope(b" " * (ENVELOPE_BYTES_MAX + 1))


@pytest.mark.parametrize(
    "key",
    ["", "msk_", "msk_AAAA", KEY.secret[4:], KEY.secret + "A", "msk_" + "ü" * 43],
    ids=["empty", "prefix", "short", "no prefix", "long", "letters"],  # never the key, which is another in each process
)
def test_a_key_of_another_form_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(RequestInvalid) as refused:
        BatchSigner(COMPANY, key)
    assert key not in refused.value.detail or len(key) < 5


def test_a_key_is_not_in_a_representation() -> None:
    assert KEY.secret not in repr(KEY)


def test_an_acknowledgement_tells_one_batch_from_another() -> None:
    other = BatchSigner(COMPANY, KEY.secret).seal((a_record(COMPANY),))
    first, second = (acknowledgement(each.batch_id, COMPANY, 1, each.envelope) for each in (SEALED, other))
    assert first != second
    assert len(first) < 300
