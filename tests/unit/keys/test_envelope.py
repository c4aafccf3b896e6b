"""What is sealed under a subject's data key opens for that subject at that place, and nowhere else."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moretta.core.errors import KeyDestroyed, KeyRejected
from moretta.core.key_service import Place, SubjectKey
from moretta.keys.envelope import Envelope
from moretta.keys.memory import MemoryKeyService

PLACE = Place("persons", "per_eu_1", "name")
TEXT = b"the operator's own words"


@pytest.fixture
def service() -> MemoryKeyService:
    return MemoryKeyService()


@pytest.fixture
def envelope(service: MemoryKeyService) -> Envelope:
    return Envelope(service)


def test_a_sealed_value_opens_under_the_stored_key(envelope: Envelope) -> None:
    made = envelope.new_key("per_eu_1")
    sealed = envelope.seal(made, PLACE, TEXT)
    stored = envelope.opened("per_eu_1", made.wrapped)
    assert stored == made
    assert envelope.open(stored, PLACE, sealed) == TEXT
    assert TEXT not in sealed and made.key not in made.wrapped


def test_equal_values_are_sealed_to_bytes_that_differ(envelope: Envelope) -> None:
    key = envelope.new_key("per_eu_1")
    assert len({envelope.seal(key, PLACE, TEXT) for _ in range(100)}) == 100


def test_each_subject_has_a_key_of_its_own(envelope: Envelope) -> None:
    one, other = envelope.new_key("per_eu_1"), envelope.new_key("per_eu_2")
    assert one.key != other.key and len(one.key) == 32
    with pytest.raises(KeyRejected):
        envelope.opened("per_eu_2", one.wrapped)
    with pytest.raises(KeyRejected):
        envelope.open(other, PLACE, envelope.seal(one, PLACE, TEXT))


@pytest.mark.parametrize(
    "moved",
    [
        Place("faces", "per_eu_1", "name"),
        Place("persons", "per_eu_2", "name"),
        Place("persons", "per_eu_1", "attributes"),
        Place("persons", "per_eu_1nam", "e"),
        Place("person", "sper_eu_1", "name"),
        Place("", "personsper_eu_1", "name"),
    ],
)
def test_a_value_that_was_moved_does_not_open(envelope: Envelope, moved: Place) -> None:
    key = envelope.new_key("per_eu_1")
    with pytest.raises(KeyRejected):
        envelope.open(key, moved, envelope.seal(key, PLACE, TEXT))


def test_a_value_under_another_subjects_name_does_not_open(envelope: Envelope) -> None:
    key = envelope.new_key("per_eu_1")
    with pytest.raises(KeyRejected):
        envelope.open(replace(key, subject_id="per_eu_2"), PLACE, envelope.seal(key, PLACE, TEXT))


def test_a_value_with_any_byte_altered_or_cut_off_does_not_open(envelope: Envelope) -> None:
    key = envelope.new_key("per_eu_1")
    sealed = envelope.seal(key, PLACE, TEXT)
    for position in range(len(sealed)):
        altered = bytearray(sealed)
        altered[position] ^= 0x41
        for wrong in (bytes(altered), sealed[:position]):
            with pytest.raises(KeyRejected):
                envelope.open(key, PLACE, wrong)


_parts = st.tuples(*[st.text(max_size=4)] * 4)


@given(_parts, _parts)
def test_no_two_places_of_any_names_are_taken_for_each_other(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    envelope, key = Envelope(MemoryKeyService()), SubjectKey(one[0], b"", bytes(32))
    sealed = envelope.seal(key, Place(*one[1:]), TEXT)
    there, place = replace(key, subject_id=other[0]), Place(*other[1:])
    if one == other:
        assert envelope.open(there, place, sealed) == TEXT
    else:
        with pytest.raises(KeyRejected):
            envelope.open(there, place, sealed)


def test_a_subjects_key_is_wrapped_anew_only_after_a_rotation(envelope: Envelope, service: MemoryKeyService) -> None:
    made = envelope.new_key("per_eu_1")
    assert envelope.rewrapped("per_eu_1", made.wrapped) is None
    old = service.active()
    service.rotate()
    anew = envelope.rewrapped("per_eu_1", made.wrapped)
    assert anew is not None and envelope.rewrapped("per_eu_1", anew) is None
    service.destroy(old)
    assert envelope.opened("per_eu_1", anew).key == made.key
    with pytest.raises(KeyDestroyed):
        envelope.opened("per_eu_1", made.wrapped)


def test_a_destroyed_master_key_opens_no_data_key_from_memory(envelope: Envelope, service: MemoryKeyService) -> None:
    made, old = envelope.new_key("per_eu_1"), service.active()
    assert envelope.opened("per_eu_1", made.wrapped) == made
    service.rotate()
    service.destroy(old)
    with pytest.raises(KeyDestroyed):
        envelope.opened("per_eu_1", made.wrapped)


def test_no_representation_shows_a_key(envelope: Envelope) -> None:
    made = envelope.new_key("per_eu_1")
    assert repr(made.key) not in repr(made) and made.key.hex() not in repr(made)
