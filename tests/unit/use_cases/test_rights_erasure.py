"""Erasure end to end over real stores: what goes, what the certificate says, and going on after a crash at any step."""

import itertools
import json
import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests import recognition_rig as rig
from tests import rights_rig
from tests.shares_rig import Trio
from tests.storage_rig import KINDS, a_database

from moretta.core.clock import from_second
from moretta.core.errors import KeyDestroyed, KeyUnusable, NotFound, PersonErased, PersonHeld, ProofRejected
from moretta.core.ledger import EntryKind, subject_commitment
from moretta.core.protection import Scheme
from moretta.core.recognition import StoreWish
from moretta.core.rights import RequestState, Right
from moretta.keys.rotation import change_master_key
from moretta.use_cases.rights import Rights
from moretta.wiring.retention import retention_over
from moretta.wiring.rights import rights_over

# The exit status of a process that was made to end.
_DIED = 77


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | None]:
    """A URL of PostgreSQL, or None for the rig's own SQLite file."""
    with a_database(request.param, request, tmp_path) as made:
        yield None if request.param == "sqlite" else str(made.where)


def enrolled(place: rig.Place, scheme: Scheme = Scheme.HE, *, packed: bool = True) -> tuple[str, str]:
    """A collection in which Anna is enrolled beside another, and Anna's id."""
    made = place.recognition.create_collection(rig.COMPANY, "staff", "access", scheme=scheme)
    place.enrolled(made.collection_id, "boris")
    anna = place.enrolled(made.collection_id, "anna", "anna/1", "anna/2", store=StoreWish.PHOTO)
    if packed:
        place.recognition.repack(rig.COMPANY, made.collection_id)
    return made.collection_id, anna.person_id


@pytest.mark.parametrize("scheme", [Scheme.PLAIN, Scheme.ROTATED, Scheme.HE])
def test_an_erased_person_is_in_no_store_and_the_certificate_says_so(
    tmp_path: Path, database: str | None, scheme: Scheme
) -> None:
    with rights_rig.opened(tmp_path / "place", database=database) as (rights, place):
        collection_id, anna = enrolled(place, scheme)
        assert place.found(collection_id, "anna/3") == [[anna]]
        done = rights.erase(rig.COMPANY, anna)
        assert place.found(collection_id, "anna/3") == [[]]
        assert place.found(collection_id, "boris/3") != [[]]
        assert list(place.region.photos.ids()) == []
        told = rights_rig.fields(done.certificate.document)
        assert {one["items_after"] for one in told["stores"]} == {0}  # type: ignore[attr-defined, index]
        before = {one["store"]: one["items_before"] for one in told["stores"]}  # type: ignore[attr-defined, index]
        assert before["subject key: local"] == 1
        assert before["photos: local"] == 2
        assert before["comparing nodes: local"] == 2
        assert before["packed segments: local"] == (1 if scheme is Scheme.HE else 0)
        assert before["database rows: local faces"] == 2
        assert before["database rows: local persons"] == 1
        assert told["negative_search"]["probes"] == 2  # type: ignore[index]
        assert told["negative_search"]["found"] == 0  # type: ignore[index]
        assert "2 of 2 met the person" in told["negative_search"]["method"]  # type: ignore[index]
        if database is None:
            assert told["exceptions"] == []
        else:
            assert [one["store"] for one in told["exceptions"]] == ["PostgreSQL's files"]  # type: ignore[attr-defined, index]
        assert rights_rig.verified(place, done.certificate.document).type == "moretta.erasure-certificate.v1"


def test_the_certificate_names_nobody(tmp_path: Path) -> None:
    with rights_rig.opened(tmp_path / "place") as (rights, place):
        _, anna = enrolled(place)
        document = rights.erase(rig.COMPANY, anna).certificate.document
        for told in (b"anna", anna.encode(), anna.rpartition("_")[2].encode()):
            assert told not in document


def test_a_second_erasure_answers_with_the_certificate_of_the_first(tmp_path: Path) -> None:
    with rights_rig.opened(tmp_path / "place") as (rights, place):
        _, anna = enrolled(place)
        certificate_id = rights.erase(rig.COMPANY, anna).certificate.certificate_id
        for again in (
            lambda: rights.erase(rig.COMPANY, anna),
            lambda: place.recognition.person(rig.COMPANY, anna),
            lambda: place.recognition.verify(rig.COMPANY, anna, place.fd("anna/3")),
        ):
            with pytest.raises(PersonErased) as told:
                again()
            assert told.value.certificate_id == certificate_id
            assert certificate_id in told.value.detail
        with pytest.raises(NotFound):
            rights.erase(rig.OTHER_COMPANY, anna)
        with pytest.raises(NotFound):
            rights.certificate(rig.OTHER_COMPANY, certificate_id)


