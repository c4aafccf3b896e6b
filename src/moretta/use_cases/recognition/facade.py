"""The one object through which doors reach recognition.

Belongs here: what can be asked, in one place. Does not belong here: how any of it is done (the modules beside this one), HTTP,
terminals, and who may ask what: a door knows its caller's company and hands it in.
"""

from collections.abc import Iterable, Sequence
from typing import BinaryIO

from moretta.core.acting import acting
from moretta.core.ports import OnProgress
from moretta.core.protection import Scheme
from moretta.core.recognising import EmbedderCard
from moretta.core.recognition import (
    Collection,
    Enrolled,
    FaceRecord,
    FailureToEnrol,
    IdKind,
    Person,
    PersonState,
    StoreWish,
    Thresholds,
)
from moretta.use_cases.recognition import (
    collections,
    compare,
    enrol,
    export,
    imports,
    master_keys,
    packing,
    persons,
    photos,
    recover,
    reenrol,
    reissue,
    search,
    tracks,
    verify,
)
from moretta.use_cases.recognition.collections import UNCHANGED, Unchanged
from moretta.use_cases.recognition.means import Means
from moretta.use_cases.recognition.results import (
    Comparison,
    ImportItem,
    ImportReport,
    OnImport,
    OnStep,
    PhotoOfPerson,
    RecognisedTracks,
    Recovered,
    Reenrolment,
    Search,
    TrackProber,
    Verification,
)

Attributes = Sequence[tuple[str, str]]
Outcomes = list[Enrolled | FailureToEnrol]


