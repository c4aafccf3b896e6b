"""Deleting a collection over real stores: everybody in it is erased with a certificate each, whatever ends it in between."""

import itertools
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests import recognition_rig as rig
from tests import rights_rig
from tests.shares_rig import Trio
from tests.storage_rig import KINDS, a_database

from moretta.core.errors import KeyDestroyed, NotFound, PersonErased, PersonHeld
from moretta.core.ledger import EntryKind
from moretta.core.protection import Scheme
from moretta.core.recognition import CollectionState, StoreWish
from moretta.use_cases.recognition.results import StepProgress
from moretta.use_cases.rights import Rights
from moretta.use_cases.rights.collection import CollectionErased
from moretta.wiring.retention import retention_over
from moretta.wiring.rights import rights_over

# The exit status of a process that was made to end.
_DIED = 77
PEOPLE = ("anna", "boris", "clara")


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | None]:
    """A URL of PostgreSQL, or None for the rig's own SQLite file."""
    with a_database(request.param, request, tmp_path) as made:
        yield None if request.param == "sqlite" else str(made.where)


def a_collection(place: rig.Place, scheme: Scheme = Scheme.PLAIN) -> tuple[str, dict[str, str]]:
    """A collection of three, one with a photo that is kept; packed where the scheme packs. Its id, and theirs by name."""
    made = place.recognition.create_collection(rig.COMPANY, "staff", "access", scheme=scheme)
    people = {
        name: place.enrolled(
            made.collection_id, name, store=StoreWish.PHOTO if name == "anna" else StoreWish.TEMPLATE
        ).person_id
        for name in PEOPLE
    }
    place.recognition.repack(rig.COMPANY, made.collection_id)
    return made.collection_id, people


def require_erased(place: rig.Place, done: CollectionErased, people: dict[str, str], why: str = "") -> None:
    """Everybody has a certificate that verifies with nothing but the public key, its entry in the log, and nothing left."""
    rights = rights_over(place.means)
    assert len(done.certificates) == done.persons == len(people), why
    logged = [dict(one.entry.facts) for one in place.region.log.entries(0, 500) if one.entry.kind is EntryKind.ERASED]
    # A party that acknowledges late makes one more certificate, and one more entry.
    assert {one["certificate"] for one in logged if "certificate" in one} == set(done.certificates), why
    for certificate_id in done.certificates:
        certificate = rights.certificate(rig.COMPANY, certificate_id)
        rights_rig.verified(place, certificate.document)
        told = rights_rig.fields(certificate.document)
        assert {one["items_after"] for one in told["stores"]} == {0}, why  # type: ignore[attr-defined, index]
        assert {one["store"] for one in told["exceptions"]} <= {"PostgreSQL's files"}, why  # type: ignore[attr-defined, index]
        assert told["negative_search"]["found"] == 0, why  # type: ignore[index]
        assert str(told["scope"]).endswith("erased with the whole collection"), why
    for person_id in people.values():
        with pytest.raises(PersonErased) as erased:
            place.recognition.person(rig.COMPANY, person_id)
        assert erased.value.certificate_id in done.certificates, why
    with pytest.raises(NotFound):
        place.recognition.collection(rig.COMPANY, done.collection_id)
    assert [list(blobs.ids()) for blobs in (place.region.photos, place.region.segments)] == [[], []], why
    assert place.region.keys.keys() == [], why
    assert place.region.erasures.unfinished(10) == [], why


@pytest.mark.parametrize("scheme", [Scheme.PLAIN, Scheme.HE])
def test_everybody_of_a_deleted_collection_has_a_certificate(
    tmp_path: Path, database: str | None, scheme: Scheme
) -> None:
    with rights_rig.opened(tmp_path / "place", database=database) as (_, place):
        collection_id, people = a_collection(place, scheme)
        key_id = place.recognition.collection(rig.COMPANY, collection_id).key_id
        rights, steps = rights_over(place.means, batch=2), list[StepProgress]()
        done = rights.delete_collection(rig.COMPANY, collection_id, on_progress=steps.append)
        require_erased(place, done, people)
        assert done.waiting == ()
        assert steps == [StepProgress("erase", 2, 3), StepProgress("erase", 3, 3)]
        for certificate_id in done.certificates:
            told = rights_rig.fields(rights.certificate(rig.COMPANY, certificate_id).document)
            assert told["negative_search"]["probes"] == 1  # type: ignore[index]
            assert "1 of 1 met the person" in told["negative_search"]["method"]  # type: ignore[index]
            assert len(told["destroyed_keys"]) == 1  # type: ignore[arg-type]
        with pytest.raises(KeyDestroyed):
            place.region.keys.terms(key_id)
        assert rights.delete_collection(rig.COMPANY, collection_id) == done
        with pytest.raises(NotFound):
            rights.delete_collection(rig.OTHER_COMPANY, collection_id)


