"""Erasure as values: the plan's order and methods, steps, and the one form of a certificate."""

import json
from datetime import UTC, datetime

import pytest

from moretta.core.erasure import (
    Erasure,
    ErasureCertificate,
    ErasureStep,
    Findings,
    Held,
    Holding,
    Keeper,
    NegativeSearch,
    Remainder,
    StoreOutcome,
    Traces,
    erasure_plan,
)
from moretta.storage.rights.records import to_erasure, to_record

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_the_key_goes_first_and_what_holds_nothing_is_looked_at_too() -> None:
    holdings = [
        Holding(Held.MEMORY, "process", 0),
        Holding(Held.PHOTOS, "eu", 0),
        Holding(Held.ROWS, "eu persons", 1),
        Holding(Held.ROWS, "eu faces", 2),
        Holding(Held.KEY, "eu", 1),
    ]
    plan = erasure_plan(holdings, Keeper.SQLITE)
    assert [(one.kind, one.store, one.items) for one in plan] == [
        (Held.KEY, "eu", 1),
        (Held.ROWS, "eu faces", 2),
        (Held.ROWS, "eu persons", 1),
        (Held.PHOTOS, "eu", 0),
        (Held.MEMORY, "process", 0),
    ]


def test_a_plan_says_honestly_what_a_server_keeps() -> None:
    (sqlite,) = erasure_plan([Holding(Held.ROWS, "x", 1)], Keeper.SQLITE)
    (server,) = erasure_plan([Holding(Held.ROWS, "x", 1)], Keeper.POSTGRESQL)
    assert "overwritten" in sqlite.method
    assert "until VACUUM" in server.method


@pytest.mark.parametrize(
    "holdings", [[Holding(Held.KEY, "eu", 1), Holding(Held.KEY, "eu", 1)], [Holding(Held.KEY, "eu", -1)]]
)
def test_a_store_that_is_named_twice_or_holds_less_than_nothing_is_refused(holdings: list[Holding]) -> None:
    with pytest.raises(ValueError, match="once"):
        erasure_plan(holdings, Keeper.SQLITE)


def test_steps_are_in_the_order_in_which_they_are_done() -> None:
    assert [step.place for step in ErasureStep] == [0, 1, 2, 3, 4]
    assert ErasureStep.STOPPED.place < ErasureStep.DELETED.place < ErasureStep.CERTIFIED.place


def an_erasure() -> Erasure:
    plan = erasure_plan([Holding(Held.KEY, "eu", 1)], Keeper.SQLITE)
    findings = Findings(
        (StoreOutcome(Held.KEY, "eu", "method", 1, 0, "looked"),),
        (Remainder("eu2", "down", None),),
        NegativeSearch(2, 0, "as a probe"),
        ("eu2",),
    )
    return Erasure(
        *("cer", "co", "per", "col", None, ErasureStep.SWEPT),
        requested_at=NOW,
        started_at=NOW,
        nonce=bytes(16),
        subject=bytes(32),
        key_fingerprint="00",
        model_id="m:1",
        scheme="he",
        purpose="door",
        keeper=Keeper.SQLITE,
        plan=plan,
        traces=Traces((3, 4), ("photo",), ("segment",), (bytes(range(16)),)),
        findings=findings,
        completed_at=NOW,
        revision=1,
    )


def test_an_erasure_is_read_as_it_was_written_and_its_record_does_not_hold_what_is_looked_for() -> None:
    erasure = an_erasure()
    record = to_record(erasure)
    kept = {"certificate_id": "cer", "company_id": "co", "person_id": "per", "collection_id": "col"}
    assert to_erasure(record, **kept, step="swept", revision=1) == erasure
    assert bytes(range(16)) not in record
    assert bytes(range(16)).hex().encode() not in record


def test_a_certificate_has_the_fields_that_a_regulator_expects_and_nothing_about_who_it_was() -> None:
    erasure = an_erasure()
    certificate = ErasureCertificate(
        certificate_id="cer",
        revision=1,
        supersedes=None,
        request_id="req",
        company_id="co",
        scope="everything",
        collection_id="col",
        purpose="door",
        scheme="he",
        nonce=erasure.nonce,
        subject=erasure.subject,
        requested_at=NOW,
        started_at=NOW,
        completed_at=NOW,
        stores=erasure.findings.outcomes,
        destroyed_keys=("00",),
        backups_expire_at=None,
        backups="unknown",
        exceptions=erasure.findings.remainders,
        negative_search=NegativeSearch(2, 0, "as a probe"),
        software=(("moretta", "1"),),
        models=(("model", "m:1"),),
    )
    fields = json.loads(json.dumps(certificate.fields()))
    assert set(fields) == {
        *("type", "certificate_id", "revision", "supersedes", "request_id", "company_id", "scope", "collection_id"),
        *("purpose", "scheme", "subject", "requested_at", "started_at", "completed_at", "stores", "destroyed_keys"),
        *("backups", "exceptions", "negative_search", "software", "models"),
    }
    assert set(fields["stores"][0]) == {"store", "method", "items_before", "items_after", "verification"}
    assert "per" not in json.dumps(sorted(str(value) for value in fields.values())).split('"')
