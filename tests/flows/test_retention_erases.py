"""Retention through the real erasure, on both databases: certificates verify, a hold keeps, nothing of the others is left."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from tests.governance_rig import an_office
from tests.recognition_rig import COMPANY
from tests.storage_rig import KINDS, a_database

from moretta.core.documents import Trust
from moretta.core.errors import PersonErased, PersonHeld
from moretta.core.recognition import PersonState, StoreWish
from moretta.keys.signing import is_signed_by
from moretta.use_cases.recognition.means import Means
from moretta.use_cases.retention import Erase
from moretta.wiring.rights import rights_over
from moretta.wiring.verifying import verified

DAY = timedelta(days=1)


def certifying(means: Means) -> Erase:
    """As `wiring.retention` erases."""
    rights = rights_over(means)
    return lambda company_id, person_id, reason: rights.erase(company_id, person_id, reason).certificate.certificate_id


@pytest.mark.parametrize("kind", KINDS)
def test_who_is_over_their_time_is_erased_with_a_certificate_and_who_is_held_is_not(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with (
        a_database(kind, request, tmp_path) as database,
        an_office(
            tmp_path / "office", erase=certifying, database=str(database.where) if kind != "sqlite" else None
        ) as office,
    ):
        store = office.place.region
        names = ("anna", "bert", "cleo")
        ids = [
            office.place.enrolled(office.collection_id, name, f"{name}/1", store=StoreWish.PHOTO).person_id
            for name in names
        ]
        hold = office.retention.place_hold(
            COMPANY, ids[0], reason="case", placed_by="counsel", until=office.clock() + 99 * DAY, recorded_by="key1"
        )
        rights = rights_over(office.means)
        with pytest.raises(PersonHeld):
            rights.erase(COMPANY, ids[0])
        office.clock.offset = 61 * DAY
        (done,) = office.retention.sweep()
        assert (done.due, done.erased, done.failed) == (3, 2, ())
        assert [one.hold_id for one in done.held] == [hold.hold_id]
        trust = Trust((store.signing.signer().public_key,), is_signed_by)
        for certificate_id in done.certificates:
            document = rights.certificate(COMPANY, certificate_id).document
            assert verified(document, trust).type == "moretta.erasure-certificate.v1"
        (run,) = office.retention.runs(COMPANY)
        assert verified(run.document, trust).type == "moretta.retention-report.v1"
        told = json.loads(run.document)
        assert (set(told["certificates"]), len(told["exceptions"])) == (set(done.certificates), 1)
        for person_id in ids[1:]:
            with pytest.raises(PersonErased):
                office.place.recognition.person(COMPANY, person_id)
        assert office.place.found(office.collection_id, "bert/2", "cleo/2", "anna/2") == [[], [], []]
        assert office.place.recognition.person(COMPANY, ids[0]).state is PersonState.RESTRICTED
        assert len(list(store.photos.ids())) == 1
        office.retention.release_hold(COMPANY, hold.hold_id, reason="settled", released_by="key1")
        (last,) = office.retention.sweep()
        assert last.erased == 1
        assert list(store.photos.ids()) == []
        # Of the words about the hold nothing is left: they went with the person's key.
        assert office.retention.hold(COMPANY, hold.hold_id).reason == ""
