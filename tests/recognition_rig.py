"""Recognition over a real database, blob folders, key holder and node, with a reader that is told which faces it sees."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from moretta.core.checkpoints import no_checkpoint
from moretta.core.errors import MediaUnreadable
from moretta.core.gallery import spec_of
from moretta.core.policy import Policy
from moretta.core.protection import ProtectionTerms, TemplateProtector
from moretta.core.recognising import (
    Compared,
    CompareRequest,
    Embedded,
    EmbeddedFace,
    EmbedderCard,
    EmbedRequest,
    Wanted,
)
from moretta.core.recognition import Collection, Enrolled
from moretta.core.values import Embedding
from moretta.keys.envelope import Envelope
from moretta.keys.file import FileKeyService
from moretta.nodes.local import LocalNode
from moretta.protection.holder import LocalKeyHolder
from moretta.protection.schemes import gallery_index, load_gallery_key, new_gallery_key, protector
from moretta.storage.blobs.folder import FolderBlobs
from moretta.storage.consents.store import SqlConsentStore
from moretta.storage.database import open_database
from moretta.storage.governance.facts import SqlFactStore
from moretta.storage.governance.incidents import SqlIncidentStore
from moretta.storage.governance.retention import SqlRetentionStore
from moretta.storage.recognition.store import SqlRecognitionStore
from moretta.storage.reviews.approvals import SqlApprovalStore
from moretta.storage.reviews.store import SqlReviewStore
from moretta.storage.rights.deliveries import SqlDeliveryStore
from moretta.storage.rights.erasures import SqlErasureStore
from moretta.storage.rights.requests import SqlRightsStore
from moretta.storage.subjects.store import SqlSubjectAccessStore
from moretta.use_cases.guard import Guard
from moretta.use_cases.recognition import Recognition
from moretta.use_cases.recognition.brakes import PER_CALLER, PER_SUBJECT, Brakes, Rate, TokenBuckets
from moretta.use_cases.recognition.means import Means, Region
from moretta.wiring.galleries import RegionGalleries, StoreSource
from moretta.wiring.ledgers import ledger_in
from tests.policies import OPEN
from tests.shares_rig import Trio

COMPANY = "co_0123456789abcdef0123"
OTHER_COMPANY = "co_ffffffffffffffffffff"
DIMENSION = 64
CARD = EmbedderCard(
    "scripted", "scripted:1", DIMENSION, ((1e-2, 0.3), (1e-3, 0.4), (1e-4, 0.5), (1e-5, 0.6)), "made up"
)
SECOND = EmbedderCard("second", "second:1", 96, ((1e-2, 0.3), (1e-4, 0.5)), "made up")
UNKNOWN = EmbedderCard("unknown", "unknown:1", 48)
# Two photos of one person lie at this cosine to what they share, and so at its square to each other.
LIKENESS = 0.95


def photo(*faces: str) -> bytes:
    """A made-up picture: each of `faces` is a person's name, a number of the photo, and maybe a quality: `anna/1/90`."""
    return "\n".join(("picture", *faces)).encode()


def vector(person: str, number: str, model_id: str) -> np.ndarray:
    """What a model makes of a photo of a person."""
    dimension = next(card.dimension for card in (CARD, SECOND, UNKNOWN) if card.model_id == model_id)
    base = _direction(f"{model_id} {person}", dimension)
    other = _direction(f"{model_id} {person} {number}", dimension)
    other -= base * (other @ base)
    made = LIKENESS * base + np.sqrt(1 - LIKENESS**2) * other / np.linalg.norm(other)
    return np.asarray(made / np.linalg.norm(made), np.float32)


def _direction(seed: str, dimension: int) -> np.ndarray:
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")
    made = np.random.default_rng(number).standard_normal(dimension)
    return np.asarray(made / np.linalg.norm(made))


@lru_cache(maxsize=16)
def _protector(terms: ProtectionTerms) -> TemplateProtector:
    return protector(terms)


class ScriptedFaces:
    """A `FaceReader` that reads made-up pictures and protects for real."""

    def embed(self, media_fd: int, request: EmbedRequest) -> Embedded:
        seen = _seen(media_fd)
        faces = [self._face(entry, request, alone=len(seen) == 1) for entry in seen]
        kept = request.photo and len(faces) == 1 and faces[0].reference is not None
        return Embedded(tuple(faces), b"\xff\xd8\xff" + _content(media_fd) if kept else None)

    def compare(self, first_fd: int, second_fd: int, request: CompareRequest) -> Compared:
        first, second = _seen(first_fd), _seen(second_fd)
        match = None
        if len(first) == len(second) == 1:
            one, other = (vector(*entry[0][:2], request.model_id) for entry in (first, second))
            match = bool(one @ other >= request.threshold)
        told = [tuple(_described(entry) for entry in seen) for seen in (first, second)]
        return Compared(match, told[0], told[1])

    def _face(self, entry: tuple[str, str, float], request: EmbedRequest, *, alone: bool) -> EmbeddedFace:
        person, number, quality = entry
        if not alone and request.wanted is not Wanted.PROBE:
            return _described(entry)
        if quality < request.min_quality:
            return EmbeddedFace((0.0, 0.0, 9.0, 9.0), quality, (("sharpness", quality),), reason="it is blurred")
        embedding = Embedding(vector(person, number, request.terms.model_id), request.terms.model_id)
        protects = _protector(request.terms)
        reference = protects.protect_reference(embedding).payload if request.wanted is Wanted.REFERENCE else None
        probe = protects.protect_probe(embedding).payload
        return EmbeddedFace((0.0, 0.0, 9.0, 9.0), quality, (("sharpness", quality),), reference, probe)


