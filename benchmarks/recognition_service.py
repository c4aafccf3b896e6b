"""What recognition costs around the vision: enrolling in bulk, verifying, searching, erasing.

    python benchmarks/recognition_service.py [--scheme he] [--dimension 192] [--people 10000] [--large 100000]

Embeddings are random directions; everything behind the embedder is real: protecting, the key holder, SQLite, segment files and
the node. Times are on the wall and of the processor: beside other work, the second is the one to read. `--large` is the gallery
in which erasing is timed; its references are repeated, since no figure depends on what they are.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, os.fspath(Path(__file__).resolve().parents[1]))
from tests import recognition_rig as rig

from moretta.core.protection import OpenTerms, ProtectedProbe, Scheme, SealedScores
from moretta.core.recognising import EmbedderCard
from moretta.core.recognition import Collection, IdKind, Person, new_id
from moretta.core.recognition_store import NewFace
from moretta.core.values import Embedding
from moretta.protection.schemes import protector
from moretta.use_cases.recognition import packing

THRESHOLD = 0.5


def main() -> None:
    """Print one line a figure."""
    arguments = _arguments()
    card = EmbedderCard("bench", "bench:1", arguments.dimension, rig.CARD.similarities, "made up")
    rig.CARD = card
    with tempfile.TemporaryDirectory() as folder, rig.opened(Path(folder) / "place", cards=[card]) as place:
        bench = _Bench(place, card, Scheme(arguments.scheme))
        bench.bulk(arguments.bulk)
        bench.singles()
        bench.grown_to(arguments.people)
        bench.timed(f"search of {arguments.people:,}", 30, bench.search)
        bench.timed(f"verify in {arguments.people:,}", 30, bench.verify)
        if arguments.large > arguments.people:
            bench.grown_to(arguments.large)
            bench.timed(f"search of {arguments.large:,}", 15, bench.search)
            bench.timed(f"verify in {arguments.large:,}", 15, bench.verify)
            bench.timed(f"erase one of {arguments.large:,}, repack included", 7, bench.erase)
            started = time.perf_counter()
            bench.restart()
            print(
                f"restart with {arguments.large:,}: {1e3 * (time.perf_counter() - started):.0f} ms until the first answer"
            )


class _Bench:
    def __init__(self, place: rig.Place, card: EmbedderCard, scheme: Scheme) -> None:
        self.place, self.card = place, card
        made = place.recognition.create_collection(rig.COMPANY, "bench", "bench", scheme=scheme)
        self.collection_id, self.region = made.collection_id, place.region
        self.protector = protector(place.region.keys.terms(made.key_id))
        self.random = np.random.default_rng(1)
        self.payloads: list[bytes] = []
        self.size = 0

    def bulk(self, count: int) -> None:
        """Enrol `count` persons one by one through the use case: duplicates are searched, and packing is part of it."""
        embedded = [self.place.fd(f"person {number}/1") for number in range(count)]

        def all_of_them() -> None:
            for number, fd in enumerate(embedded):
                self.place.recognition.enrol(rig.COMPANY, self.collection_id, [fd], name=f"person {number}")

        wall, cpu = _clocks(all_of_them)
        self.size += count
        _print(f"enrol one of {count} (protect, search for duplicates, store, pack)", wall / count, cpu / count)

    def singles(self) -> None:
        """What a search costs with references that are not packed yet, and what packing them costs."""
        if self.collection.scheme not in packing.PACKED:
            return
        self.place.recognition.repack(rig.COMPANY, self.collection_id)
        rows = self._payload_rows(2048)
        for count in (0, 64, 128, 256, 512, 1024):
            while (waiting := self.region.store.unpacked_count(self.collection_id)) < count:
                self._keep(rows[: min(64, count - waiting)])
            self.timed(f"search with {count} single references", 9, self.search)
        _print(
            "pack 1,024 references", *_clocks(lambda: self.place.recognition.repack(rig.COMPANY, self.collection_id))
        )

    def grown_to(self, size: int) -> None:
        """Fill the gallery up with references of people who have 2,048 faces each."""
        rows = self._payload_rows(2048)
        while self.size < size:
            self._keep(rows[: min(2048, size - self.size)])
            if self.collection.scheme in packing.PACKED:
                packing.pack(self.place.means, self.region, self.collection, 1)
        self.search()

    def search(self) -> None:
        """Compare, open, look up."""
        found = self.region.galleries.compare(self.collection, self._probe(), THRESHOLD)
        self._told(found.sealed)

    def verify(self) -> None:
        """The same against one person's row, who is packed."""
        person = self.place.recognition.persons(rig.COMPANY, self.collection_id, 1)[0]
        rows = [self.place.recognition.faces(rig.COMPANY, person.person_id)[0].row]
        found = self.region.galleries.compare(self.collection, self._probe(), THRESHOLD, rows)
        self._told(found.sealed)

    def erase(self) -> None:
        """Delete a person with one face, who stands in a packed segment."""
        people = self.place.recognition.persons(rig.COMPANY, self.collection_id, 1000)
        victim = next(person for person in people if person.faces == 1)
        self.place.recognition.delete_person(rig.COMPANY, victim.person_id)

    def restart(self) -> None:
        """A fresh node takes the gallery over and answers."""
        self.place.node.drop(self.collection_id)
        self.search()

    def timed(self, what: str, times: int, work: Callable[[], None]) -> None:
        """Print the medians of several runs, the first of which warms up."""
        work()
        clocks = [_clocks(work) for _ in range(times)]
        _print(what, median(wall for wall, _ in clocks), median(cpu for _, cpu in clocks))

    @property
    def collection(self) -> Collection:
        """The collection as it stands."""
        return self.place.recognition.collection(rig.COMPANY, self.collection_id)

    def _told(self, sealed: SealedScores) -> None:
        opened = self.region.keys.open(sealed, OpenTerms(THRESHOLD, 10))
        self.region.store.faces_at(self.collection_id, [match.row for match in opened])

    def _probe(self) -> ProtectedProbe:
        return self.protector.protect_probe(self._embedding())

    def _embedding(self) -> Embedding:
        made = self.random.standard_normal(self.card.dimension)
        return Embedding((made / np.linalg.norm(made)).astype(np.float32), self.card.model_id)

    def _payload_rows(self, count: int) -> list[bytes]:
        while len(self.payloads) < count:
            self.payloads.append(self.protector.protect_reference(self._embedding()).payload)
        return self.payloads[:count]

    def _keep(self, payloads: list[bytes]) -> None:
        collection = self.collection
        person = Person(new_id(IdKind.PERSON, "local"), self.collection_id, rig.COMPANY, self.place.means.clock())
        faces = [NewFace(new_id(IdKind.FACE, "local"), payload, 90.0) for payload in payloads]
        self.region.store.enrol(collection, person, faces)
        self.size += len(payloads)


def _clocks(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds on the wall and of the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def _print(what: str, wall: float, cpu: float) -> None:
    print(f"{what}: {1e3 * wall:.1f} ms, {1e3 * cpu:.1f} ms of the processor", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--scheme", default="he", choices=[str(scheme) for scheme in Scheme if scheme is not Scheme.SHARES]
    )
    parser.add_argument("--dimension", type=int, default=192)
    parser.add_argument("--bulk", type=int, default=600)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=100_000)
    return parser.parse_args()


if __name__ == "__main__":
    main()
