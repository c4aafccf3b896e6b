"""The SDK of recognition: collections of people on this machine, as typed values.

Belongs here: what a Python caller sees, and counting what was processed. Does not belong here: any step of recognition.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Self

from moretta.core.acting import act_as, acting, local_user
from moretta.core.errors import (
    NOT_PROCESSED,
    FaceNotFound,
    MediaError,
    MorettaError,
    ProbeRejected,
    QualityTooLow,
    SeveralFaces,
    TimeLimitExceeded,
    WorkerLost,
)
from moretta.core.paging import every
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection, Enrolled, FailureToEnrol, Person, StoreWish, Thresholds
from moretta.core.redaction import RedactionExecutor
from moretta.sdk import Source, media_held
from moretta.settings import Settings
from moretta.use_cases.consent.facade import Consents
from moretta.use_cases.recognition import (
    Comparison,
    ImportItem,
    ImportProgress,
    ImportReport,
    Recognition,
    Search,
    Verification,
)
from moretta.use_cases.recognition.results import OnStep
from moretta.use_cases.review.facade import Approvals, Reviews
from moretta.use_cases.rights import Rights
from moretta.use_cases.rights.collection import CollectionErased
from moretta.use_cases.rights.erase import Erased

_PAGE = 100
# Errors about a photo that a worker has read; all others come before, or are no fault of it.
_PROCESSED = (
    MediaError,
    FaceNotFound,
    SeveralFaces,
    QualityTooLow,
    ProbeRejected,
    TimeLimitExceeded,
    WorkerLost,
)


@dataclass(frozen=True, slots=True)
class _Parts:
    recognition: Recognition
    rights: Rights
    consents: Consents
    reviews: Reviews
    approvals: Approvals
    company_id: str
    record: Callable[..., object]
    redactions: RedactionExecutor


class Recogniser:
    """Enrols, finds and erases people of this deployment's own collections, with one confined worker process.

    Use it as a context manager, or call `close()`. It works beside a running service on the same data folder.

        with Recogniser() as people:
            staff = people.create_collection("staff", purpose="door")
            people.enrol(staff, ["anna-1.jpg", "anna-2.jpg"], name="Anna")
            for face in people.search(staff, "lobby.jpg").faces:
                print([candidate.person_id for candidate in face.candidates])

    The log names the user whose process it is; a program that acts for others says so: `with moretta.core.acting.acting_as(id)`.

    Args:
        settings: instead of those of the environment.
        workers: how many photos are read at a time by several threads of the caller.
        door: the word before the colon in usage records.
    """

    def __init__(self, settings: Settings | None = None, *, workers: int = 1, door: str = "sdk") -> None:
        self._settings = settings or Settings()
        self._workers, self._door = workers, door
        self._stack = ExitStack()
        self._acts = False
        self._opened: _Parts | None = None

    @property
    def recognition(self) -> Recognition:
        """All that recognition can do, beyond the methods here; pass `company_id` first. What it processes is not counted."""
        return self._parts().recognition

    @property
    def consents(self) -> Consents:
        """Notices and consents: without a policy file, nobody is enrolled who did not consent. Pass `company_id` first."""
        return self._parts().consents

    @property
    def reviews(self) -> Reviews:
        """Matches that people must confirm, under purposes that ask for it. Pass `company_id` first."""
        return self._parts().reviews

    @property
    def approvals(self) -> Approvals:
        """Who approved which use. Pass `company_id` first."""
        return self._parts().approvals

    @property
    def settings(self) -> Settings:
        """The settings it works with."""
        return self._settings

    @property
    def redactions(self) -> RedactionExecutor:
        """What hides faces in this recogniser's own worker process; `Redactor(recogniser=...)` does so."""
        return self._parts().redactions

    @property
    def company_id(self) -> str:
        """The deployment's own company."""
        return self._parts().company_id

    def create_collection(
        self,
        name: str,
        purpose: str,
        *,
        scheme: Scheme | str = Scheme.HE,
        region: str | None = None,
        replicas: Iterable[str] = (),
        retention_days: int | None = None,
        model: str | None = None,
        min_quality: float | None = None,
        bands: bool = False,
        thresholds: Thresholds | None = None,
    ) -> Collection:
        """A new collection; see `Recognition.create_collection`."""
        return self.recognition.create_collection(
            self.company_id,
            name,
            purpose,
            scheme=Scheme(scheme),
            region=region,
            replicas=replicas,
            retention_days=retention_days,
            model=model,
            min_quality=min_quality,
            bands=bands,
            thresholds=thresholds,
        )

    def collection(self, collection_id: str) -> Collection:
        """The collection of that id. Raises `NotFound`."""
        return self.recognition.collection(self.company_id, collection_id)

    def collections(self) -> Iterator[Collection]:
        """All collections, in the order of their ids."""
        yield from every(partial(self.recognition.collections, self.company_id, _PAGE), attrgetter("collection_id"))

    def persons(self, collection: Collection | str) -> Iterator[Person]:
        """Everybody in a collection, in the order of their ids."""
        page = partial(self.recognition.persons, self.company_id, _id(collection), _PAGE)
        yield from every(page, attrgetter("person_id"))

    def enrol(
        self,
        collection: Collection | str,
        photos: Sequence[Source],
        *,
        name: str = "",
        attributes: Sequence[tuple[str, str]] = (),
        person_id: str | None = None,
        store: StoreWish | str = StoreWish.TEMPLATE,
        purpose: str | None = None,
        refuse_duplicates: bool = False,
        consent_id: str | None = None,
    ) -> list[Enrolled | FailureToEnrol]:
        """Enrol photos of one person, new or known: an outcome for each photo, in order.

        Args:
            photos: paths, bytes, or open binary files of still pictures that show exactly one face.
            consent_id: the consent on which it rests, which says who the person is.

        Raises:
            PolicyProhibited, ConsentError: the policy does not allow it, or not without a consent.
            MediaError, NotFound: a photo is at fault; none was enrolled.
            RequestInvalid, PurposeMismatch, ModelMismatch, Conflict: see `Recognition.enrol`.
        """
        with self._media(photos) as fds, self._counted("enrol", len(photos)):
            return self.recognition.enrol(
                self.company_id,
                _id(collection),
                fds,
                name=name,
                attributes=attributes,
                person_id=person_id,
                store=StoreWish(store),
                purpose=purpose,
                refuse_duplicates=refuse_duplicates,
                consent_id=consent_id,
            )

    def search(
        self, collection: Collection | str, photo: Source, *, limit: int = 10, purpose: str | None = None
    ) -> Search:
        """Who of the collection is in the photo, face by face; see `Recognition.search`."""
        with self._media([photo]) as (fd,), self._counted("search"):
            return self.recognition.search(self.company_id, _id(collection), fd, limit=limit, purpose=purpose)

    def verify(self, person: Person | str, photo: Source, *, purpose: str | None = None) -> Verification:
        """Whether the photo shows that person; see `Recognition.verify`."""
        with self._media([photo]) as (fd,), self._counted("verify"):
            return self.recognition.verify(self.company_id, _person_id(person), fd, purpose=purpose)

    def compare(
        self,
        first: Source,
        second: Source,
        *,
        model: str | None = None,
        fmr: float | None = None,
        purpose: str | None = None,
    ) -> Comparison:
        """Whether two photos show the same person; nothing is kept. See `Recognition.compare`."""
        with self._media([first, second]) as (one, other), self._counted("compare", 2):
            return self.recognition.compare(self.company_id, one, other, model=model, fmr=fmr, purpose=purpose)

    def import_photos(
        self,
        collection: Collection | str,
        items: Iterable[ImportItem],
        *,
        import_id: str | None = None,
        store: StoreWish | str = StoreWish.TEMPLATE,
        on_progress: Callable[[ImportProgress], None] | None = None,
        source: str = "",
    ) -> ImportReport:
        """Enrol many photos; run again with the report's `import_id`, it goes on where it ended.

        `source` says from where the photos are; needed of each that names neither its own nor a consent.
        """
        told = ImportProgress(0, 0, 0, 0)

        def progress(now: ImportProgress) -> None:
            nonlocal told
            worked = now.enrolled + now.failed - told.enrolled - told.failed
            told = now
            if worked:
                self._count("import", 0, worked)
            if on_progress is not None:
                on_progress(now)

        return self.recognition.import_items(
            self.company_id,
            _id(collection),
            import_id,
            items,
            store=StoreWish(store),
            on_progress=progress,
            source=source,
        )

    def delete_person(self, person: Person | str) -> Erased:
        """Erase a person from every store; the certificate, and which nodes have not acknowledged it yet. See `Rights.erase`."""
        return self._parts().rights.erase(self.company_id, _person_id(person))

    def delete_collection(self, collection: Collection | str, *, on_progress: OnStep | None = None) -> CollectionErased:
        """Erase everybody of a collection, each with a certificate, then the collection; see `Rights.delete_collection`."""
        return self._parts().rights.delete_collection(self.company_id, _id(collection), on_progress=on_progress)

    def close(self) -> None:
        """End the worker and close the stores. Idempotent."""
        self._opened = None
        self._stack.close()
        if self._acts and acting() == local_user():
            act_as("")
        self._acts = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _parts(self) -> _Parts:
        if not acting():
            act_as(local_user())  # the log names who did it; a program that acts for somebody else says so before
            self._acts = True
        if self._opened is None:
            from moretta.wiring.consent import consents_of
            from moretta.wiring.executor import start_executor
            from moretta.wiring.recognition import opened_means
            from moretta.wiring.rights import rights_as_set
            from moretta.wiring.service import opened

            with ExitStack() as stack:
                deployment = stack.enter_context(opened(self._settings))
                executor = start_executor(self._settings, workers=self._workers)
                stack.callback(executor.close)
                means = stack.enter_context(opened_means(self._settings, deployment.engine, executor.faces))
                rights = rights_as_set(means, self._settings)
                self._opened = _Parts(
                    Recognition(means),
                    rights,
                    consents_of(means, self._settings, rights),
                    Reviews(means),
                    Approvals(means),
                    deployment.company_id,
                    deployment.meter.record,
                    executor,
                )
                self._stack = stack.pop_all()
        return self._opened

    @contextmanager
    def _media(self, photos: Sequence[Source]) -> Iterator[list[int]]:
        with ExitStack() as stack:
            yield [stack.enter_context(media_held(photo, self._settings.limits)) for photo in photos]

    @contextmanager
    def _counted(self, what: str, items: int = 1) -> Iterator[None]:
        """Count what was processed: durable before a result is returned, failures about the photo included."""
        try:
            yield
        except NOT_PROCESSED:
            raise
        except MorettaError as error:
            if isinstance(error, _PROCESSED):
                self._count(what, error.exit_code, items)
            raise
        self._count(what, 0, items)

    def _count(self, what: str, exit_status: int, items: int) -> None:
        parts = self._parts()
        parts.record(f"{self._door}:{what}", exit_status, parts.company_id, items)


def _id(collection: Collection | str) -> str:
    return collection if isinstance(collection, str) else collection.collection_id


def _person_id(person: Person | str) -> str:
    return person if isinstance(person, str) else person.person_id
