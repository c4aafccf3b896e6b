"""A receipt proves its consent to whoever has the region's public key, and nothing that was changed in it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from tests.consent_rig import Authenticator, Ed25519Subject, P256Subject
from tests.consents_place import SCAN, Desk, a_desk
from tests.recognition_rig import COMPANY, OTHER_COMPANY

from moretta.core.clock import to_second
from moretta.core.consent import Consent, ConsentState
from moretta.core.consent_receipts import RECEIPT_TYPE
from moretta.core.documents import Trust, Verified
from moretta.core.errors import NotFound, PersonErased, ProofRejected
from moretta.core.jws import compact, parsed
from moretta.core.policy import BUILT_IN
from moretta.keys.signing import SeedSigner, is_signed_by
from moretta.wiring.consent_receipts import receipt_verifier, receipts_over


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with a_desk(tmp_path / "place") as desk:
        yield desk


def _file(desk: Desk, consent: Consent, event: ConsentState | None = None) -> bytes:
    jws = desk.consents.receipt(COMPANY, consent.consent_id, event).jws
    return json.dumps({"type": RECEIPT_TYPE, "jws": jws}).encode()


def _trust(desk: Desk) -> Trust:
    return Trust([desk.place.region.signing.signer().public_key], is_signed_by)


def _verified(desk: Desk, content: bytes) -> Verified:
    return receipt_verifier()(content, _trust(desk))


def _payload(content: bytes) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(parsed(json.loads(content)["jws"]).payload)
    return payload


@pytest.mark.parametrize("way", ["ed25519", "p256", "passkey", "paper"])
def test_a_receipt_of_each_way_to_consent_verifies_with_the_public_key_alone(desk: Desk, way: str) -> None:
    ways: dict[str, Callable[[], Consent]] = {
        "ed25519": lambda: desk.signed(Ed25519Subject()),
        "p256": lambda: desk.signed(P256Subject()),
        "passkey": lambda: desk.touched(Authenticator()),
        "paper": desk.on_paper,
    }
    consent = ways[way]()
    verified = _verified(desk, _file(desk, consent))
    told = " ".join(verified.statements)
    assert consent.consent_id in told
    assert _verified(desk, json.loads(_file(desk, consent))["jws"].encode() + b"\n").statements == verified.statements
    assert desk.notice.sha256 in told
    assert (SCAN in told) is (way == "paper")
    assert ("signed it" in told) is (way != "paper")


def test_until_when_a_consent_counts_is_told_and_that_it_ended_has_a_receipt_of_its_own(desk: Desk) -> None:
    until = desk.clock() + timedelta(hours=1)
    consent = desk.on_paper(expires_at=until)
    told = " ".join(_verified(desk, _file(desk, consent)).statements)
    assert f"for the time until {to_second(until)}" in told
    desk.clock.offset = timedelta(hours=2)
    desk.consents.sweep()
    assert ": expired at" in " ".join(_verified(desk, _file(desk, consent)).statements)


def test_a_receipt_tells_recipients_and_countries_as_the_policy_names_them(tmp_path: Path) -> None:
    anything = BUILT_IN.purposes[0]
    policy = replace(
        BUILT_IN,
        purposes=(replace(anything, name="access", recipients=("Guards Ltd",)),),
        countries=(("local", "DE"), ("us", "US")),
    )
    with a_desk(tmp_path / "place", policy=policy) as desk:
        told = _payload(_file(desk, desk.on_paper()))["record"]["processing"]
        assert (told["recipients"], told["jurisdictions"]) == (["Guards Ltd"], ["DE"])
        assert told["storage_locations"] == ["local (DE)"]


def test_a_receipt_has_the_fields_of_27560_in_the_terms_of_the_data_privacy_vocabulary(desk: Desk) -> None:
    consent = desk.on_paper(guardian="mother")
    record = _payload(_file(desk, consent))["record"]
    assert set(record["header"]) == {"schema_version", "record_id", "pii_principal_id"}
    assert record["header"]["pii_principal_id"] == consent.person_id
    assert set(record["processing"]) == {
        "privacy_notice",
        "language",
        "purposes",
        "pii_controllers",
        "collection_method",
        "processing_method",
        "storage_locations",
        "retention_period",
        "recipients",
        "jurisdictions",
        "withdrawal_method",
        "rights",
    }
    assert record["processing"]["privacy_notice"]["sha256"] == desk.notice.sha256
    (purpose,) = record["processing"]["purposes"]
    assert set(purpose) == {"purpose", "type", "lawful_basis", "pii_information"}
    assert record["event"]["state"] == "dpv:ConsentGiven"
    assert {"time", "type", "state", "validity"} <= set(record["event"])
    # What is the person's own stands in the declaration alone, which goes with their key.
    assert "mother" not in json.dumps(record)


SCHEMA = json.loads((files("moretta") / "schemas" / "consent-receipt.schema.json").read_text("utf-8"))


def test_every_kind_of_receipt_has_the_form_of_the_published_schema(desk: Desk) -> None:
    schema = jsonschema_rs.validator_for(SCHEMA)
    signed = desk.signed(Ed25519Subject())
    refused = desk.consents.refuse(COMPANY, desk.collection.collection_id, desk.notice.sha256)
    ending = desk.on_paper(guardian="mother", expires_at=desk.clock() + timedelta(hours=1))
    kinds = [_file(desk, one) for one in (signed, desk.touched(Authenticator()), desk.on_paper(), refused, ending)]
    desk.consents.withdraw(COMPANY, signed.consent_id)
    desk.clock.offset = timedelta(hours=2)
    desk.consents.sweep()
    kinds += [_file(desk, signed), _file(desk, ending)]
    states = {_payload(one)["record"]["event"]["state"] for one in kinds}
    assert states == {"dpv:ConsentGiven", "dpv:ConsentRefused", "dpv:ConsentWithdrawn", "dpv:ConsentExpired"}
    for one in kinds:
        schema.validate(_payload(one))


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("record", "header", "pii_principal_id"), "Erika"),
        (("record", "processing", "jurisdictions"), ["Germany"]),
        (("record", "processing", "rights"), ["dpv:NoSuchTerm"]),
        (("record", "event", "state"), "given"),
        (("record", "processing", "privacy_notice", "sha256"), "ab"),
        (("declaration", "name"), "Erika"),
    ],
)
def test_the_schema_refuses_what_no_receipt_says(desk: Desk, path: tuple[str, ...], wrong: object) -> None:
    payload = _payload(_file(desk, desk.on_paper()))
    part = payload
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = wrong
    assert not jsonschema_rs.validator_for(SCHEMA).is_valid(payload)


def test_the_schema_is_published_as_it_is_in_the_package() -> None:
    published = Path(__file__).parents[3] / "docs" / "reference" / "consent-receipt.schema.json"
    assert json.loads(published.read_text("utf-8")) == SCHEMA


def test_each_event_has_its_receipt_and_the_first_one_goes_with_the_person(desk: Desk) -> None:
    consent = desk.signed(Ed25519Subject())
    given = _file(desk, consent)
    [(event, jws)] = receipts_over(desk.means.recognition)(COMPANY, consent.consent_id)
    assert (event, jws) == ("given", desk.consents.receipt(COMPANY, consent.consent_id).jws)
    desk.consents.withdraw(COMPANY, consent.consent_id)
    end = _file(desk, consent)
    assert _payload(end)["record"]["event"]["state"] == "dpv:ConsentWithdrawn"
    assert _payload(end)["declaration"] is None
    assert "withdrawn" in _verified(desk, end).statements[0]
    # Whoever kept theirs can still prove it; we cannot make it again.
    assert "given" in _verified(desk, given).statements[0]
    with pytest.raises(PersonErased):
        _file(desk, consent, ConsentState.GIVEN)
    of_all = receipts_over(desk.means.recognition)
    assert [event for event, _ in of_all(COMPANY, consent.consent_id)] == ["withdrawn"]
    with pytest.raises(NotFound):
        _file(desk, consent, ConsentState.EXPIRED)
    with pytest.raises(NotFound):
        desk.consents.receipt(OTHER_COMPANY, consent.consent_id)


def test_a_refusal_has_a_receipt_of_its_own(desk: Desk) -> None:
    refusal = desk.consents.refuse(COMPANY, desk.collection.collection_id, desk.notice.sha256)
    content = _file(desk, refusal)
    assert _payload(content)["record"]["header"]["pii_principal_id"] == refusal.consent_id
    assert "refused" in _verified(desk, content).statements[0]


def _changed(content: bytes, change: Callable[[dict[str, Any]], object], desk: Desk) -> bytes:
    """The same receipt with a changed payload, signed by the region all the same: only what it proves can tell."""
    payload = _payload(content)
    change(payload)
    signer = desk.place.region.signing.signer()
    header = dict(parsed(json.loads(content)["jws"]).header)
    jws = compact(header, json.dumps(payload).encode(), signer.sign)
    return json.dumps({"type": RECEIPT_TYPE, "jws": jws}).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda payload: payload["record"]["event"].update(time="2020-01-01T00:00:00Z"),
        lambda payload: payload["record"]["event"].update(type="withdrawn"),
        lambda payload: payload["record"]["processing"]["privacy_notice"].update(sha256="00" * 32),
        lambda payload: payload["declaration"].update(age="minor"),
        lambda payload: payload["declaration"]["proof"].update(signature="AAAA"),
        lambda payload: payload.update(declaration=None),
        lambda payload: payload["log"].update(index=payload["log"]["index"] - 1),
        lambda payload: payload["log"]["entry"].update(kind="consent.refused"),
        lambda payload: payload["log"].update(checkpoint=payload["log"]["checkpoint"].swapcase()),
        lambda payload: payload.update(type="another"),
        lambda payload: payload.pop("log"),
        lambda payload: payload.pop("record"),
    ],
)
def test_a_receipt_in_which_anything_was_changed_is_refused_even_where_the_key_signed_it(
    desk: Desk, change: Callable[[dict[str, Any]], object]
) -> None:
    content = _file(desk, desk.signed(Ed25519Subject()))
    assert _verified(desk, content)
    with pytest.raises(ProofRejected):
        _verified(desk, _changed(content, change, desk))


def test_the_proof_of_another_subject_in_a_receipt_is_refused(desk: Desk) -> None:
    mine, theirs = desk.signed(Ed25519Subject()), desk.touched(Authenticator())
    other = _payload(_file(desk, theirs))["declaration"]["proof"]
    content = _changed(_file(desk, mine), lambda payload: payload["declaration"].update(proof=other), desk)
    with pytest.raises(ProofRejected):
        _verified(desk, content)


def test_another_key_algorithm_or_form_is_refused(desk: Desk) -> None:
    content = _file(desk, desk.on_paper())
    jws = json.loads(content)["jws"]
    found = parsed(jws)
    stranger, own = SeedSigner(bytes(32)), desk.place.region.signing.signer()

    def refused(jws: str, trust: Trust) -> None:
        with pytest.raises(ProofRejected):
            receipt_verifier()(json.dumps({"type": RECEIPT_TYPE, "jws": jws}).encode(), trust)

    refused(jws, replace(_trust(desk), keys=[stranger.public_key]))
    refused(compact(found.header, found.payload, stranger.sign), _trust(desk))
    refused(compact({**found.header, "alg": "none"}, found.payload, lambda _: b""), _trust(desk))
    refused(compact({**found.header, "alg": "ES256"}, found.payload, own.sign), _trust(desk))
    refused(compact({**found.header, "typ": "JWT"}, found.payload, own.sign), _trust(desk))
    refused(compact({**found.header, "crit": ["exp"]}, found.payload, own.sign), _trust(desk))
    head, payload, signature = jws.split(".")
    for wrong in ("", jws + ".", f"{head}.{payload}", f"{head}.{payload}=.{signature}", f"{head}.{payload}.", "a.b.c"):
        refused(wrong, _trust(desk))
    for rubbish in (b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b" " * 300_000):
        with pytest.raises(ProofRejected):
            _verified(desk, rubbish)