def test_the_log_holds_the_certificates_digest_and_a_commitment_that_only_the_key_opens(tmp_path: Path) -> None:
    with rights_rig.opened(tmp_path / "place") as (rights, place):
        _, anna = enrolled(place)
        key = place.region.cipher.opened(anna, place.region.store.subject_key(anna))
        done = rights.erase(rig.COMPANY, anna)
        (logged,) = place.region.log.entries(done.certificate.log_index, 1)
        assert logged.entry.kind is EntryKind.ERASED
        assert logged.entry.subject == subject_commitment(key.key, anna, logged.entry.nonce)
        other = replace(key, key=secrets.token_bytes(32))
        assert logged.entry.subject != subject_commitment(other.key, anna, logged.entry.nonce)


def test_any_altered_field_of_a_certificate_is_refused(tmp_path: Path) -> None:
    with rights_rig.opened(tmp_path / "place") as (rights, place):
        _, anna = enrolled(place)
        document = rights.erase(rig.COMPANY, anna).certificate.document
        fields = json.loads(document)
        rights_rig.verified(place, document)
        for name in sorted(set(fields) - {"signature"}):
            changed = {**fields, name: "another" if isinstance(fields[name], str) else {"other": 1}}
            with pytest.raises(ProofRejected):
                rights_rig.verified(place, json.dumps(changed).encode())
            with pytest.raises(ProofRejected):
                rights_rig.verified(place, json.dumps({k: v for k, v in fields.items() if k != name}).encode())


def test_a_certificate_of_another_region_is_refused(tmp_path: Path) -> None:
    with (
        rights_rig.opened(tmp_path / "one") as (rights, place),
        rights_rig.opened(tmp_path / "two") as (_, other),
    ):
        _, anna = enrolled(place)
        document = rights.erase(rig.COMPANY, anna).certificate.document
        with pytest.raises(ProofRejected):
            rights_rig.verified(other, document)


def steps_of(root: Path, database: str | None, scheme: Scheme) -> list[str]:
    """The names of all checkpoints that an erasure passes."""
    passed = list[str]()
    with rights_rig.opened(root, checkpoint=passed.append, database=database) as (rights, place):
        anna = with_anna(place, with_boris(place, scheme))
        passed.clear()
        rights.erase(rig.COMPANY, anna)
    return list(passed)


def with_boris(place: rig.Place, scheme: Scheme) -> str:
    """A collection with somebody else in it."""
    made = place.recognition.create_collection(rig.COMPANY, "staff", "access", scheme=scheme)
    place.enrolled(made.collection_id, "boris")
    return made.collection_id


def with_anna(place: rig.Place, collection_id: str) -> str:
    """Anna's id, newly enrolled with a photo that is kept."""
    anna = place.enrolled(collection_id, "anna", "anna/1", store=StoreWish.PHOTO).person_id
    place.recognition.repack(rig.COMPANY, collection_id)
    return anna


def dies_while_erasing(root: Path, database: str | None, anna: str, number: int) -> bool:
    """Erase in a process of its own, which ends at the `number`th checkpoint; whether it did."""
    child = os.fork()
    if child == 0:
        passed = itertools.count(1)
        try:
            with rights_rig.opened(
                root, checkpoint=lambda _: os._exit(_DIED) if next(passed) == number else None, database=database
            ) as (rights, _):
                passed = itertools.count(1)
                rights.erase(rig.COMPANY, anna)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == _DIED


# What of the erasure is its own, what is of packed galleries alone, and the rest, which is recognition's.
OWN = ("erase:", "begin-erasure", "erasure-", "certify", "keep-certificate")
PACKING = ("segment:", "pack:", "repack:", "publish-segments", "remove:segment")


@pytest.mark.parametrize(
    ("kind", "scheme", "tried"),
    [
        ("sqlite", Scheme.PLAIN, ("",)),
        ("sqlite", Scheme.HE, PACKING),
        pytest.param("postgresql", Scheme.PLAIN, OWN, marks=pytest.mark.postgres),
    ],
)
def test_an_erasure_goes_on_after_a_crash_at_every_step(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str, scheme: Scheme, tried: tuple[str, ...]
) -> None:
    with a_database(kind, request, tmp_path) as made:
        database = None if kind == "sqlite" else str(made.where)
        root = tmp_path / "place"
        names = steps_of(root, database, scheme)
        assert {f"erase:{step}" for step in ("planned", "stopped", "deleted", "swept", "certify", "kept")} <= set(names)
        # Recognition's own writes are tried at every place already (`test_recognition_crash`): once each is enough here.
        numbers = [
            number
            for number, name in enumerate(names, start=1)
            if name.startswith(tried) and (name.startswith(OWN) or names.index(name) == number - 1)
        ]
        assert len(numbers) > 5
        with rights_rig.opened(root, database=database) as (_, place):
            collection_id = with_boris(place, scheme)
        for number in numbers:
            with rights_rig.opened(root, database=database) as (_, place):
                anna = with_anna(place, collection_id)
            assert dies_while_erasing(root, database, anna, number), names[number - 1]
            with rights_rig.opened(root, database=database) as (rights, place):
                place.recognition.recover()
                _finished(rights, place, collection_id, anna, names[number - 1])


