"""The key holder's own folder: crashes, copies, altered files, loading once, and many threads."""

import json
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from moretta.core.errors import KeyDestroyed, KeyRejected, KeyUnusable
from moretta.core.key_service import KeyService
from moretta.core.protection import Opened, OpenTerms, Scheme, SealedScores
from moretta.keys.memory import MemoryKeyService
from moretta.keys.rotation import rewrapped
from moretta.protection.holder import LocalKeyHolder
from moretta.protection.opening import GalleryKey

FLOOR = 0.3


class Killed(BaseException):
    """The process died here."""


class FakeKey:
    """A `GalleryKey` whose scores are not sealed at all; counts how often one is made and loaded."""

    made = 0
    loaded = 0

    def __init__(self, content: bytes) -> None:
        self._content = content

    def secret(self) -> bytes:
        return b"secret:" + self._content

    def material(self) -> bytes:
        return b"public:" + self._content

    def open(self, sealed: SealedScores, terms: OpenTerms) -> list[Opened]:
        return [Opened(int(row), 1) for row in sealed.rows[: terms.limit]]

    def successor(self) -> GalleryKey:
        return type(self)(self._content + b"'")

    def pack(self, payloads: Sequence[bytes]) -> bytes:
        return b"|".join(payloads)

    def repack(self, segments: Sequence[tuple[bytes, Sequence[int]]]) -> bytes:
        return b"|".join(segment.split(b"|")[slot] for segment, slots in segments for slot in slots)

    def reissue_payload(self, new: GalleryKey, payloads: Sequence[bytes]) -> list[bytes]:
        return [payload + new.material() for payload in payloads]

    def reissue_segment(self, new: GalleryKey, segment: bytes) -> bytes:
        return segment + new.material()


@pytest.fixture
def service() -> MemoryKeyService:
    return MemoryKeyService()


@pytest.fixture
def made(tmp_path: Path, service: MemoryKeyService) -> Callable[..., LocalKeyHolder]:
    FakeKey.made = FakeKey.loaded = 0

    def new_key(_scheme: Scheme, dimension: int, parties: bytes) -> GalleryKey:
        FakeKey.made += 1
        return FakeKey(f"{dimension}:{FakeKey.made}:".encode() + parties)

    def load_key(_scheme: Scheme, secret: bytes) -> GalleryKey:
        FakeKey.loaded += 1
        return FakeKey(secret.removeprefix(b"secret:"))

    def holder(step: str = "", **options: object) -> LocalKeyHolder:
        def die(at: str) -> None:
            if at == step:
                raise Killed

        return LocalKeyHolder(tmp_path / "galleries", service, new_key, load_key, checkpoint=die, **options)  # type: ignore[arg-type]

    return holder


def created(holder: LocalKeyHolder, floor: float = FLOOR) -> str:
    return holder.create(Scheme.HE, "model", 8, floor).key_id


def opens(holder: LocalKeyHolder, key_id: str, threshold: float = FLOOR) -> bool:
    sealed = SealedScores(Scheme.HE, "model", key_id, threshold, np.array([7], np.uint32), np.ones(1, np.bool_), b"")
    return [match.row for match in holder.open(sealed, OpenTerms(threshold))] == [7]


def key_file(folder: Path) -> Path:
    [file] = (folder / "galleries").glob("*.key")
    return file


def test_a_keys_file_shows_its_facts_and_not_its_secret(made: Callable[..., LocalKeyHolder], tmp_path: Path) -> None:
    terms = made().create(Scheme.HE, "model", 8, FLOOR)
    content = key_file(tmp_path).read_bytes()
    length = int.from_bytes(content[4:8], "big")
    facts = json.loads(content[8 : 8 + length])
    assert facts.pop("created").endswith("Z")
    assert facts == {"scheme": "he", "model": "model", "dimension": 8, "floor": 0.3}
    assert b"secret:" not in content and terms.material == b"public:8:1:"
    assert key_file(tmp_path).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "galleries").stat().st_mode & 0o777 == 0o700


def test_a_key_is_loaded_once_and_used_many_times(made: Callable[..., LocalKeyHolder]) -> None:
    key_id, holder = created(made()), made()
    assert all(opens(holder, key_id) for _ in range(20))
    assert (FakeKey.made, FakeKey.loaded) == (1, 1)


def test_many_threads_load_a_key_once(made: Callable[..., LocalKeyHolder]) -> None:
    key_id, holder, start = created(made()), made(), threading.Barrier(8)
    found: list[bool] = []

    def use() -> None:
        start.wait()
        found.extend(opens(holder, key_id) for _ in range(10))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 80 and FakeKey.loaded == 1


def test_a_key_that_was_only_wrapped_anew_is_not_loaded_anew(
    made: Callable[..., LocalKeyHolder], service: MemoryKeyService
) -> None:
    holder, other = made(), made()
    key_id = created(holder)
    assert opens(other, key_id)
    old = service.active()
    service.rotate()
    assert other.rewrap(partial(rewrapped, service)) == 1
    assert other.rewrap(partial(rewrapped, service)) == 0
    service.destroy(old)
    assert opens(holder, key_id) and opens(other, key_id) and opens(made(), key_id)
    assert FakeKey.loaded == 2, "once by the other holder, once by the last"


def test_packing_and_moving_are_the_keys_own(made: Callable[..., LocalKeyHolder]) -> None:
    holder = made()
    key_id, new = created(holder), created(holder)
    segment = holder.pack(key_id, [b"a", b"b", b"c"])
    assert holder.repack(key_id, [(segment, [2, 0])]) == b"c|a"
    assert holder.reissue_payload(key_id, new, [b"a"]) == [b"apublic:8:2:"]
    assert holder.reissue_segment(key_id, new, segment) == b"a|b|cpublic:8:2:"


