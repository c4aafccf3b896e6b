"""Redacted media on its way out: made by a worker, kept in sealed memory until it is fetched and forgotten.

Belongs here: the shelf of outputs, and the one path from a sealed upload to a counted output. Does not belong here: addresses.
"""

import os
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from moretta.api.memfd import MemoryBudget, Upload
from moretta.api.redaction_results import REDACTIONS, RedactionResult
from moretta.api.work import Desk, failures_counted
from moretta.core.clock import Clock
from moretta.core.errors import NotFound, RateLimited
from moretta.core.keys import ApiKeyInfo
from moretta.core.ports import OnProgress
from moretta.core.redaction import Redaction, RedactionExecutor, RedactionRequest
from moretta.sdk_redaction import leak_of, redact_but
from moretta.use_cases.recognition.results import RecognisedTracks
from moretta.use_cases.redaction.persons import ChosenPersons

# Outputs of one company that wait to be fetched.
KEPT_PER_COMPANY = 100
_COPY_BYTES = 1 << 18
# By the container's name that readers show.
_MEDIA_TYPES = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "mkv": "video/x-matroska",
    "avi": "video/x-msvideo",
    "mpegts": "video/mp2t",
}


@dataclass(frozen=True, slots=True)
class _Kept:
    company_id: str
    fd: int
    result: RedactionResult
    expires_at: datetime
    persons: frozenset[str]


class RedactionShelf:
    """Outputs in memory, each seen by its own company only. Safe to use from any thread.

    Args:
        budget: in which they count beside uploads.
        clock: tells the time.
        ttl_s: how long an output is kept.
    """

    def __init__(self, budget: MemoryBudget, clock: Clock, ttl_s: float) -> None:
        self._budget, self._clock, self._ttl = budget, clock, timedelta(seconds=ttl_s)
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def put(
        self, company_id: str, redaction: Redaction, fd: int, persons: frozenset[str] = frozenset()
    ) -> RedactionResult:
        """Keep the sealed output in `fd`, which is the shelf's from now on, whatever happens; `persons` may be seen in it.

        Raises:
            Overloaded, RateLimited: no memory left for it, or too many wait to be fetched.
        """
        self.sweep()
        with self._lock:
            try:
                if sum(kept.company_id == company_id for kept in self._kept.values()) >= KEPT_PER_COMPANY:
                    raise RateLimited(
                        f"At most {KEPT_PER_COMPANY} redactions are kept; fetch and delete some.", retry_after_s=5.0
                    )
                self._budget.hold(fd, redaction.bytes)
            except BaseException:
                os.close(fd)
                raise
            redaction_id = f"red_{secrets.token_hex(12)}"
            expires_at = self._clock() + self._ttl
            media = f"{REDACTIONS}/{redaction_id}/media"
            result = RedactionResult(redaction_id, media, media_type(redaction.container), expires_at, redaction)
            self._kept[redaction_id] = _Kept(company_id, fd, result, expires_at, persons)
            return result

    def get(self, company_id: str, redaction_id: str) -> RedactionResult:
        """What was done. Raises `NotFound` where the company has no such redaction, or it was forgotten."""
        self.sweep()
        with self._lock:
            return self._one(company_id, redaction_id).result

    def media(self, company_id: str, redaction_id: str) -> Iterator[bytes]:
        """The output in pieces; it may be forgotten meanwhile. Raises `NotFound` at once."""
        self.sweep()
        with self._lock:
            fd = os.dup(self._one(company_id, redaction_id).fd)
        return _pieces(fd)

    def delete(self, company_id: str, redaction_id: str) -> None:
        """Forget it. Raises `NotFound`."""
        with self._lock:
            self._one(company_id, redaction_id)
            self._drop(redaction_id)

    def forget(self, company_id: str, person_id: str) -> int:
        """Forget every output that was made for the person to be seen in; how many."""
        with self._lock:
            showing = [
                each for each, kept in self._kept.items() if kept.company_id == company_id and person_id in kept.persons
            ]
            for redaction_id in showing:
                self._drop(redaction_id)
            return len(showing)

    def sweep(self) -> None:
        """Forget what is over its time."""
        with self._lock:
            now = self._clock()
            for redaction_id in [each for each, kept in self._kept.items() if now >= kept.expires_at]:
                self._drop(redaction_id)

    def close(self) -> None:
        """Forget everything. Idempotent."""
        with self._lock:
            for redaction_id in list(self._kept):
                self._drop(redaction_id)

    def _one(self, company_id: str, redaction_id: str) -> _Kept:
        kept = self._kept.get(redaction_id)
        if kept is None or kept.company_id != company_id:
            raise NotFound(
                "No such redaction: it never was, was deleted, or its time is over; they live in memory only."
            )
        return kept

    def _drop(self, redaction_id: str) -> None:
        kept = self._kept.pop(redaction_id)
        self._budget.free(kept.fd)
        os.close(kept.fd)


@dataclass(frozen=True, slots=True)
class RedactionDesk:
    """What the addresses of redactions share."""

    desk: Desk
    executor: RedactionExecutor
    shelf: RedactionShelf

    def process(
        self,
        upload: Upload,
        request: RedactionRequest,
        persons: ChosenPersons | None,
        strict: bool,
        key: ApiKeyInfo,
        on_progress: OnProgress,
    ) -> RedactionResult:
        """The redaction of `upload`, counted durably, whatever came of it; the output is on the shelf. Blocks.

        `persons` chooses by who people are, in place of the request's tracks.

        Raises:
            LeakFound: `strict`, and the check found a face; nothing is kept.
            MorettaError: as `RedactionExecutor.redact` and `Recognition.recognise_tracks`; or the record could not be kept, and
                then there is no output either.
        """

        def count(status: int) -> None:
            self.desk.services.meter.record(REDACTIONS, status, key.company_id, 1, key.key_id)

        def recognise(
            ids: tuple[str, ...], media_fd: int, executor: RedactionExecutor, tell: OnProgress | None
        ) -> RecognisedTracks:
            return self.desk.services.people.recognise_tracks(
                key.company_id, ids, media_fd, executor, caller=key.key_id, on_progress=tell
            )

        with failures_counted(count):
            redaction, fd = redact_but(self.executor, upload.fd, request, persons, recognise, on_progress)
        leak = leak_of(redaction) if strict else None
        try:
            count(200 if leak is None else leak.status)
        except BaseException:
            os.close(fd)
            raise
        if leak is not None or request.follow_only:
            os.close(fd)
            if leak is not None:
                raise leak
            return RedactionResult(None, None, None, None, redaction)
        return self.shelf.put(key.company_id, redaction, fd, frozenset(() if persons is None else persons.ids))


def media_type(container: str) -> str:
    """The media type of a container by its name."""
    return _MEDIA_TYPES.get(container, f"image/{container}")


def _pieces(fd: int) -> Iterator[bytes]:
    try:
        at = 0
        while piece := os.pread(fd, _COPY_BYTES, at):
            at += len(piece)
            yield piece
    finally:
        os.close(fd)