def _described(entry: tuple[str, str, float]) -> EmbeddedFace:
    return EmbeddedFace((0.0, 0.0, 9.0, 9.0), entry[2], (("sharpness", entry[2]),))


def _content(media_fd: int) -> bytes:
    return os.pread(media_fd, 1 << 20, 0)


def _seen(media_fd: int) -> list[tuple[str, str, float]]:
    head, *lines = _content(media_fd).removeprefix(b"\xff\xd8\xff").decode("utf-8", "replace").split("\n")
    if head != "picture":
        raise MediaUnreadable("expected a made-up picture")
    parts = [line.split("/") for line in lines]
    return [(part[0], part[1], float(part[2]) if len(part) > 2 else 90.0) for part in parts]


@dataclass
class Place:
    """Everything of one region, opened."""

    recognition: Recognition
    region: Region
    means: Means
    node: LocalNode
    root: Path
    fds: list[int] = field(default_factory=list)

    def fd(self, *faces: str) -> int:
        """A descriptor of a made-up picture; closed with the place."""
        return self.raw(photo(*faces))

    def raw(self, content: bytes) -> int:
        made = os.memfd_create("picture")
        os.write(made, content)
        self.fds.append(made)
        return made

    def enrolled(self, collection_id: str, name: str, *photos: str, **wishes: object) -> Enrolled:
        """Enrol somebody from photos that are good enough; the first outcome."""
        fds = [self.fd(entry) for entry in photos or (f"{name}/1",)]
        outcomes = self.recognition.enrol(COMPANY, collection_id, fds, name=name, **wishes)  # type: ignore[arg-type]
        assert all(isinstance(outcome, Enrolled) for outcome in outcomes), outcomes
        assert isinstance(outcomes[0], Enrolled)
        return outcomes[0]

    def found(self, collection_id: str, *faces: str) -> list[list[str]]:
        """The ids of the persons found for each face of a made-up picture."""
        result = self.recognition.search(COMPANY, collection_id, self.fd(*faces))
        return [[candidate.person_id for candidate in face.candidates] for face in result.faces]


@contextmanager
def opened(
    root: Path,
    *,
    checkpoint: Callable[[str], None] = no_checkpoint,
    cards: Sequence[EmbedderCard] = (CARD, SECOND, UNKNOWN),
    subject_rate: Rate = PER_SUBJECT,
    caller_rate: Rate = PER_CALLER,
    now_s: Callable[[], float] | None = None,
    trio: Trio | None = None,
    database: str | None = None,
    policy: Policy = OPEN,
) -> Iterator[Place]:
    """The region `local` in `root`; opened again, it finds what was there.

    `trio`: its parties, for `shares`; `database`: a URL.
    """
    root.mkdir(exist_ok=True, mode=0o700)
    engine = open_database(database or root / "moretta.db")
    master = FileKeyService(root / "keys")
    cipher = Envelope(master)
    store = SqlRecognitionStore(engine, cipher, checkpoint)
    photos, segments = FolderBlobs(root / "photos"), FolderBlobs(root / "segments")
    holder = LocalKeyHolder(
        root / "gallery-keys",
        master,
        new_gallery_key,
        load_gallery_key,
        parties=b"" if trio is None else b"".join(trio.public_keys),
        checkpoint=checkpoint,
    )
    node = LocalNode("local", root / "segments", gallery_index, root / "marks")
    galleries = RegionGalleries(
        StoreSource("local", store, segments),
        {"local": node},
        None if trio is None else trio.node,
        store.settle,
        _refreshed_by(trio),
    )
    consents = SqlConsentStore(engine, cipher, checkpoint)
    ledger = ledger_in(engine, "local", master, checkpoint)
    region = Region(
        "local",
        store,
        photos,
        segments,
        cipher,
        holder,
        galleries,
        master.rotate,
        ledger.log,
        ledger.audit,
        ledger.signing,
        consents=consents,
        reviews=SqlReviewStore(engine, checkpoint),
        approvals=SqlApprovalStore(engine, checkpoint),
        retention=SqlRetentionStore(engine, cipher, checkpoint),
        incidents=SqlIncidentStore(engine, checkpoint),
        facts=SqlFactStore(engine),
        erasures=SqlErasureStore(engine, cipher, checkpoint),
        requests=SqlRightsStore(engine, cipher, checkpoint),
        deliveries=SqlDeliveryStore(engine, checkpoint),
        subjects=SqlSubjectAccessStore(engine, checkpoint),
    )
    clock = {} if now_s is None else {"now_s": now_s}
    brakes = Brakes(
        TokenBuckets(subject_rate, "attempts", **clock), TokenBuckets(caller_rate, "compared faces", **clock)
    )
    means = Means(
        {"local": region},
        "local",
        ScriptedFaces(),
        tuple(cards),
        brakes=brakes,
        checkpoint=checkpoint,
        guard=Guard(policy, lambda _: (region.approvals,)),
    )
    place = Place(Recognition(means), region, means, node, root)
    try:
        yield place
    finally:
        for fd in place.fds:
            os.close(fd)
        galleries.close()
        node.close()
        store.close()
        engine.dispose()


def _refreshed_by(trio: Trio | None) -> Callable[[Collection], None] | None:
    if trio is None:
        return None

    def refresh(collection: Collection) -> None:
        trio.node.refresh(spec_of(collection))

    return refresh