def test_the_parties_keys_go_into_new_gallery_keys(made: Callable[..., LocalKeyHolder]) -> None:
    assert made(parties=b"three").create(Scheme.SHARES, "model", 8, FLOOR).material == b"public:8:1:three"


@pytest.mark.parametrize("step", ["write:written", "write:placed"])
def test_a_crash_while_making_a_key_leaves_a_whole_key_or_none(made: Callable[..., LocalKeyHolder], step: str) -> None:
    with pytest.raises(Killed):
        created(made(step))
    after = made()
    found = list(after.keys())
    assert len(found) == (step == "write:placed")
    assert all(opens(after, key_id) for key_id in found)


def test_a_crash_while_making_a_key_leaves_no_other_file(made: Callable[..., LocalKeyHolder], tmp_path: Path) -> None:
    with pytest.raises(Killed):
        created(made("write:written"))
    made()
    assert [path.name for path in (tmp_path / "galleries").iterdir()] == [".lock"]


@pytest.mark.parametrize("step", ["destroy:marked", "destroy:gone"])
def test_a_crash_while_destroying_is_finished_at_the_next_start(
    made: Callable[..., LocalKeyHolder], tmp_path: Path, step: str
) -> None:
    key_id, kept = created(made()), created(made())
    with pytest.raises(Killed):
        made(step).destroy(key_id)
    after = made()
    with pytest.raises(KeyDestroyed):
        opens(after, key_id)
    assert list(after.keys()) == [kept] and key_file(tmp_path).stem == kept


@pytest.mark.parametrize("step", ["write:written", "write:placed"])
def test_a_crash_while_wrapping_anew_loses_no_key(
    made: Callable[..., LocalKeyHolder], service: MemoryKeyService, step: str
) -> None:
    keys = [created(made()) for _ in range(3)]
    old = service.active()
    service.rotate()
    with pytest.raises(Killed):
        made(step).rewrap(partial(rewrapped, service))
    after = made()
    assert all(opens(after, key_id) for key_id in keys)
    assert after.rewrap(partial(rewrapped, service)) == (3 if step == "write:written" else 2)
    service.destroy(old)
    assert all(opens(made(), key_id) for key_id in keys)


def test_a_destroyed_key_that_comes_back_from_a_copy_is_refused_and_deleted(
    made: Callable[..., LocalKeyHolder], tmp_path: Path
) -> None:
    holder = made()
    key_id = created(holder)
    file = key_file(tmp_path)
    copy = file.read_bytes()
    holder.destroy(key_id)
    file.touch(mode=0o600)
    file.write_bytes(copy)
    for again in (holder, made()):
        with pytest.raises(KeyDestroyed):
            opens(again, key_id)
        assert list(again.keys()) == []
    assert not file.exists()


def test_a_key_that_another_process_destroyed_does_not_open_from_memory(made: Callable[..., LocalKeyHolder]) -> None:
    holder, other = made(), made()
    key_id = created(holder)
    assert opens(holder, key_id)
    other.destroy(key_id)
    with pytest.raises(KeyDestroyed):
        opens(holder, key_id)


def test_a_lower_floor_written_into_a_file_opens_nothing(made: Callable[..., LocalKeyHolder], tmp_path: Path) -> None:
    key_id = created(made())
    file = key_file(tmp_path)
    content = file.read_bytes()
    assert b'"floor":0.3,' in content
    file.write_bytes(content.replace(b'"floor":0.3,', b'"floor":0.0,'))
    with pytest.raises(KeyRejected):
        opens(made(), key_id, threshold=0.1)


def test_a_file_under_another_keys_name_opens_nothing(made: Callable[..., LocalKeyHolder], tmp_path: Path) -> None:
    created(made(), floor=-1.0)
    loose = key_file(tmp_path)
    content = loose.read_bytes()
    loose.unlink()
    strict = created(made())
    key_file(tmp_path).write_bytes(content)
    with pytest.raises(KeyRejected):
        opens(made(), strict, threshold=-0.5)


def test_a_file_with_any_byte_altered_or_cut_off_opens_nothing(
    made: Callable[..., LocalKeyHolder], tmp_path: Path
) -> None:
    key_id = created(made())
    file = key_file(tmp_path)
    content = file.read_bytes()
    for position in range(len(content)):
        altered = bytearray(content)
        altered[position] ^= 0x15
        for wrong in (bytes(altered), content[:position]):
            file.write_bytes(wrong)
            with pytest.raises(KeyUnusable):
                opens(made(), key_id)
    file.write_bytes(content)
    assert opens(made(), key_id)


def test_files_that_others_can_use_are_refused(made: Callable[..., LocalKeyHolder], tmp_path: Path) -> None:
    key_id = created(made())
    key_file(tmp_path).chmod(0o640)
    with pytest.raises(KeyUnusable, match="chmod"):
        opens(made(), key_id)
    key_file(tmp_path).chmod(0o600)
    (tmp_path / "galleries").chmod(0o750)
    with pytest.raises(KeyUnusable, match="chmod"):
        made()


def test_another_key_service_opens_nothing(made: Callable[..., LocalKeyHolder], tmp_path: Path) -> None:
    key_id = created(made())
    other: KeyService = MemoryKeyService()
    other.active()
    holder = LocalKeyHolder(
        tmp_path / "galleries", other, lambda _s, _d, _p: FakeKey(b""), lambda _s, _secret: FakeKey(b"")
    )
    with pytest.raises(KeyRejected):
        opens(holder, key_id)
    assert holder.rewrap(partial(rewrapped, other)) == 0
    assert opens(made(), key_id)
