"""Telling single templates, on every kind of key holder: what comes back, and who is refused."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from tests.key_rigs import linked

from moretta.core.errors import KeyDestroyed, ProbeRejected, RateLimited, RequestInvalid, ScopeMissing
from moretta.core.key_service import KeyHolder, StoredReference
from moretta.core.protection import Scheme
from moretta.core.values import Embedding
from moretta.keys.file import FileKeyService
from moretta.keys.remote import RemoteKeyHolder
from moretta.protection.holder import LocalKeyHolder
from moretta.protection.schemes import load_gallery_key, new_gallery_key, protector

MODEL, DIMENSION = "tests/embedder@1", 16
Vector = npt.NDArray[np.float32]


def a_holder(root: Path, reveals: int) -> tuple[LocalKeyHolder, FileKeyService]:
    service = FileKeyService(root / "keys")
    held = LocalKeyHolder(
        root / "galleries",
        service,
        new_gallery_key,
        load_gallery_key,
        reveals_per_minute=reveals,
        monotonic=lambda: 0.0,
    )
    return held, service


@pytest.fixture(params=["local", "remote"])
def holder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyHolder]:
    with ExitStack() as stack:
        local, service = a_holder(tmp_path, 20)
        yield local if request.param == "local" else RemoteKeyHolder(linked(service, local, stack, tls=False))


def a_template(seed: int) -> Vector:
    vector = np.random.default_rng(seed).standard_normal(DIMENSION)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def kept(holder: KeyHolder, scheme: Scheme, template: Vector) -> tuple[str, bytes, bytes]:
    """A new key's id, and a template as reference and as probe under it."""
    terms = holder.create(scheme, MODEL, DIMENSION, 0.3)
    protecting, embedding = protector(terms), Embedding(template, MODEL)
    return terms.key_id, protecting.protect_reference(embedding).payload, protecting.protect_probe(embedding).payload


@pytest.mark.parametrize(("scheme", "error"), [(Scheme.PLAIN, 1e-6), (Scheme.ROTATED, 1e-6), (Scheme.HE, 0.01)])
def test_a_template_is_told_as_the_embedder_made_it(holder: KeyHolder, scheme: Scheme, error: float) -> None:
    template = a_template(1)
    key_id, reference, probe = kept(holder, scheme, template)
    (told,) = holder.reveal(key_id, [StoredReference(reference)])
    vector = np.frombuffer(told, "<f4")
    assert np.abs(vector - template).max() < error
    assert abs(np.linalg.norm(vector) - 1) < 1e-6
    (as_probe,) = holder.probes(key_id, [StoredReference(reference)])
    if scheme is Scheme.HE:  # rounded twice: within a step of the scale
        got, wanted = (np.frombuffer(one, "<i2").astype(int) for one in (as_probe, probe))
        assert np.abs(got - wanted).max() <= 1
    else:
        assert np.allclose(np.frombuffer(as_probe, "<f4"), np.frombuffer(probe, "<f4"), atol=1e-6)


def test_a_packed_template_is_told_by_its_slot_and_an_empty_slot_is_refused(holder: KeyHolder) -> None:
    key_id, first, _ = kept(holder, Scheme.HE, a_template(1))
    protecting = protector(holder.terms(key_id))
    second = protecting.protect_reference(Embedding(a_template(2), MODEL)).payload
    segment = holder.pack(key_id, [first, second])
    (told,) = holder.reveal(key_id, [StoredReference(segment, 1)])
    assert np.abs(np.frombuffer(told, "<f4") - a_template(2)).max() < 0.01
    with pytest.raises(ProbeRejected):
        holder.reveal(key_id, [StoredReference(segment, 2)])


def test_another_keys_reference_is_refused(holder: KeyHolder) -> None:
    key_id, _, _ = kept(holder, Scheme.HE, a_template(1))
    _, foreign, _ = kept(holder, Scheme.HE, a_template(1))
    with pytest.raises(ProbeRejected):
        holder.reveal(key_id, [StoredReference(foreign)])


def test_templates_are_told_at_a_rate_of_their_own(holder: KeyHolder) -> None:
    key_id, reference, _ = kept(holder, Scheme.PLAIN, a_template(1))
    for _ in range(20):
        holder.reveal(key_id, [StoredReference(reference)])
    with pytest.raises(RateLimited):
        holder.probes(key_id, [StoredReference(reference)])


def test_a_destroyed_key_tells_nothing(holder: KeyHolder) -> None:
    key_id, reference, _ = kept(holder, Scheme.ROTATED, a_template(1))
    holder.destroy(key_id)
    with pytest.raises(KeyDestroyed):
        holder.reveal(key_id, [StoredReference(reference)])


def test_a_holder_that_was_not_made_to_tell_templates_refuses_over_the_link_too(tmp_path: Path) -> None:
    with ExitStack() as stack:
        local, service = a_holder(tmp_path, 0)
        key_id, reference, _ = kept(local, Scheme.PLAIN, a_template(1))
        for refusing in (local, RemoteKeyHolder(linked(service, local, stack, tls=False))):
            with pytest.raises(ScopeMissing):
                refusing.reveal(key_id, [StoredReference(reference)])
            with pytest.raises(ScopeMissing):
                refusing.probes(key_id, [StoredReference(reference)])


def test_shares_cannot_be_told_by_one_holder(tmp_path: Path) -> None:
    service = FileKeyService(tmp_path / "keys")
    parties = b"".join(bytes([number]) * 32 for number in (1, 2, 3))
    held = LocalKeyHolder(tmp_path / "galleries", service, new_gallery_key, load_gallery_key, parties=parties)
    terms = held.create(Scheme.SHARES, MODEL, DIMENSION, 0.3)
    with pytest.raises(RequestInvalid, match="three parties"):
        held.reveal(terms.key_id, [StoredReference(b"x")])
