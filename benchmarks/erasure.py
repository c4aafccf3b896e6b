"""What an erasure costs, certificate included: every store, the search of the database's bytes, the negative search, the log.

    python benchmarks/erasure.py [--scheme he] [--dimension 192] [--people 100000]

Everything behind the embedder is real (see `recognition_service`); each person erased has one face with a stored photo, and the
database is a SQLite file. The rest of the gallery are references of people who have 2,048 faces each.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, os.fspath(Path(__file__).resolve().parents[1]))
from tests import recognition_rig as rig

from moretta.core.protection import Scheme
from moretta.core.recognising import EmbedderCard
from moretta.core.recognition import IdKind, Person, StoreWish, new_id
from moretta.core.recognition_store import NewFace
from moretta.core.values import Embedding
from moretta.protection.schemes import protector
from moretta.use_cases.recognition import packing
from moretta.wiring.rights import rights_over

_TIMES = 7


def main() -> None:
    """Print the median and the longest of several erasures, and what the last certificate says."""
    arguments = _arguments()
    card = EmbedderCard("bench", "bench:1", arguments.dimension, rig.CARD.similarities, "made up")
    rig.CARD = card
    with tempfile.TemporaryDirectory() as folder, rig.opened(Path(folder) / "place", cards=[card]) as place:
        scheme = Scheme(arguments.scheme)
        made = place.recognition.create_collection(rig.COMPANY, "bench", "bench", scheme=scheme)
        grow(place, made.collection_id, card, arguments.people)
        erased = [place.enrolled(made.collection_id, f"person {n}", store=StoreWish.PHOTO) for n in range(_TIMES + 1)]
        place.recognition.repack(rig.COMPANY, made.collection_id)
        place.found(made.collection_id, "person 0/2")
        rights = rights_over(place.means)
        rights.erase(rig.COMPANY, erased[0].person_id)
        walls, document = [], b""
        for one in erased[1:]:
            started = time.perf_counter()
            document = rights.erase(rig.COMPANY, one.person_id).certificate.document
            walls.append(time.perf_counter() - started)
        size = (Path(folder) / "place" / "moretta.db").stat().st_size
        print(
            f"erase one of {arguments.people:,} ({scheme}, d = {arguments.dimension}, database {size / 2**20:.0f} MiB):"
        )
        print(f"  median {median(walls):.2f} s, longest {max(walls):.2f} s of {_TIMES}")
        told = json.loads(document)
        print(f"  exceptions: {told['exceptions']}; negative search: {told['negative_search']}")


def grow(place: rig.Place, collection_id: str, card: EmbedderCard, people: int) -> None:
    """Fill the gallery with references; they are repeated, since no figure depends on what they are."""
    random = np.random.default_rng(1)
    collection = place.recognition.collection(rig.COMPANY, collection_id)
    protects = protector(place.region.keys.terms(collection.key_id))
    payloads = []
    for _ in range(min(people, 2048)):
        vector = random.standard_normal(card.dimension)
        embedding = Embedding((vector / np.linalg.norm(vector)).astype(np.float32), card.model_id)
        payloads.append(protects.protect_reference(embedding).payload)
    for start in range(0, people, 2048):
        collection = place.recognition.collection(rig.COMPANY, collection_id)
        person = Person(new_id(IdKind.PERSON, "local"), collection_id, rig.COMPANY, place.means.clock())
        faces = [NewFace(new_id(IdKind.FACE, "local"), one, 90.0) for one in payloads[: min(2048, people - start)]]
        place.region.store.enrol(collection, person, faces)
        if collection.scheme in packing.PACKED:
            packing.pack(place.means, place.region, collection, 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    schemes = [str(scheme) for scheme in Scheme if scheme is not Scheme.SHARES]
    parser.add_argument("--scheme", default="he", choices=schemes)
    parser.add_argument("--dimension", type=int, default=192)
    parser.add_argument("--people", type=int, default=100_000)
    return parser.parse_args()


if __name__ == "__main__":
    main()