def test_a_hold_on_one_refuses_the_whole_deletion_before_anything_is_done(tmp_path: Path, database: str | None) -> None:
    with rights_rig.opened(tmp_path / "place", database=database) as (rights, place):
        collection_id, people = a_collection(place)
        retention = retention_over(place.means, rights)
        until = place.means.clock() + timedelta(days=30)
        hold = retention.place_hold(
            rig.COMPANY, people["boris"], reason="case 7", placed_by="legal", until=until, recorded_by="cli"
        )
        before = place.region.log.size()
        for refused in (rights.close_collection, rights.delete_collection):
            with pytest.raises(PersonHeld, match="release it first"):
                refused(rig.COMPANY, collection_id)
        assert place.region.log.size() == before
        assert place.recognition.collection(rig.COMPANY, collection_id).state is CollectionState.ACTIVE
        assert place.region.erasures.unfinished(10) == []
        assert place.found(collection_id, "anna/3") == [[people["anna"]]]
        retention.release_hold(rig.COMPANY, hold.hold_id, reason="case closed", released_by="legal")
        require_erased(place, rights.delete_collection(rig.COMPANY, collection_id), people)


def test_a_closed_collection_takes_nobody_in_compares_nobody_and_is_never_opened_again(tmp_path: Path) -> None:
    with rights_rig.opened(tmp_path / "place") as (rights, place):
        collection_id, people = a_collection(place)
        rights.close_collection(rig.COMPANY, collection_id)
        retention, until = retention_over(place.means, rights), place.means.clock() + timedelta(days=30)
        for refused in (
            lambda: place.found(collection_id, "anna/3"),
            lambda: place.enrolled(collection_id, "dora"),
            lambda: place.recognition.verify(rig.COMPANY, people["anna"], place.fd("anna/3")),
            lambda: place.recognition.update_collection(rig.COMPANY, collection_id, name="other"),
            lambda: retention.place_hold(
                rig.COMPANY, people["anna"], reason="case 7", placed_by="legal", until=until, recorded_by="cli"
            ),
        ):
            with pytest.raises(NotFound):
                refused()
        assert place.recognition.collection(rig.COMPANY, collection_id).state is CollectionState.DELETED
        place.recognition.recover()
        assert place.region.erasures.count(collection_id) == len(people)
        finished = rights.finish_erasures()
        assert (finished.certified, finished.pending) == (len(people), 0)
        require_erased(place, rights.delete_collection(rig.COMPANY, collection_id), people)


def test_whoever_was_being_erased_already_is_finished_with_the_rest(tmp_path: Path) -> None:
    class Died(BaseException):
        pass

    def dies(name: str) -> None:
        if name == "erase:deleted":
            raise Died

    root = tmp_path / "place"
    with rights_rig.opened(root) as (_, place):
        collection_id, people = a_collection(place)
    with rights_rig.opened(root, checkpoint=dies) as (rights, place), pytest.raises(Died):
        rights.erase(rig.COMPANY, people["anna"])
    with rights_rig.opened(root) as (rights, place):
        done = rights.delete_collection(rig.COMPANY, collection_id)
        assert done.persons == 2
        with pytest.raises(PersonErased) as erased:
            place.recognition.person(rig.COMPANY, people["anna"])
        assert erased.value.certificate_id is not None
        assert erased.value.certificate_id not in done.certificates
        rights_rig.verified(place, rights.certificate(rig.COMPANY, erased.value.certificate_id).document)


