"""What the API needs of recognition: the port that `use_cases.recognition` fills.

Belongs here: the protocol. Does not belong here: what any of it does (each method is described where it is implemented,
`use_cases.recognition.facade`).
"""

from collections.abc import Iterable, Sequence
from typing import BinaryIO, Protocol

from moretta.core.ports import OnProgress
from moretta.core.protection import Scheme
from moretta.core.recognition import (
    Collection,
    Enrolled,
    FaceRecord,
    FailureToEnrol,
    Person,
    PersonState,
    StoreWish,
    Thresholds,
)
from moretta.use_cases.recognition.collections import UNCHANGED, Unchanged
from moretta.use_cases.recognition.results import (
    Comparison,
    ImportItem,
    ImportReport,
    OnImport,
    OnStep,
    PhotoOfPerson,
    RecognisedTracks,
    Reenrolment,
    Search,
    TrackProber,
    Verification,
)

Attributes = Sequence[tuple[str, str]]
Outcomes = list[Enrolled | FailureToEnrol]


class People(Protocol):
    """Collections of consenting people. Every method blocks; what is not the company's own raises `NotFound`."""

    def create_collection(
        self,
        company_id: str,
        name: str,
        purpose: str,
        *,
        scheme: Scheme = ...,
        region: str | None = None,
        replicas: Iterable[str] = (),
        retention_days: int | None = None,
        model: str | None = None,
        min_quality: float | None = None,
        bands: bool = False,
        thresholds: Thresholds | None = None,
    ) -> Collection:
        """A new collection."""

    def collection(self, company_id: str, collection_id: str) -> Collection:
        """The collection as it stands."""

    def collections(self, company_id: str, limit: int = 50, after: str | None = None) -> list[Collection]:
        """At most `limit`, in the order of their ids, from after the id `after`."""

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
        """The collection with these changed."""

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
        """An outcome for each photo, in order."""

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
        """An outcome for each photo, in order."""

    def person(self, company_id: str, person_id: str) -> Person:
        """The person; raises `PersonErased` where there was one."""

    def persons(self, company_id: str, collection_id: str, limit: int = 50, after: str | None = None) -> list[Person]:
        """At most `limit`, in the order of their ids, from after the id `after`."""

    def update_person(
        self,
        company_id: str,
        person_id: str,
        *,
        name: str | None = None,
        attributes: Attributes | None = None,
        state: PersonState | None = None,
    ) -> Person:
        """The person with these changed; None leaves a value."""

    def delete_person(self, company_id: str, person_id: str) -> None:
        """Erase the person."""

    def faces(self, company_id: str, person_id: str) -> list[FaceRecord]:
        """The person's faces, the oldest first."""

    def delete_face(self, company_id: str, face_id: str) -> None:
        """Delete one face."""

    def photo(self, company_id: str, person_id: str, face_id: str | None = None) -> PhotoOfPerson:
        """The photo stored with the newest face that has one, or with that face; raises `NotFound` without one."""

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
        """Whether two photos show the same person."""

    def verify(
        self,
        company_id: str,
        person_id: str,
        media_fd: int,
        *,
        purpose: str | None = None,
        caller: str | None = None,
    ) -> Verification:
        """Whether the photo shows that person."""

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
        """Who of the collection is in the photo."""

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
        """Which faces of an image or a video show one of these persons."""

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
        """Enrol many photos; run again with its id, an import goes on where it ended."""

    def export(self, company_id: str, collection_id: str, sink: BinaryIO) -> int:
        """Write a ZIP to `sink`; how many persons."""

    def reissue(self, company_id: str, collection_id: str, *, on_progress: OnStep | None = None) -> Collection:
        """The collection under a new key."""

    def reenrol(
        self, company_id: str, collection_id: str, *, model: str | None = None, on_progress: OnStep | None = None
    ) -> Reenrolment:
        """Move the collection to another model."""

    def repack(self, company_id: str, collection_id: str) -> None:
        """Rewrite packed ciphertexts without removed references."""

    def refresh_shares(self, company_id: str, collection_id: str) -> None:
        """Share all templates anew among the parties."""