class Recognition:
    """Collections of consenting people. Safe for several threads.

    Media comes as seekable descriptors of still pictures; the caller keeps and closes them. What is not the company's own is not
    there: `NotFound`. Every method may raise `NodeUnavailable` and `StorageUnusable` where a part of the deployment is down.
    """

    def __init__(self, means: Means) -> None:
        self._means = means

    @property
    def models(self) -> tuple[EmbedderCard, ...]:
        """The embedders that collections can be made with, the default one first."""
        return self._means.cards

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions of this deployment, the default one first."""
        others = sorted(set(self._means.regions) - {self._means.default_region})
        return (self._means.default_region, *others)

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
        """A new collection, pinned to `region` and to `replicas`.

        Raises:
            RequestInvalid: a value does not fit; a model without known thresholds needs `thresholds`.
            RegionRefused: a region that is not of this deployment.
        """
        wishes = collections.Wishes(
            name, purpose, scheme, region, frozenset(replicas), retention_days, model, min_quality, bands, thresholds
        )
        return collections.create(self._means, company_id, wishes)

    def collection(self, company_id: str, collection_id: str) -> Collection:
        """The collection as it stands, also while it is being deleted."""
        return self._means.home(collection_id, IdKind.COLLECTION).store.collection(company_id, collection_id)

    def collections(self, company_id: str, limit: int = 50, after: str | None = None) -> list[Collection]:
        """At most `limit`, in the order of their ids, from after the id `after`."""
        return collections.listed(self._means, company_id, limit, after)

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
        """The collection with these changed.

        Raises:
            RequestInvalid: a value does not fit; a threshold is under the floor of the collection's key.
            RegionRefused: a replica in a region that is not of this deployment.
        """
        changes = collections.Changes(name, purpose, retention_days, min_quality, bands, thresholds, replicas)
        return collections.update(self._means, company_id, collection_id, changes)

    def enrol(
        self,
        company_id: str,
        collection_id: str,
        media_fds: Sequence[int],
        *,
        name: str = "",
        attributes: Attributes = (),
        person_id: str | None = None,
        store: StoreWish = StoreWish.TEMPLATE,
        purpose: str | None = None,
        refuse_duplicates: bool = False,
        consent_id: str | None = None,
    ) -> Outcomes:
        """Enrol photos of one person, new or (`person_id`) known: an outcome for each photo, in order.

        A photo must show exactly one face. The person is there when at least one photo was enrolled; all of it is one
        transaction.

        `consent_id` names the consent on which it rests; it says who the person is.

        Raises:
            RequestInvalid: no photo, too many, or `store` is `NONE`.
            ConsentError: the policy asks for a consent, and there is none that is valid; see its classes.
            PurposeMismatch: `purpose` is not the collection's.
            ModelMismatch: the collection's model is not installed.
            Conflict: the collection is being reissued; try again.
            MediaError: a photo is at fault; none of them was enrolled.
        """
        wishes = enrol.Wishes(
            name, tuple(attributes), person_id, StoreWish(store), refuse_duplicates, consent_id=consent_id
        )
        return enrol.enrol(self._means, company_id, collection_id, media_fds, wishes, purpose=purpose)

    def add_faces(
        self,
        company_id: str,
        person_id: str,
        media_fds: Sequence[int],
        *,
        store: StoreWish = StoreWish.TEMPLATE,
        replace: str | None = None,
        refuse_duplicates: bool = False,
    ) -> Outcomes:
        """More photos of a known person, in place of the face `replace` where one is named; raises as `enrol` does."""
        wish = StoreWish(store)
        return enrol.add_faces(self._means, company_id, person_id, media_fds, wish, replace, refuse_duplicates)

    def person(self, company_id: str, person_id: str) -> Person:
        """The person. Raises `PersonErased` where there was one."""
        return persons.person(self._means, company_id, person_id)

    def persons(self, company_id: str, collection_id: str, limit: int = 50, after: str | None = None) -> list[Person]:
        """At most `limit`, in the order of their ids, from after the id `after`."""
        return persons.listed(self._means, company_id, collection_id, limit, after)

    def update_person(
        self,
        company_id: str,
        person_id: str,
        *,
        name: str | None = None,
        attributes: Attributes | None = None,
        state: PersonState | None = None,
    ) -> Person:
        """The person with these changed; None leaves a value. A person who is not `ACTIVE` is never compared."""
        return persons.update(self._means, company_id, person_id, name, attributes, state)

    def delete_person(self, company_id: str, person_id: str) -> None:
        """Erase the person: when it returns, no template, photo or data key is left, in packed ciphertexts neither.

        A node that is down holds its copy, which it never compares again, until it is back.
        """
        persons.delete(self._means, company_id, person_id)

    def faces(self, company_id: str, person_id: str) -> list[FaceRecord]:
        """The person's faces, the oldest first."""
        return persons.faces(self._means, company_id, person_id)

    def delete_face(self, company_id: str, face_id: str) -> None:
        """Delete one face, its photo, and its place in packed ciphertexts."""
        persons.delete_face(self._means, company_id, face_id)

    def photo(self, company_id: str, person_id: str, face_id: str | None = None) -> PhotoOfPerson:
        """The photo stored with the person's newest face that has one, or with that face. Raises `NotFound` without one."""
        return photos.of_person(self._means, company_id, person_id, face_id)

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
        """Whether two photos show the same person; nothing is kept.

        `fmr` picks a false match rate that the model's card has a threshold for. `caller` names whose brake it is (an API key),
        left out whoever acts, or else the company's. `purpose` is one of the policy's; left out, the only one that allows it.

        Raises:
            PolicyProhibited: see `Guard.require`; so may every method that touches identity.
            FaceNotFound, SeveralFaces, QualityTooLow: one of the photos does not show exactly one usable face.
            RateLimited: too many comparisons.
        """
        return compare.compare(
            self._means, company_id, caller or acting() or company_id, first_fd, second_fd, model, fmr, purpose
        )

    def verify(
        self,
        company_id: str,
        person_id: str,
        media_fd: int,
        *,
        purpose: str | None = None,
        caller: str | None = None,
    ) -> Verification:
        """Whether the photo shows that person.

        Raises:
            PersonErased, PersonRestricted: the person must not be compared.
            FaceNotFound, SeveralFaces, QualityTooLow: the photo does not show exactly one usable face.
            PurposeMismatch, ModelMismatch: as `enrol`.
            RateLimited: too many attempts on this person, or by this caller.
        """
        return verify.verify(self._means, company_id, person_id, media_fd, purpose, caller or acting() or company_id)

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
        """Who of the collection is in the photo: every face is searched, at most `limit` persons a face.

        Raises:
            RequestInvalid: `limit` is not 1-100.
            FaceNotFound: the photo shows no face.
            PurposeMismatch, ModelMismatch: as `enrol`.
            RateLimited: too many faces compared by this caller.
        """
        return search.search(
            self._means, company_id, collection_id, media_fd, limit, purpose, caller or acting() or company_id
        )

    def recognise_tracks(
        self,
        company_id: str,
        person_ids: Sequence[str],
        media_fd: int,
        prober: TrackProber,
        *,
        caller: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> RecognisedTracks:
        """Which faces of an image or a video, as `prober` follows them, show one of these persons; each is verified (1:1).

        Whoever has no valid consent to the collection's purpose, is restricted, objected or was erased is not compared; nor is
        anybody where people must confirm a match.

        Raises:
            PolicyProhibited: a person's collection must not be used for verifying; nobody was compared.
            NotFound: no such person.
            RequestInvalid: nobody is named, or too many are.
            ModelMismatch, RateLimited: as `verify`; each track counts.
            MediaError: the media is at fault.
        """
        who = caller or acting() or company_id
        return tracks.recognise_tracks(self._means, company_id, person_ids, media_fd, prober, who, on_progress)

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
        """Enrol many photos, one transaction each. Run again with its `import_id`, it goes on where it ended.

        What `on_progress` raises ends it; what was enrolled stays. A photo at fault is reported, not raised; so is one without a
        consent where the policy asks for one, or with neither a source (its own, or `source` for all) nor a consent.
        """
        wishes = imports.Wishes(StoreWish(store), refuse_duplicates, purpose, source)
        return imports.run(self._means, company_id, collection_id, import_id, items, wishes, on_progress)

    def export(self, company_id: str, collection_id: str, sink: BinaryIO) -> int:
        """Write a ZIP of persons, faces' records and stored photos to `sink`, no templates; how many persons."""
        return export.export(self._means, company_id, collection_id, sink)

    def reissue(self, company_id: str, collection_id: str, *, on_progress: OnStep | None = None) -> Collection:
        """The collection under a new key and rotation, without enrolling anybody again; the old key is destroyed.

        Raises:
            RequestInvalid: the scheme cannot (`shares`: use `refresh_shares`).
            Conflict: it changed meanwhile, more than once; nothing has changed here.
        """
        return reissue.reissue(self._means, company_id, collection_id, on_progress)

    def reenrol(
        self,
        company_id: str,
        collection_id: str,
        *,
        model: str | None = None,
        thresholds: Thresholds | None = None,
        on_progress: OnStep | None = None,
    ) -> Reenrolment:
        """Move the collection to another model: templates are made anew from stored photos, in one transaction.

        Persons without a stored photo keep their record and need a new picture.

        Raises:
            RequestInvalid: the model is not installed, or has no known thresholds and none are given.
            Conflict: the collection changed meanwhile; nothing has changed here.
        """
        return reenrol.reenrol(self._means, company_id, collection_id, model, thresholds, on_progress)

    def repack(self, company_id: str, collection_id: str) -> None:
        """Pack what is not packed and rewrite segments that hold removed references (`he`); else nothing to do."""
        packing.repack(self._means, company_id, collection_id)

    def refresh_shares(self, company_id: str, collection_id: str) -> None:
        """Share all templates anew among the parties (`shares`): shares that were stolen before are worth nothing.

        Raises:
            RequestInvalid: another scheme.
        """
        collections.refresh_shares(self._means, company_id, collection_id)

    def recover(self) -> Recovered:
        """Delete what a dead process left behind; call it at start, before the first request."""
        return recover.recover(self._means)

    def rotate_master_key(self, region: str | None = None) -> str:
        """Wrap every key of a region under a new master key while everything goes on, and destroy the old ones; its id."""
        return master_keys.change(self._means, region)
