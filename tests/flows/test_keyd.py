"""`moretta keyd` in a process of its own: what it gives and never gives, and what becomes of it."""

import os
import secrets
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from tests.key_rigs import local_holder
from tests.keyd_rig import COMMAND, Keyd, Relay
from tests.softhsm import softhsm_token

from moretta.core.errors import KeyDestroyed, MorettaError, NodeUnavailable
from moretta.core.gallery import GallerySpec
from moretta.core.protection import OpenTerms, Scheme, SealedScores
from moretta.core.values import Embedding
from moretta.keys.envelope import Envelope
from moretta.keys.file import FileKeyService
from moretta.keys.private_files import read_private
from moretta.keys.remote import RemoteKeyHolder, RemoteKeyService
from moretta.links.addresses import Address, parse_address
from moretta.links.certificates import files_of, issue
from moretta.links.client import LinkClient
from moretta.protection.gallery_key_files import GalleryKeyFiles
from moretta.protection.he.open import HeKey
from moretta.protection.schemes import gallery_index, protector

MODEL, DIMENSION, FLOOR = "tests/embedder@1", 128, 0.2


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def keyd(stack: ExitStack, tmp_path: Path) -> Keyd:
    return Keyd(stack, tmp_path / "data")


def linked(stack: ExitStack, address: Address, certificates: Path | None = None, role: str = "serve") -> LinkClient:
    link = LinkClient(address, "keyd", files_of(certificates, role) if certificates is not None else None, 30)
    stack.callback(link.close)
    return link


def people(count: int) -> list[Embedding]:
    vectors = np.random.default_rng(5).normal(size=(count, DIMENSION)).astype(np.float32)
    return [Embedding(vector / np.linalg.norm(vector), MODEL) for vector in vectors]


def compared(holder: RemoteKeyHolder, key_id: str, found: list[Embedding], probe: int) -> SealedScores:
    """Sealed scores of one of the people against all, made as a worker and a node make them."""
    protect = protector(holder.terms(key_id))
    index = gallery_index(GallerySpec("col_eu_1", Scheme.HE, MODEL, DIMENSION, key_id))
    index.put(range(len(found)), [protect.protect_reference(one).payload for one in found])
    return index.compare(protect.protect_probe(found[probe]), 0.5)


def test_a_killed_key_holder_is_unavailable_and_one_started_again_goes_on(stack: ExitStack, keyd: Keyd) -> None:
    link = linked(stack, parse_address(keyd.start()))
    service, holder = RemoteKeyService(link), RemoteKeyHolder(link)
    envelope = Envelope(service)
    key_id = holder.create(Scheme.HE, MODEL, DIMENSION, FLOOR).key_id
    subject, sealed = envelope.new_key("per_eu_1"), compared(holder, key_id, people(5), 3)
    failures: list[MorettaError] = []
    stop, seen = threading.Event(), threading.Event()

    def use() -> None:
        while not stop.is_set():
            try:
                holder.open(sealed, OpenTerms(0.5))
                seen.set()
            except MorettaError as error:
                failures.append(error)

    user = threading.Thread(target=use)
    user.start()
    try:
        assert seen.wait(30)
        assert keyd.stop(signal.SIGKILL) == -signal.SIGKILL
        deadline = time.monotonic() + 30
        while not failures and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        stop.set()
        user.join()
    assert failures and {type(error) for error in failures} == {NodeUnavailable}
    with pytest.raises(NodeUnavailable):
        service.unwrap(subject.wrapped, b"")
    keyd.start()
    assert [match.row for match in holder.open(sealed, OpenTerms(0.5))] == [3]
    assert envelope.opened("per_eu_1", subject.wrapped) == subject


def test_it_ends_in_order_and_leaves_no_socket(keyd: Keyd) -> None:
    path = parse_address(keyd.start()).path
    assert path is not None and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keyd.stop(signal.SIGTERM) == 0
    assert not path.exists()
    assert keyd.output.count(b"\n") == 1