def _finished(rights: Rights, place: rig.Place, collection_id: str, anna: str, died_at: str) -> None:
    rights.finish_erasures()
    try:
        done = rights.erase(rig.COMPANY, anna).certificate  # where it was not begun, it is now
    except PersonErased as erased:
        assert erased.certificate_id is not None, died_at
        done = rights.certificate(rig.COMPANY, erased.certificate_id)
    assert done.revision == 1, died_at
    told = rights_rig.fields(done.document)
    assert {one["items_after"] for one in told["stores"]} == {0}, died_at  # type: ignore[attr-defined, index]
    assert {one["store"] for one in told["exceptions"]} <= {"PostgreSQL's files"}, died_at  # type: ignore[attr-defined, index]
    rights_rig.verified(place, done.document)
    assert place.found(collection_id, "anna/3") == [[]], died_at
    assert list(place.region.photos.ids()) == [], died_at
    assert place.region.erasures.unfinished(10) == [], died_at


def test_shares_are_erased_at_three_parties_and_a_party_that_is_down_is_named_until_it_acknowledges(
    tmp_path: Path,
) -> None:
    trio = Trio(tmp_path / "parties", patience_s=0.5)
    with rights_rig.opened(tmp_path / "place", trio=trio) as (rights, place):
        collection_id, anna = enrolled(place, Scheme.SHARES)
        assert place.found(collection_id, "anna/3") == [[anna]]
        trio.stop(1)
        done = rights.erase(rig.COMPANY, anna)
        assert done.waiting == ("local party 1", "local party 2", "local party 3")
        told = rights_rig.fields(done.certificate.document)
        assert [one["store"] for one in told["exceptions"]] == list(done.waiting)  # type: ignore[attr-defined, index]
        assert told["negative_search"]["probes"] == 0  # type: ignore[index]
        assert rights.finish_erasures().pending == 1
        trio.start(1)
        finished = rights.finish_erasures()
        assert (finished.certified, finished.pending) == (1, 0)
        later = rights.certificate(rig.COMPANY, done.certificate.certificate_id)
        assert later.revision == 2
        told = rights_rig.fields(later.document)
        assert told["exceptions"] == []
        assert {one["items_after"] for one in told["stores"]} == {0}  # type: ignore[attr-defined, index]
        rights_rig.verified(place, later.document)
        assert place.found(collection_id, "anna/3") == [[]]


def test_whom_a_hold_keeps_is_not_erased_and_nothing_has_begun(tmp_path: Path) -> None:
    with rights_rig.opened(tmp_path / "place") as (rights, place):
        collection_id, anna = enrolled(place)
        retention = retention_over(place.means, rights)
        until = place.means.clock() + timedelta(days=30)
        hold = retention.place_hold(
            rig.COMPANY, anna, reason="case 7", placed_by="legal", until=until, recorded_by="cli"
        )
        with pytest.raises(PersonHeld):
            rights.erase(rig.COMPANY, anna)
        assert place.region.erasures.unfinished(10) == []
        assert place.recognition.person(rig.COMPANY, anna).name == "anna"
        asked = rights.open(rig.COMPANY, anna, Right.ERASURE)
        with pytest.raises(PersonHeld):
            rights.fulfil(rig.COMPANY, asked.request_id)
        assert rights.request(rig.COMPANY, asked.request_id).state is RequestState.RECEIVED
        retention.release_hold(rig.COMPANY, hold.hold_id, reason="case closed", released_by="legal")
        assert rights.fulfil(rig.COMPANY, asked.request_id).certificate_id is not None
        assert place.found(collection_id, "anna/3") == [[]]


