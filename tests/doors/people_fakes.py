"""Recognition without pixels behind the API's door: a photo says in its bytes who is on it.

`b"face:ann"` shows Ann, `b"face:ann face:bob"` both, `b"blurred face:ann"` her below the quality gate, `b"broken"` cannot be
read, anything else shows nobody.
"""

import io
import json
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import BinaryIO

from moretta.core.errors import (
    FaceNotFound,
    MediaUnreadable,
    MorettaError,
    NotFound,
    PersonErased,
    PersonRestricted,
    PurposeMismatch,
    QualityTooLow,
    RegionRefused,
    RequestInvalid,
    SeveralFaces,
)
from moretta.core.protection import Scheme
from moretta.core.recognition import (
    Candidate,
    Collection,
    Duplicate,
    Enrolled,
    FaceRecord,
    FailureToEnrol,
    IdKind,
    Person,
    PersonState,
    RefusalReason,
    SearchedFace,
    StoreWish,
    Thresholds,
    new_id,
    region_of,
)
from moretta.core.values import TrackId
from moretta.use_cases.recognition.collections import UNCHANGED, Unchanged
from moretta.use_cases.recognition.results import (
    Comparison,
    ImportFailure,
    ImportItem,
    ImportProgress,
    ImportReport,
    OnImport,
    OnStep,
    PhotoOfPerson,
    RecognisedTracks,
    Reenrolment,
    Search,
    SeenFace,
    StepProgress,
    Verification,
)

BOX = (1.0, 2.0, 30.0, 40.0)
PARTS = (("sharpness", 12.0), ("pose", 88.0))
_REASONS: dict[RefusalReason, type[MorettaError]] = {
    RefusalReason.NO_FACE: FaceNotFound,
    RefusalReason.SEVERAL_FACES: SeveralFaces,
    RefusalReason.LOW_QUALITY: QualityTooLow,
}


def photo_of(*names: str, blurred: bool = False) -> bytes:
    """A photo that shows these people."""
    return b" ".join([b"blurred"] * blurred + [f"face:{name}".encode() for name in names])


