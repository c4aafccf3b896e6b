"""Two regions with databases, blobs and keys of their own, and nodes as processes: what is where, and who answers."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.policies import OPEN
from tests.recognition_rig import CARD, COMPANY, ScriptedFaces, photo
from tests.regions_rig import NodeProcess, namespace, node_processes, soon

from moretta.core.errors import RegionRefused, RequestInvalid, StorageUnusable
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection, Enrolled, StoreWish
from moretta.settings import Settings
from moretta.storage.database import open_database
from moretta.use_cases.guard import Guard
from moretta.use_cases.recognition import Recognition
from moretta.use_cases.recognition.means import Means
from moretta.wiring.regions import Regions, opened_regions
from moretta.wiring.regions_file import read_regions
from moretta.wiring.rights import rights_over

PEOPLE = ("anna", "boris", "clara", "daan", "emil", "fatima")


class Deployment:
    """A service over regions, with a reader that is told whom it sees."""

    def __init__(self, regions: Regions) -> None:
        self.regions = regions
        means = Means(regions, regions.default, ScriptedFaces(), (CARD,), places=regions.places, guard=Guard(OPEN))
        self.recognition, self.rights = Recognition(means), rights_over(means)

    def enrol(self, collection: Collection, *names: str, store: StoreWish = StoreWish.TEMPLATE) -> dict[str, str]:
        found = {}
        for name in names:
            with picture(f"{name}/1") as fd:
                (outcome,) = self.recognition.enrol(COMPANY, collection.collection_id, [fd], name=name, store=store)
            assert isinstance(outcome, Enrolled)
            found[name] = outcome.person_id
        return found

    def search(self, collection: Collection, name: str) -> tuple[list[str], str, int]:
        with picture(f"{name}/2") as fd:
            result = self.recognition.search(COMPANY, collection.collection_id, fd)
        (face,) = result.faces
        return [candidate.person_id for candidate in face.candidates], result.from_region, result.behind


@contextmanager
def picture(*faces: str) -> Iterator[int]:
    fd = os.memfd_create("picture")
    try:
        os.write(fd, photo(*faces))
        yield fd
    finally:
        os.close(fd)


def region_lines(root: Path, name: str, node: str, replicate_to: str = "[]") -> str:
    base = root / name
    return f"""
