"""How long people and photos are kept, and holds that keep them longer: values, the pure deadlines, and the port that keeps both.

Belongs here: rules, deadlines, holds, what a sweep did. Does not belong here: erasing (see `use_cases.retention`), SQL.

Sources: GDPR Art. 5(1)(e); 740 ILCS 14/15(a) (BIPA): destroyed when the purpose is satisfied, or within three years of the
person's last interaction, whichever is first. A hold rests on GDPR Art. 17(3)(e) and 18(1)(c): kept for legal claims, and not
compared.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from moretta.core.errors import RequestInvalid
from moretta.core.ledger import LogEntry
from moretta.core.recognition import PersonState

# 740 ILCS 14/15(a): three years. In days, so that no deadline is later than the law's: three years have at least 1095 days.
BIPA_DAYS = 1095
MAX_WORDS = 200
MAX_REASON = 1000
RETENTION_REPORT_TYPE = "moretta.retention-report.v1"


class CountsFrom(StrEnum):
    """From when a person's retention counts: the last enrolment, or the last interaction (enrolled, verified or matched)."""

    ENROLMENT = "enrolment"
    LAST_INTERACTION = "last_interaction"


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """What an operator set for a collection beside `Collection.retention_days`.

    `photo_days`: photos go after so many days, templates stay; None: with their person. `purpose_ends`: when the purpose is
    satisfied everybody goes. `bipa`: whether nobody stays over three years after the last interaction; on unless switched off.
    """

    collection_id: str
    counts_from: CountsFrom = CountsFrom.LAST_INTERACTION
    photo_days: int | None = None
    purpose_ends: datetime | None = None
    bipa: bool = True

    def __post_init__(self) -> None:
        if self.photo_days is not None and not 0 < self.photo_days <= 36500:
            raise RequestInvalid("expected photos to be kept for 1 to 36500 days, or as long as their person")


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Who and what is over its time: whoever was enrolled last at or before `enrolled`, whose last interaction was at or before
    `interacted`; photos stored at or before `photos`; `everybody` where the purpose has ended. None: no such limit."""

    enrolled: datetime | None = None
    interacted: datetime | None = None
    photos: datetime | None = None
    everybody: bool = False

    @property
    def limits_persons(self) -> bool:
        """Whether any person can be over their time."""
        return self.everybody or self.enrolled is not None or self.interacted is not None


def kept_days(own: int | None, policy: int | None) -> int | None:
    """The shorter of a collection's retention and its policy's maximum; None where neither limits."""
    given = [days for days in (own, policy) if days is not None]
    return min(given) if given else None


def deadlines(rule: RetentionRule, days: int | None, now: datetime) -> Deadlines:
    """What is over its time at `now`. `days`: see `kept_days`."""
    enrolled = interacted = None
    if days is not None and rule.counts_from is CountsFrom.ENROLMENT:
        enrolled = now - timedelta(days=days)
    elif days is not None:
        interacted = now - timedelta(days=days)
    if rule.bipa:
        by_law = now - timedelta(days=BIPA_DAYS)
        interacted = by_law if interacted is None else max(interacted, by_law)
    photos = None if rule.photo_days is None else now - timedelta(days=rule.photo_days)
    ended = rule.purpose_ends is not None and rule.purpose_ends <= now
    return Deadlines(enrolled, interacted, photos, ended)


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold on one person: nothing of them is erased, and they are not compared, until it is released.

    `reason`, `placed_by` and `release_reason` are the operator's own words, sealed under the person's data key and empty once
    that is destroyed; the log has a digest of them alone. `until`: when it is to be looked at again; a hold whose date has passed
    still holds until somebody releases it, and is told as overdue. `before`: the person's state; releasing leaves them
    restricted, since they may have asked for it meanwhile, and whoever lifts that does so in a step of its own.

    Raises:
        RequestInvalid: it ends before it begins.
    """

    hold_id: str
    company_id: str
    person_id: str
    collection_id: str
    reason: str = field(repr=False)
    placed_by: str = field(repr=False)
    recorded_by: str
    placed_at: datetime
    until: datetime
    before: PersonState = PersonState.ACTIVE
    released_at: datetime | None = None
    released_by: str = ""
    release_reason: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if self.until <= self.placed_at:
            raise RequestInvalid("expected an end of the hold in the future")

    @property
    def holds(self) -> bool:
        """Whether it was not released yet."""
        return self.released_at is None

    def is_overdue(self, now: datetime) -> bool:
        """Whether it holds though its date has passed: somebody must release it or place another."""
        return self.holds and self.until <= now