@dataclass
class FakePeople:
    """Recognition in dictionaries. A method first raises what `fails` holds under its name, or calls what `hooks` holds."""

    now: datetime = datetime(2025, 1, 31, 12, tzinfo=UTC)
    regions: tuple[str, ...] = ("local", "eu")
    galleries: dict[str, Collection] = field(default_factory=dict)
    known: dict[str, Person] = field(default_factory=dict)
    erased: dict[str, str] = field(default_factory=dict)
    records: dict[str, FaceRecord] = field(default_factory=dict)
    callers: list[str | None] = field(default_factory=list)
    shown: dict[str, str] = field(default_factory=dict)
    photos: dict[str, bytes] = field(default_factory=dict)
    imports: dict[str, dict[str, str]] = field(default_factory=dict)
    callers: list[str | None] = field(default_factory=list)
    fails: dict[str, Exception] = field(default_factory=dict)
    hooks: dict[str, Callable[[], object]] = field(default_factory=dict)

    def create_collection(
        self,
        company_id: str,
        name: str,
        purpose: str,
        *,
        scheme: Scheme = Scheme.HE,
        region: str | None = None,
        replicas: Iterable[str] = (),
        retention_days: int | None = None,
        model: str | None = None,
        min_quality: float | None = None,
        bands: bool = False,
        thresholds: Thresholds | None = None,
    ) -> Collection:
        self._fail("create_collection")
        if not {region or "local", *replicas} <= set(self.regions):
            raise RegionRefused("expected a region of this deployment")
        home = region or "local"
        made = Collection(
            new_id(IdKind.COLLECTION, home),
            company_id,
            name,
            purpose,
            scheme,
            model or "embedder-1",
            128,
            "key-1",
            thresholds or Thresholds(0.5, 0.6, 1e-4),
            home,
            frozenset(replicas),
            self.now,
            retention_days,
            40.0 if min_quality is None else min_quality,
            bands,
        )
        self.galleries[made.collection_id] = made
        return made

    def collection(self, company_id: str, collection_id: str) -> Collection:
        self._fail("collection")
        region_of(collection_id, IdKind.COLLECTION)
        found = self.galleries.get(collection_id)
        if found is None or found.company_id != company_id:
            raise NotFound("no such collection")
        return found

    def collections(self, company_id: str, limit: int = 50, after: str | None = None) -> list[Collection]:
        mine = [one for key, one in sorted(self.galleries.items()) if one.company_id == company_id]
        return [one for one in mine if after is None or one.collection_id > after][:limit]

    def update_collection(
        self,
        company_id: str,
        collection_id: str,
        *,
        name: str | Unchanged = UNCHANGED,
        purpose: str | Unchanged = UNCHANGED,
        retention_days: int | Unchanged | None = UNCHANGED,
        min_quality: float | Unchanged = UNCHANGED,
        bands: bool | Unchanged = UNCHANGED,
        thresholds: Thresholds | Unchanged = UNCHANGED,
        replicas: Iterable[str] | Unchanged = UNCHANGED,
    ) -> Collection:
        found = self.collection(company_id, collection_id)
        wishes = {
            "name": name,
            "purpose": purpose,
            "retention_days": retention_days,
            "min_quality": min_quality,
            "bands": bands,
            "thresholds": thresholds,
            "replicas": replicas if isinstance(replicas, Unchanged) else frozenset(replicas),
        }
        changed = {key: value for key, value in wishes.items() if not isinstance(value, Unchanged)}
        if not changed.get("replicas", frozenset()) <= set(self.regions):  # type: ignore[operator]
            raise RegionRefused("expected a region of this deployment")
        self.galleries[collection_id] = replace(found, **changed)  # type: ignore[arg-type]
        return self.galleries[collection_id]

    def enrol(
        self,
        company_id: str,
        collection_id: str,
        media_fds: Sequence[int],
        *,
        name: str = "",
        attributes: Sequence[tuple[str, str]] = (),
        person_id: str | None = None,
        store: StoreWish = StoreWish.TEMPLATE,
        purpose: str | None = None,
        refuse_duplicates: bool = False,
        consent_id: str | None = None,
    ) -> list[Enrolled | FailureToEnrol]:
        self._fail("enrol")
        collection = self.collection(company_id, collection_id)
        if purpose is not None and purpose != collection.purpose:
            raise PurposeMismatch("another purpose")
        contents = [_content(fd) for fd in media_fds]
        new = person_id or new_id(IdKind.PERSON, collection.home)
        outcomes: list[Enrolled | FailureToEnrol] = []
        for content in contents:
            outcomes.append(self._looked_at(collection, new, content, store, refuse_duplicates))
        if person_id is None and any(isinstance(one, Enrolled) for one in outcomes):
            self.known[new] = Person(new, collection_id, company_id, self.now, name=name, attributes=tuple(attributes))
        return outcomes

    def add_faces(
        self,
        company_id: str,
        person_id: str,
        media_fds: Sequence[int],
        *,
        store: StoreWish = StoreWish.TEMPLATE,
        replace: str | None = None,
        refuse_duplicates: bool = False,
    ) -> list[Enrolled | FailureToEnrol]:
        person = self.person(company_id, person_id)
        if replace is not None and replace not in {face.face_id for face in self.faces(company_id, person_id)}:
            raise NotFound("no such face of this person")
        outcomes = self.enrol(
            company_id,
            person.collection_id,
            media_fds,
            person_id=person_id,
            store=store,
            refuse_duplicates=refuse_duplicates,
        )
        if replace is not None and any(isinstance(one, Enrolled) for one in outcomes):
            self.delete_face(company_id, replace)
        return outcomes

    def person(self, company_id: str, person_id: str) -> Person:
        region_of(person_id, IdKind.PERSON)
        if self.erased.get(person_id) == company_id:
            raise PersonErased("the person was erased")
        found = self.known.get(person_id)
        if found is None or found.company_id != company_id:
            raise NotFound("no such person")
        faces = sum(face.person_id == person_id for face in self.records.values())
        return replace(found, faces=faces)

    def persons(self, company_id: str, collection_id: str, limit: int = 50, after: str | None = None) -> list[Person]:
        self.collection(company_id, collection_id)
        ids = sorted(one.person_id for one in self.known.values() if one.collection_id == collection_id)
        return [self.person(company_id, one) for one in ids if after is None or one > after][:limit]

    def update_person(
        self,
        company_id: str,
        person_id: str,
        *,
        name: str | None = None,
        attributes: Sequence[tuple[str, str]] | None = None,
        state: PersonState | None = None,
    ) -> Person:
        found = self.person(company_id, person_id)
        self.known[person_id] = replace(
            found,
            name=found.name if name is None else name,
            attributes=found.attributes if attributes is None else tuple(attributes),
            state=state or found.state,
        )
        return self.person(company_id, person_id)

    def delete_person(self, company_id: str, person_id: str) -> None:
        for face in self.faces(company_id, person_id):
            self.delete_face(company_id, face.face_id)
        del self.known[person_id]
        self.erased[person_id] = company_id

    def faces(self, company_id: str, person_id: str) -> list[FaceRecord]:
        self.person(company_id, person_id)
        return [face for face in self.records.values() if face.person_id == person_id]

    def delete_face(self, company_id: str, face_id: str) -> None:
        face = self.records.pop(face_id)
        self.shown.pop(face_id)
        self.photos.pop(face.photo_id or "", None)

    def photo(self, company_id: str, person_id: str, face_id: str | None = None) -> PhotoOfPerson:
        for face in reversed(self.faces(company_id, person_id)):
            if face.photo_id is not None and face_id in {None, face.face_id}:
                return PhotoOfPerson(self.photos[face.photo_id], face.created_at)
        raise NotFound("no photo is kept")

    def compare(
        self,
        company_id: str,
        first_fd: int,
        second_fd: int,
        *,
        model: str | None = None,
        fmr: float | None = None,
        purpose: str | None = None,
        caller: str | None = None,
    ) -> Comparison:
        self._fail("compare")
        self.callers.append(caller)
        names = [_one(_content(fd)) for fd in (first_fd, second_fd)]
        seen = SeenFace(BOX, 80.0, PARTS)
        return Comparison(names[0] == names[1], seen, seen, fmr or 1e-4, model or "embedder-1")

    def verify(
        self,
        company_id: str,
        person_id: str,
        media_fd: int,
        *,
        purpose: str | None = None,
        caller: str | None = None,
    ) -> Verification:
        self._fail("verify")
        self.callers.append(caller)
        person = self.person(company_id, person_id)
        if not person.state.comparable:
            raise PersonRestricted("restricted")
        if purpose not in {None, self.galleries[person.collection_id].purpose}:
            raise PurposeMismatch("another purpose")
        name = _one(_content(media_fd))
        mine = [face.face_id for face in self.faces(company_id, person_id) if self.shown[face.face_id] == name]
        seen = SeenFace(BOX, 80.0, PARTS)
        return Verification(bool(mine), mine[0] if mine else None, seen, 1e-4, "local", 0)

    def search(
        self,
        company_id: str,
        collection_id: str,
        media_fd: int,
        *,
        limit: int = 10,
        purpose: str | None = None,
        caller: str | None = None,
    ) -> Search:
        self._fail("search")
        self.callers.append(caller)
        collection = self.collection(company_id, collection_id)
        if purpose not in {None, collection.purpose}:
            raise PurposeMismatch("another purpose")
        names = _names(_content(media_fd))
        if not names:
            raise FaceNotFound("expected a photo with at least one face, found none")
        faces = tuple(SearchedFace(BOX, 80.0, self._candidates(collection_id, name)[:limit]) for name in names)
        return Search(faces, 1e-4, "local", 0)

    def import_items(
        self,
        company_id: str,
        collection_id: str,
        import_id: str | None,
        items: Iterable[ImportItem],
        *,
        store: StoreWish = StoreWish.TEMPLATE,
        on_progress: OnImport | None = None,
        refuse_duplicates: bool = False,
        purpose: str | None = None,
        source: str = "",
    ) -> ImportReport:
        self._fail("import_items")
        collection = self.collection(company_id, collection_id)
        if purpose not in {None, collection.purpose}:
            raise PurposeMismatch("another purpose")
        chosen = import_id or new_id(IdKind.IMPORT, collection.home)
        before = self.imports.setdefault(chosen, {})
        persons: dict[str, str] = {}
        failures: list[ImportFailure] = []
        done = enrolled = skipped = 0
        for item in items:
            try:
                fd = item.open()
            except NotFound as error:
                failures.append(ImportFailure(item.key, error.code, error.detail))
                continue
            try:
                key = f"{item.key}|{_raw(fd)!r}"
                if key in before:
                    skipped += 1
                else:
                    known = persons.get(item.person_key or item.key)
                    try:
                        (outcome,) = self.enrol(
                            company_id,
                            collection_id,
                            [fd],
                            name=item.person_name,
                            attributes=item.attributes,
                            person_id=known,
                            store=store,
                            refuse_duplicates=refuse_duplicates,
                        )
                    except MediaUnreadable as error:
                        failures.append(ImportFailure(item.key, error.code, error.detail))
                    else:
                        if isinstance(outcome, Enrolled):
                            enrolled += 1
                            before[key] = outcome.person_id
                            persons[item.person_key or item.key] = outcome.person_id
                        else:
                            failures.append(ImportFailure(item.key, outcome.reason.value, outcome.detail))
            finally:
                os.close(fd)
            done += 1
            if on_progress is not None:
                on_progress(ImportProgress(done, enrolled, len(failures), skipped))
        return ImportReport(chosen, enrolled, skipped, len(set(persons.values())), 0, tuple(failures))

    def recognise_tracks(
        self,
        company_id: str,
        person_ids: Sequence[str],
        media_fd: int,
        prober: object,
        *,
        caller: str | None = None,
        on_progress: object = None,
    ) -> RecognisedTracks:
        """Each name in the media is a track."""
        self._fail("recognise_tracks")
        self.callers.append(caller)
        names = dict(enumerate(_names(_content(media_fd)), 1))
        found, compared, shown = 0, 0, set[TrackId]()
        for person_id in person_ids:
            try:
                person = self.person(company_id, person_id)
            except PersonErased:
                continue
            compared += person.state.comparable
            theirs = {self.shown[face.face_id] for face in self.faces(company_id, person_id)}
            mine = {TrackId(track) for track, name in names.items() if person.state.comparable and name in theirs}
            found += bool(mine)
            shown |= mine
        others = frozenset(map(TrackId, names)) - shown if compared == len(person_ids) else frozenset[TrackId]()
        return RecognisedTracks("f" * 64, frozenset(shown), others, 0, len(person_ids), compared, found)

    def export(self, company_id: str, collection_id: str, sink: BinaryIO) -> int:
        collection = self.collection(company_id, collection_id)
        with zipfile.ZipFile(sink, "w") as archive:
            archive.writestr("collection.json", json.dumps({"name": collection.name}))
            self._fail("export")
            for photo_id, content in self.photos.items():
                if archive.namelist()[1:]:
                    self._fail("export_photo")
                archive.writestr(f"photos/{photo_id}.jpg", content)
        return len(self.known)

    def reissue(self, company_id: str, collection_id: str, *, on_progress: OnStep | None = None) -> Collection:
        self._fail("reissue")
        found = self.collection(company_id, collection_id)
        if on_progress is not None:
            on_progress(StepProgress("rotate", 1, 2))
        self.galleries[collection_id] = replace(found, key_id=found.key_id + "+")
        return self.galleries[collection_id]

    def reenrol(
        self, company_id: str, collection_id: str, *, model: str | None = None, on_progress: OnStep | None = None
    ) -> Reenrolment:
        found = self.collection(company_id, collection_id)
        self.galleries[collection_id] = replace(found, model_id=model or "embedder-2")
        without = {face.person_id for face in self.records.values() if face.photo_id is None}
        return Reenrolment(model or "embedder-2", len(self.photos), tuple(sorted(without)))

    def repack(self, company_id: str, collection_id: str) -> None:
        self.collection(company_id, collection_id)

    def refresh_shares(self, company_id: str, collection_id: str) -> None:
        if self.collection(company_id, collection_id).scheme is not Scheme.SHARES:
            raise RequestInvalid("expected a collection of the scheme shares")

    def hold_examples(self, company_id: str) -> None:
        """Hold the collection, the person and the face whose ids stand in the API's document."""
        number = "0123456789abcdef01234567"
        made = self.create_collection(company_id, "example", "example")
        collection = replace(made, collection_id=f"col_local_{number}")
        self.galleries = {collection.collection_id: collection}
        self.erased.clear()
        person_id, face_id = f"per_local_{number}", f"fac_local_{number}"
        self.known[person_id] = Person(person_id, collection.collection_id, company_id, self.now, name="Ann")
        key = (collection.model_id, collection.key_id, 80.0, self.now)
        self.records[face_id] = FaceRecord(face_id, person_id, collection.collection_id, 0, *key, photo_id="photo")
        self.shown[face_id], self.photos["photo"] = "ann", photo_of("ann")

    def _fail(self, method: str) -> None:
        if method in self.fails:
            raise self.fails[method]
        self.hooks.get(method, lambda: None)()

    def _looked_at(
        self, collection: Collection, person_id: str, content: bytes, store: StoreWish, refuse_duplicates: bool
    ) -> Enrolled | FailureToEnrol:
        try:
            name = _one(content)
        except (FaceNotFound, SeveralFaces, QualityTooLow) as error:
            reason = next(reason for reason, kind in _REASONS.items() if isinstance(error, kind))
            low = reason is RefusalReason.LOW_QUALITY
            return FailureToEnrol(reason, error.detail, 22.0 if low else None, PARTS if low else ())
        same = [one for one in self._candidates(collection.collection_id, name) if one.person_id != person_id]
        duplicates = tuple(Duplicate(one.person_id, one.face_id) for one in same)
        if duplicates and refuse_duplicates:
            return FailureToEnrol(RefusalReason.DUPLICATE, "somebody looks the same", 80.0, PARTS, duplicates)
        face_id = new_id(IdKind.FACE, collection.home)
        photo_id = f"photo-{len(self.records)}" if store is StoreWish.PHOTO else None
        if photo_id is not None:
            self.photos[photo_id] = b"\xff\xd8" + content
        record = FaceRecord(
            face_id,
            person_id,
            collection.collection_id,
            len(self.records),
            collection.model_id,
            collection.key_id,
            80.0,
            self.now,
            photo_id,
        )
        self.records[face_id], self.shown[face_id] = record, name
        return Enrolled(person_id, record, duplicates)

    def _candidates(self, collection_id: str, name: str) -> tuple[Candidate, ...]:
        found = [
            face
            for face in self.records.values()
            if face.collection_id == collection_id
            and self.shown[face.face_id] == name
            and (face.person_id not in self.known or self.known[face.person_id].state.comparable)
        ]
        best = {face.person_id: face for face in reversed(found)}
        return tuple(Candidate(face.person_id, face.face_id, i + 1) for i, face in enumerate(best.values()))


def _raw(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)


def _content(fd: int) -> bytes:
    content = _raw(fd)
    if content.startswith(b"broken"):
        raise MediaUnreadable("the picture is broken")
    return content


def _names(content: bytes) -> list[str]:
    return [name.decode() for name in re.findall(rb"face:(\w+)", content)]


def _one(content: bytes) -> str:
    names = _names(content)
    if not names:
        raise FaceNotFound("expected a photo with one face, found none")
    if len(names) > 1:
        raise SeveralFaces(f"expected a photo with one face, found {len(names)}")
    if content.startswith(b"blurred"):
        raise QualityTooLow("the face is blurred")
    return names[0]


def archive_in(content: bytes) -> zipfile.ZipFile:
    """The ZIP in an answer."""
    return zipfile.ZipFile(io.BytesIO(content))