[regions.{name}]
database = "sqlite:///{base / "moretta.db"}"
blobs = "file://{base / "blobs"}"
segments = "file://{base / "segments"}"
keys = "file://{base / "keys"}"
gallery_keys = "file://{base / "gallery-keys"}"
node = "{node}"
node_timeout_s = 3.0
replicate_to = {replicate_to}
"""


@contextmanager
def deployed(root: Path, europe: str, america: str, *, replicate: bool = True) -> Iterator[Deployment]:
    file = root / "regions.toml"
    head = f'default = "eu"\ncertificates = "{root / "certificates"}"\n'
    file.write_text(head + region_lines(root, "eu", europe, '["us"]') + region_lines(root, "us", america))
    regions = Regions(read_regions(file), root / "data", replicate=replicate, settle_s=0.0)
    try:
        yield Deployment(regions)
    finally:
        regions.close()


def test_a_search_goes_on_from_the_replica_while_the_home_node_is_dead_and_nothing_is_lost_or_doubled(
    tmp_path: Path,
) -> None:
    home, replica = NodeProcess("eu", tmp_path), NodeProcess("us", tmp_path)
    with node_processes(tmp_path, home, replica), deployed(tmp_path, home.address, replica.address) as deployment:
        recognition = deployment.recognition
        guests = recognition.create_collection(COMPANY, "guests", "access", scheme=Scheme.HE, replicas=["us"])
        people = deployment.enrol(guests, *PEOPLE[:3])
        recognition.repack(COMPANY, guests.collection_id)
        assert deployment.search(guests, "anna") == ([people["anna"]], "eu", 0)
        home.kill()
        assert deployment.search(guests, "boris") == ([people["boris"]], "us", 0)
        people |= deployment.enrol(guests, *PEOPLE[3:])
        recognition.delete_person(COMPANY, people["anna"])
        recognition.repack(COMPANY, guests.collection_id)
        recognition.reissue(COMPANY, guests.collection_id)
        assert deployment.search(guests, "anna") == ([], "us", 0)
        assert deployment.search(guests, "emil") == ([people["emil"]], "us", 0)
        home.start()
        soon(lambda: deployment.search(guests, "clara")[1] == "eu")
        for name in PEOPLE[1:]:
            assert deployment.search(guests, name) == ([people[name]], "eu", 0)
        assert deployment.search(guests, "anna") == ([], "eu", 0)
        segments = {info.segment_id for info in deployment.regions["eu"].store.segments(guests.collection_id)}
        for process in (home, replica):
            soon(lambda process=process: files(process.folder) == segments)
        deployment.rights.delete_collection(COMPANY, guests.collection_id)
        for process in (home, replica):
            soon(lambda process=process: files(process.folder) == set())


@pytest.mark.allow_hosts(["127.0.0.1", "10.203.3.2", "10.203.4.2"])
def test_regions_in_networks_of_their_own_outlive_a_cut_and_lose_nothing(tmp_path: Path) -> None:
    with namespace(3) as europe, namespace(4) as america:
        home = NodeProcess("eu", tmp_path, europe.host, europe.within)
        replica = NodeProcess("us", tmp_path, america.host, america.within)
        with node_processes(tmp_path, home, replica), deployed(tmp_path, home.address, replica.address) as deployment:
            guests = deployment.recognition.create_collection(COMPANY, "guests", "access", replicas=["us"])
            people = deployment.enrol(guests, *PEOPLE[:3])
            assert deployment.search(guests, "anna") == ([people["anna"]], "eu", 0)
            europe.cut()
            # The one call that waits for a time-out; the home node's own work waits too, and is forgiven.
            assert deployment.search(guests, "anna") == ([people["anna"]], "us", 0)
            people |= deployment.enrol(guests, *PEOPLE[3:])
            deployment.recognition.delete_person(COMPANY, people["boris"])
            assert deployment.search(guests, "boris") == ([], "us", 0)
            assert deployment.search(guests, "fatima") == ([people["fatima"]], "us", 0)
            europe.heal()
            soon(lambda: deployment.search(guests, "anna")[1] == "eu")
            for name in (name for name in PEOPLE if name != "boris"):
                assert deployment.search(guests, name) == ([people[name]], "eu", 0)
            assert deployment.search(guests, "boris") == ([], "eu", 0)


def test_nothing_of_a_collection_is_stored_outside_its_home_region(tmp_path: Path) -> None:
    home, replica = NodeProcess("eu", tmp_path), NodeProcess("us", tmp_path)
    with node_processes(tmp_path, home, replica), deployed(tmp_path, home.address, replica.address) as deployment:
        alone = deployment.recognition.create_collection(COMPANY, "guests", "access", region="eu")
        people = deployment.enrol(alone, *PEOPLE[:3], store=StoreWish.PHOTO)
        deployment.recognition.repack(COMPANY, alone.collection_id)
        assert deployment.search(alone, "clara") == ([people["clara"]], "eu", 0)
        deployment.regions["us"]  # opened, so that its files are there to be searched
        assert len(files(home.folder)) == 1
        assert files(replica.folder) == set()
        assert files(tmp_path / "us" / "blobs") == files(tmp_path / "us" / "segments") == set()
        foreign = b"".join(path.read_bytes() for path in (tmp_path / "us").rglob("*") if path.is_file())
        assert alone.collection_id.encode() not in foreign
        assert all(person_id.encode() not in foreign for person_id in people.values())


def test_a_region_or_replica_where_the_collection_may_not_be_is_refused(tmp_path: Path) -> None:
    with deployed(tmp_path, "embedded", "embedded", replicate=False) as deployment:
        create = deployment.recognition.create_collection
        for region, replicas in (("mars", []), ("eu", ["mars"]), ("us", ["eu"])):
            with pytest.raises(RegionRefused):
                create(COMPANY, "guests", "access", region=region, replicas=replicas)
        allowed = create(COMPANY, "guests", "access", region="us")
        with pytest.raises(RegionRefused):
            deployment.recognition.update_collection(COMPANY, allowed.collection_id, replicas=["eu"])
        # What was made for the refused collections is gone again.
        assert len(deployment.regions["us"].keys.keys()) == 1
        assert len(deployment.regions["eu"].keys.keys()) == 0


def test_a_write_into_another_regions_stores_is_refused(tmp_path: Path) -> None:
    with deployed(tmp_path, "embedded", "embedded", replicate=False) as deployment:
        guests = deployment.recognition.create_collection(COMPANY, "guests", "access", region="eu")
        europe, america = deployment.regions["eu"], deployment.regions["us"]
        with pytest.raises(RegionRefused):
            america.store.update_collection(guests)
        europe.store.announce_blob("pho_1")
        for blobs in (america.photos, america.segments):
            with pytest.raises(RegionRefused):
                blobs.put("pho_1", b"sealed")
        assert files(tmp_path / "us" / "blobs") == files(tmp_path / "us" / "segments") == set()


def test_embedded_nodes_of_two_regions_replicate_without_touching_each_others_segment_files(tmp_path: Path) -> None:
    with deployed(tmp_path, "embedded", "embedded") as deployment:
        guests = deployment.recognition.create_collection(COMPANY, "guests", "access", replicas=["us"])
        people = deployment.enrol(guests, *PEOPLE[:2])
        deployment.recognition.repack(COMPANY, guests.collection_id)
        assert deployment.search(guests, "anna") == ([people["anna"]], "eu", 0)
        soon(lambda: len(files(tmp_path / "data" / "nodes" / "us" / "copies")) == 1)
        assert len(files(tmp_path / "eu" / "segments")) == 1
        assert files(tmp_path / "us" / "segments") == set()


def test_a_region_whose_database_is_out_of_reach_does_not_keep_the_others_from_working(tmp_path: Path) -> None:
    (tmp_path / "us").write_text("a file where a folder should be")
    with deployed(tmp_path, "embedded", "embedded", replicate=False) as deployment:
        guests = deployment.recognition.create_collection(COMPANY, "guests", "access", region="eu")
        people = deployment.enrol(guests, "anna")
        assert deployment.search(guests, "anna") == ([people["anna"]], "eu", 0)
        with pytest.raises(StorageUnusable):
            deployment.recognition.create_collection(COMPANY, "guests", "access", region="us")


def test_a_master_key_that_is_changed_is_destroyed_and_everything_still_opens(tmp_path: Path) -> None:
    with deployed(tmp_path, "embedded", "embedded", replicate=False) as deployment:
        guests = deployment.recognition.create_collection(COMPANY, "guests", "access")
        people = deployment.enrol(guests, "anna", store=StoreWish.PHOTO)
        before = files(tmp_path / "eu" / "keys")
        deployment.regions["eu"].change_master_key()
        assert not {name for name in before if name.endswith(".key")} & files(tmp_path / "eu" / "keys")
        assert deployment.search(guests, "anna") == ([people["anna"]], "eu", 0)
        assert deployment.recognition.photo(COMPANY, people["anna"]).content


def test_without_a_regions_file_there_is_one_region_in_the_data_folder_and_the_services_database(
    tmp_path: Path,
) -> None:
    settings = Settings(data_dir=tmp_path)
    engine = open_database(tmp_path / "moretta.db")
    try:
        with opened_regions(settings, engine) as regions:
            deployment = Deployment(regions)
            guests = deployment.recognition.create_collection(COMPANY, "guests", "access")
            people = deployment.enrol(guests, "anna", "boris")
            deployment.recognition.repack(COMPANY, guests.collection_id)
        # Another process finds it, and maps the segment where it lies.
        with opened_regions(settings, engine, replicate=True) as regions:
            assert list(regions) == ["local"]
            assert Deployment(regions).search(guests, "anna") == ([people["anna"]], "local", 0)
            assert len(files(tmp_path / "segments")) == 1
    finally:
        engine.dispose()


def test_a_regions_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "moretta.db")
    settings = Settings(data_dir=tmp_path, regions_file=tmp_path / "absent.toml")
    with pytest.raises(RequestInvalid), opened_regions(settings, engine):
        pass
    engine.dispose()


def files(folder: Path) -> set[str]:
    if not folder.exists():
        return set()
    return {path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")}