def test_a_collection_stays_until_every_party_has_acknowledged(tmp_path: Path) -> None:
    trio = Trio(tmp_path / "parties", patience_s=0.5)
    with rights_rig.opened(tmp_path / "place", trio=trio) as (rights, place):
        collection_id, people = a_collection(place, Scheme.SHARES)
        trio.stop(1)
        done = rights.delete_collection(rig.COMPANY, collection_id)
        assert done.waiting == ("local party 1", "local party 2", "local party 3")
        assert place.recognition.collection(rig.COMPANY, collection_id).state is CollectionState.DELETED
        trio.start(1)
        assert rights.finish_erasures().pending == 0
        later = rights.delete_collection(rig.COMPANY, collection_id)
        assert later.waiting == ()
        assert later.certificates == done.certificates
        require_erased(place, later, people)


# What belongs to erasing a collection; the writes of recognition are killed in `test_recognition_crash`.
OWN = ("erase:", "begin-erasure", "erasure-", "certify", "keep-certificate", "delete_collection:", "delete_several:")


def steps_of(root: Path, database: str | None) -> list[str]:
    """The names of all checkpoints that deleting a collection passes."""
    passed = list[str]()
    with rights_rig.opened(root, checkpoint=passed.append, database=database) as (rights, place):
        collection_id, _ = a_collection(place)
        passed.clear()
        rights.delete_collection(rig.COMPANY, collection_id)
    return list(passed)


def dies_while_deleting(root: Path, database: str | None, collection_id: str, number: int) -> bool:
    """Delete in a process of its own, which ends at the `number`th checkpoint; whether it did."""
    child = os.fork()
    if child == 0:
        passed = itertools.count(1)
        try:
            with rights_rig.opened(
                root, checkpoint=lambda _: os._exit(_DIED) if next(passed) == number else None, database=database
            ) as (rights, _):
                passed = itertools.count(1)
                rights.delete_collection(rig.COMPANY, collection_id)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == _DIED


def test_a_deletion_goes_on_after_a_crash_at_every_step_and_everybody_is_certified(
    tmp_path: Path, database: str | None
) -> None:
    root = tmp_path / "place"
    names = steps_of(root, database)
    expected = ("erase:planned", "erase:deleted", "erase:swept", "erase:kept", "delete_collection:closed")
    assert {*expected, "delete_collection:key", "delete_collection:committed"} <= set(names)
    # Each step once, at the person in the middle where there are several.
    places = {name: [number for number, one in enumerate(names, start=1) if one == name] for name in names}
    own = [name for name in places if name.startswith(OWN)]
    if database is not None:
        # A server is no faster to open than a file, and only commits differ.
        own = [name for name in own if name.endswith(":after-commit") or name.startswith("delete_collection:")]
    assert len(own) > 8
    with rights_rig.opened(root, database=database) as (_, place):
        collection_id, _ = a_collection(place)
        known = place.region.log.size()
    for name in own:
        assert dies_while_deleting(root, database, collection_id, places[name][len(places[name]) // 2]), name
        with rights_rig.opened(root, database=database) as (rights, place):
            place.recognition.recover()
            rights.finish_erasures()
            require_finished(place, rights, collection_id, known, name)
            collection_id, _ = a_collection(place)
            known = place.region.log.size()


def require_finished(place: rig.Place, rights: Rights, collection_id: str, known: int, why: str) -> None:
    """Each of the three has one certificate; `known`: how long the log was before the deletion."""
    done = rights.delete_collection(rig.COMPANY, collection_id)
    assert done.persons == len(PEOPLE), why
    begun = {one.certificate_id for one in place.region.erasures.of_collection(rig.COMPANY, collection_id, 10)}
    assert begun == set(done.certificates), why
    logged = [one.entry for one in place.region.log.entries(known, 100) if one.entry.kind is EntryKind.ERASED]
    assert sum("certificate" in dict(one.facts) for one in logged) == len(PEOPLE), why
    for certificate_id in done.certificates:
        certificate = rights.certificate(rig.COMPANY, certificate_id)
        assert certificate.revision == 1, why
        rights_rig.verified(place, certificate.document)
        stores = rights_rig.fields(certificate.document)["stores"]
        assert {one["items_after"] for one in stores} == {0}, why  # type: ignore[attr-defined]
    with pytest.raises(NotFound):
        place.recognition.collection(rig.COMPANY, collection_id)
    assert [list(found) for found in (place.region.keys.keys(), place.region.photos.ids())] == [[], []], why
    assert place.region.erasures.unfinished(10) == [], why