def test_its_files_are_its_owners_alone(stack: ExitStack, keyd: Keyd) -> None:
    RemoteKeyHolder(linked(stack, parse_address(keyd.start()))).create(Scheme.ROTATED, MODEL, DIMENSION, FLOOR)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in keyd.data.rglob("*") if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in keyd.data.rglob("*") if path.is_dir()}
    assert (modes, folders) == ({0o600}, {0o700})


def pieces(secret: bytes, size: int = 16) -> set[bytes]:
    """The secret in pieces that do not repeat by chance."""
    cut = {secret[start : start + size] for start in range(0, len(secret) - size + 1, size)}
    return {piece for piece in cut if len(set(piece)) > size // 2}


def found_in(crossed: bytes, hidden: set[bytes]) -> set[bytes]:
    """Which of the pieces (at least 8 bytes each) stand anywhere in the bytes that crossed."""
    starts = np.array([int.from_bytes(piece[:8], "little") for piece in hidden], "<u8")
    whole = len(crossed) // 8 * 8 - 8
    views = [np.frombuffer(crossed, "<u8", whole // 8, offset) for offset in range(8)]
    return (
        {piece for piece in hidden if piece in crossed} if any(np.isin(view, starts).any() for view in views) else set()
    )


def test_no_secret_key_ever_crosses_the_link(stack: ExitStack, keyd: Keyd) -> None:
    target = parse_address(keyd.start()).path
    assert target is not None
    relay = Relay(stack, target)
    link = linked(stack, Address(relay.path))
    service, holder = RemoteKeyService(link), RemoteKeyHolder(link)
    key_id, new_key_id = (holder.create(Scheme.HE, MODEL, DIMENSION, FLOOR).key_id for _ in range(2))
    subject = Envelope(service).new_key("per_eu_1")
    found = people(6)
    sealed = compared(holder, key_id, found, 2)
    assert [match.row for match in holder.open(sealed, OpenTerms(0.5, bands=(0.7, 0.9)))] == [2]
    payloads = [protector(holder.terms(key_id)).protect_reference(one).payload for one in found]
    segment = holder.pack(key_id, payloads)
    holder.repack(key_id, [(segment, [0, 2, 4])])
    holder.reissue_payload(key_id, new_key_id, payloads)
    holder.reissue_segment(key_id, new_key_id, segment)
    holder.reissue_segment(key_id, holder.successor(key_id).key_id, segment)
    old = service.active()
    service.rotate()
    service.destroy(old)
    service.master_keys(), holder.keys(), holder.rewrap()
    for wrong in (b"", subject.wrapped):
        with pytest.raises(MorettaError):
            service.unwrap(wrong, b"another context")
    holder.destroy(new_key_id)

    masters = FileKeyService(keyd.data / "keys")
    stored = GalleryKeyFiles(keyd.data / "gallery-keys", lambda _step: None).read(key_id)
    own = HeKey.load(stored.secret(masters))
    hidden = pieces(own._seal_key.content()) | pieces(own._seal_key.secret_points().astype("<u4").tobytes())
    hidden |= {read_private(path) or b"" for path in (keyd.data / "keys").glob("*.key")}
    hidden.add(masters.unwrap(stored.wrapped, stored.context))
    assert len(hidden) > 500 and all(len(piece) >= 16 for piece in hidden)
    crossed = bytes(relay.answered) + bytes(relay.asked)
    assert found_in(crossed, pieces(own.material())), "the search finds what did cross"
    assert not found_in(crossed, hidden)
    assert keyd.stop() == 0
    assert keyd.output.count(b"\n") == 1


def test_it_answers_serve_under_mutual_tls_and_nobody_else(stack: ExitStack, tmp_path: Path) -> None:
    certificates = tmp_path / "certificates"
    issue(certificates, ["keyd", "serve", "node-eu"])
    keyd = Keyd(stack, tmp_path / "data", "tls:127.0.0.1:0", "--certificates", str(certificates))
    address = parse_address(keyd.start())
    assert address.port > 0
    assert RemoteKeyService(linked(stack, address, certificates)).active().startswith("master_")
    with pytest.raises(NodeUnavailable):
        RemoteKeyService(linked(stack, address, certificates, role="node-eu")).active()


def test_it_keeps_master_keys_in_a_token(stack: ExitStack, tmp_path: Path) -> None:
    token = softhsm_token()
    uri = f"pkcs11:token={token.label}?module-path={token.module}&pin-source=file:{token.pin_file}"
    keyd = Keyd(stack, tmp_path / "data", None, "--pkcs11", uri)
    link = linked(stack, parse_address(keyd.start()))
    envelope, holder = Envelope(RemoteKeyService(link)), RemoteKeyHolder(link)
    subject, terms = envelope.new_key("per_eu_1"), holder.create(Scheme.ROTATED, MODEL, DIMENSION, FLOOR)
    assert keyd.stop() == 0
    keyd.start()
    assert envelope.opened("per_eu_1", subject.wrapped) == subject
    assert holder.terms(terms.key_id) == terms
    assert not list(keyd.data.rglob("0*.key"))


def test_what_is_destroyed_stays_destroyed_after_it_was_killed(stack: ExitStack, keyd: Keyd) -> None:
    link = linked(stack, parse_address(keyd.start()))
    service, holder = RemoteKeyService(link), RemoteKeyHolder(link)
    key_id, wrapped, old = (
        holder.create(Scheme.ROTATED, MODEL, DIMENSION, FLOOR).key_id,
        service.wrap(bytes(32), b"context"),
        service.active(),
    )
    service.rotate()
    service.destroy(old)
    holder.destroy(key_id)
    keyd.stop(signal.SIGKILL)
    keyd.start()
    with pytest.raises(KeyDestroyed):
        service.unwrap(wrapped, b"context")
    with pytest.raises(KeyDestroyed):
        holder.terms(key_id)


@pytest.mark.parametrize("options", [["--listen", "tcp:1"], ["--party-key", "00"], ["--pkcs11", "pkcs11:token=x"]])
def test_what_cannot_be_used_is_told_in_one_line(tmp_path: Path, options: list[str]) -> None:
    given = ["--listen", f"unix:{tmp_path / 's'}", "--data", str(tmp_path / "data"), *options]
    run = subprocess.run([*COMMAND, *given], capture_output=True, check=False, timeout=60)
    assert run.returncode == 64 and run.stderr.startswith(b"moretta: ") and run.stderr.count(b"\n") == 1


def test_a_folder_that_others_can_read_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "data" / "keys").mkdir(parents=True)
    (tmp_path / "data" / "keys").chmod(0o755)
    given = ["--listen", f"unix:{tmp_path / 's'}", "--data", str(tmp_path / "data")]
    run = subprocess.run([*COMMAND, *given], capture_output=True, check=False, timeout=60)
    assert run.returncode == 78 and b"chmod 700" in run.stderr and run.stderr.count(b"\n") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is Linux's")
def test_no_process_of_its_user_can_dump_or_trace_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from moretta.sandbox.libc import prctl\n"
        "from moretta.wiring.key_holding import opened_keyd\n"
        "with opened_keyd(sys.argv[1], Path(sys.argv[2]), None): sys.exit(prctl(3))"  # PR_GET_DUMPABLE
    )
    arguments = [f"unix:{tmp_path / secrets.token_hex(4)}", str(tmp_path / "data")]
    assert len(os.fsencode(arguments[0])) < 107
    assert subprocess.run([sys.executable, "-c", code, *arguments], check=False, timeout=60).returncode == 0


def test_keys_made_by_the_process_open_inside_the_service_too(stack: ExitStack, keyd: Keyd) -> None:
    terms = RemoteKeyHolder(linked(stack, parse_address(keyd.start()))).create(Scheme.HE, MODEL, DIMENSION, FLOOR)
    assert keyd.stop() == 0
    service = FileKeyService(keyd.data / "keys")
    assert local_holder(keyd.data / "gallery-keys", service).terms(terms.key_id) == terms