def test_a_person_whose_key_cannot_be_opened_any_more_is_erased_all_the_same(tmp_path: Path) -> None:
    with rights_rig.opened(tmp_path / "place") as (rights, place):
        _, anna = enrolled(place, Scheme.PLAIN)
        stored = place.region.store.subject_key(anna)
        place.region.store.rewrap([(anna, stored, stored[:-1] + bytes([stored[-1] ^ 1]))])
        with pytest.raises(KeyUnusable):
            place.recognition.person(rig.COMPANY, anna)
        done = rights.erase(rig.COMPANY, anna)
        told = rights_rig.fields(done.certificate.document)
        assert told["destroyed_keys"] == []
        assert {one["items_after"] for one in told["stores"]} == {0}  # type: ignore[attr-defined, index]
        rights_rig.verified(place, done.certificate.document)


def test_two_erasures_at_once_make_one_certificate(tmp_path: Path) -> None:
    with rights_rig.opened(tmp_path / "place") as (rights, place):
        _, anna = enrolled(place, Scheme.PLAIN)
        other = rights_over(place.means)  # as another process: it shares no lock with the first

        def erase(which: Rights) -> str:
            try:
                return which.erase(rig.COMPANY, anna).certificate.certificate_id
            except PersonErased as erased:
                return erased.certificate_id or ""

        with ThreadPoolExecutor(2) as pool:
            made = set(pool.map(erase, (rights, other)))
        assert len(made) == 1
        entries = [one.entry for one in place.region.log.entries(0, 100) if one.entry.kind is EntryKind.ERASED]
        certified = [one for one in entries if "certificate" in dict(one.facts)]
        assert len(certified) == 1


def test_a_certificate_names_when_backups_expire_where_the_operator_says_so(tmp_path: Path) -> None:
    with rights_rig.opened(tmp_path / "place", backup_days=30) as (rights, place):
        _, anna = enrolled(place, Scheme.PLAIN)
        told = rights_rig.fields(rights.erase(rig.COMPANY, anna).certificate.document)
        expires, completed = told["backups"]["expire_at"], told["completed_at"]  # type: ignore[index]
        assert from_second(expires) - from_second(str(completed)) == timedelta(days=30)


@pytest.mark.parametrize(("scheme", "packed"), [(Scheme.PLAIN, False), (Scheme.HE, True)])
def test_a_certificate_says_by_when_backups_open_for_nobody_or_what_the_operator_must_do(
    tmp_path: Path, scheme: Scheme, packed: bool
) -> None:
    with rights_rig.opened(tmp_path / "on", master_key_days=7) as (rights, place):
        _, anna = enrolled(place, scheme, packed=False)
        document = rights.erase(rig.COMPANY, anna).certificate.document
        told = rights_rig.fields(document)
        backups, completed = told["backups"], told["completed_at"]
        by = backups["shredded_by"]  # type: ignore[index]
        assert from_second(by) - from_second(str(completed)) == timedelta(days=8)
        statement = backups["statement"]  # type: ignore[index]
        assert by in statement and "key.changed" in statement and ("packed templates" in statement) is packed
        assert f"of backups it says: {statement}" in rights_rig.verified(place, document).statements
    with rights_rig.opened(tmp_path / "off") as (rights, place):
        _, anna = enrolled(place, scheme, packed=False)
        backups = rights_rig.fields(rights.erase(rig.COMPANY, anna).certificate.document)["backups"]
        assert backups["shredded_by"] is None  # type: ignore[index]
        statement = backups["statement"]  # type: ignore[index]
        assert "moretta master-keys change" in statement
        assert ("moretta collections reissue" in statement) is packed


def test_what_a_backup_holds_of_an_erased_person_opens_until_the_master_key_is_changed_and_never_after(
    tmp_path: Path,
) -> None:
    """What a certificate says of backups: the key beside the ciphertext is wrapped, and only the master key's end ends it."""
    with rights_rig.opened(tmp_path / "place") as (rights, place):
        _, anna = enrolled(place)
        store, cipher = place.region.store, place.region.cipher
        (boris,) = [
            one.person_id
            for collection in store.collections(rig.COMPANY, 10)
            for one in store.persons(rig.COMPANY, collection.collection_id, 10)
            if one.person_id != anna
        ]
        backed_up = store.subject_key(anna)
        told = rights_rig.fields(rights.erase(rig.COMPANY, anna).certificate.document)
        assert "master key" in told["backups"]["statement"]  # type: ignore[index]
        assert cipher.opened(anna, backed_up).subject_id == anna
        service = place.region.change_master_key.__self__  # type: ignore[attr-defined]
        change_master_key(service, cipher, [store], lambda: 0, settle_s=0.0)  # as `moretta master-keys change`
        with pytest.raises(KeyDestroyed):
            cipher.opened(anna, backed_up)
        assert cipher.opened(boris, store.subject_key(boris)).subject_id == boris