@dataclass(frozen=True, slots=True)
class OverdueFace:
    """A stored photo that is over its time: whose, and of which face."""

    face_id: str
    person_id: str
    photo_id: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CollectionSwept:
    """What a sweep did, or would do, in one collection: counts, and the holds that kept somebody from being erased.

    `failed`: persons whose erasure could not be done now, by code; the next sweep tries again.
    """

    collection_id: str
    company_id: str
    due: int = 0
    erased: int = 0
    photos: int = 0
    held: tuple[Hold, ...] = ()
    failed: tuple[tuple[str, int], ...] = ()
    certificates: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was to be done."""
        return not (self.due or self.photos)

    def and_also(self, other: "CollectionSwept") -> "CollectionSwept":
        """Both parts of one collection's sweep together."""
        failed = Counter(dict(self.failed)) + Counter(dict(other.failed))
        return replace(
            self,
            due=self.due + other.due,
            erased=self.erased + other.erased,
            photos=self.photos + other.photos,
            held=self.held + other.held,
            failed=tuple(sorted(failed.items())),
            certificates=self.certificates + other.certificates,
        )


@dataclass(frozen=True, slots=True)
class RetentionRun:
    """A sweep that destroyed something, or met a hold: its signed report (JSON), which names no person."""

    run_id: str
    company_id: str
    ended_at: datetime
    document: bytes = field(repr=False)


class RetentionStore(Protocol):
    """One region's rules, holds and reports. Safe for threads and processes. Another company's are unknown: `NotFound`."""

    def rule(self, collection_id: str) -> RetentionRule:
        """The collection's rule; the safe default where none was set."""

    def set_rule(self, company_id: str, rule: RetentionRule, entries: Sequence[LogEntry] = ()) -> None:
        """Keep a rule."""

    def overdue_persons(self, collection_id: str, limits: Deadlines, limit: int, after: str | None = None) -> list[str]:
        """Ids of persons over their time, held ones too: at most `limit`, in their order, from after the id `after`."""

    def overdue_photos(self, collection_id: str, limits: Deadlines, limit: int) -> list[OverdueFace]:
        """Photos over their time, of persons who are not held, the oldest first."""

    def drop_photos(self, collection_id: str, photo_ids: Sequence[str], entries: Sequence[LogEntry] = ()) -> int:
        """Take photos off their faces, so that they become `Unfinished`; how many there were. Held ones stay."""

    def place(self, hold: Hold, entries: Sequence[LogEntry] = ()) -> Hold:
        """Keep a hold, and take the person out of every comparison in the same transaction; it tells the state before.

        Raises:
            PersonErased, NotFound: there is no such person, or everybody of the collection is being erased.
            Conflict: the person is held already.
        """

    def release(self, released: Hold, entries: Sequence[LogEntry] = ()) -> Hold:
        """Release a hold; the person stays restricted. Raises `Conflict`: it was released before."""

    def hold(self, company_id: str, hold_id: str) -> Hold:
        """The hold as it stands."""

    def holds(self, company_id: str, limit: int, after: str | None = None, *, active: bool = False) -> list[Hold]:
        """At most `limit`, in the order of their ids, from after the id `after`; `active`: only those that hold."""

    def hold_on(self, person_id: str) -> Hold | None:
        """The hold on a person that holds now."""

    def keep_run(self, run: RetentionRun, entries: Sequence[LogEntry] = ()) -> None:
        """Keep the report of a sweep."""

    def runs(self, company_id: str, limit: int, after: str | None = None) -> list[RetentionRun]:
        """At most `limit`, in the order of their ids, from after the id `after`."""


def require_words(text: str, what: str, most: int) -> str:
    """`text`, or raises `RequestInvalid` where it is empty or too long."""
    if not 1 <= len(text.strip()) <= most:
        raise RequestInvalid(f"expected {what} in 1 to {most} characters")
    return text
