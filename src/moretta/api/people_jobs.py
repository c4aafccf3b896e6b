"""What jobs over a collection come to, and their progress in the words of jobs.

Belongs here: the results of imports and renewals as they are shown. Does not belong here: importing, renewing.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from moretta.api.people_schemas import Renewal
from moretta.core.analysis import Notice, Progress
from moretta.core.ports import OnProgress
from moretta.use_cases.recognition.results import ImportProgress, ImportReport, StepProgress
from moretta.use_cases.rights.collection import CollectionErased


@dataclass(frozen=True, slots=True)
class NotImported:
    """A photo that was not enrolled: its place in what was sent, counted from 0, a stable code, and why."""

    index: int
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What came of an import. `skipped`: done by an earlier run of the same import."""

    import_id: str
    collection_id: str
    enrolled: int
    skipped: int
    persons: int
    duplicates: int
    failures: tuple[NotImported, ...]
    warnings: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class RenewalResult:
    """What was made anew. The persons of `needing_photo` have no face of the new model until a photo is enrolled."""

    renewed: Renewal
    collection_id: str
    key_id: str
    model_id: str
    needing_photo: tuple[str, ...] = ()
    warnings: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class DeletionResult:
    """Who was erased with a collection: how many persons, and each one's certificate (`GET /v1/receipts/{id}`).

    `waiting` names nodes that have not acknowledged yet; those certificates are made anew once they have.
    """

    collection_id: str
    persons: int
    certificates: tuple[str, ...]
    waiting: tuple[str, ...]
    warnings: tuple[Notice, ...] = ()


def deletion_result(done: CollectionErased) -> DeletionResult:
    """`done` as it is shown, with a warning where something is still to come."""
    warnings = (
        (
            Notice(
                "erasure.waiting", "A node has not acknowledged yet; the certificates name it, and are made anew then."
            ),
        )
        if done.waiting
        else ()
    )
    return DeletionResult(done.collection_id, done.persons, done.certificates, done.waiting, warnings)


def import_result(report: ImportReport, collection_id: str, index_of: Callable[[str], int]) -> ImportResult:
    """`report` with places instead of keys, which are the caller's own words."""
    failures = tuple(NotImported(index_of(one.key), one.code, one.detail) for one in report.failures)
    warnings = (
        (Notice("import.incomplete", f"{len(failures)} photos were not enrolled; failures says which and why."),)
        if failures
        else ()
    )
    return ImportResult(
        report.import_id,
        collection_id,
        report.enrolled,
        report.skipped,
        report.persons,
        report.duplicates,
        failures,
        warnings,
    )


class Pace:
    """Turns counts into a job's progress. The frames of an import are its photos; of a renewal, its steps."""

    def __init__(self, tell: OnProgress, now_s: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._now_s = now_s
        self._began = now_s()

    def imported(self, progress: ImportProgress, total: int) -> None:
        """Tell how far an import of `total` photos is."""
        self._progressed("import", progress.done, total, progress.enrolled)

    def stepped(self, progress: StepProgress) -> None:
        """Tell how far a renewal is."""
        self._progressed(progress.stage, progress.done, progress.total, 0)

    def _progressed(self, stage: str, done: int, total: int, faces: int) -> None:
        rate = done / max(self._now_s() - self._began, 1e-3)
        eta = (total - done) / rate if rate else None
        self._tell(Progress(stage, done, total, rate, eta, faces))
