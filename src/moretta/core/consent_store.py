"""What consent asks of storage: one method, one transaction.

Belongs here: the port of one region's consents and notices, and what is handed to it. Does not belong here: SQL, ciphers,
deciding.

Each write appends its log entries in its own transaction: there is never a consent without an entry, or an entry without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from moretta.core.consent import Challenge, Consent, ConsentState, Notice, WithdrawnBy
from moretta.core.ledger import LogEntry
from moretta.core.recognition import Person


@dataclass(frozen=True, slots=True)
class NewConsent:
    """A consent, or a refusal, to be kept.

    `record` is the document of its receipt as canonical JSON: no personal data, for it outlives the person. `person` is the one
    whom a consent makes, with their wrapped data key; both None where the person is known, or where it is a refusal.
    `challenge_id`: the challenge that it answers, which can be answered once.
    """

    consent: Consent
    record: bytes = field(repr=False)
    person: Person | None = None
    wrapped_key: bytes | None = field(default=None, repr=False)
    challenge_id: str | None = None


@dataclass(frozen=True, slots=True)
class EndedConsent:
    """The end of a given consent: `state` is `WITHDRAWN` or `EXPIRED`; `record` as in `NewConsent`."""

    company_id: str
    consent_id: str
    state: ConsentState
    at: datetime
    by: WithdrawnBy
    record: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConsentEvent:
    """What became of a consent, its document, and the log entry (its leaf) that commits to it, at `log_index`."""

    consent_id: str
    event: ConsentState
    record: bytes = field(repr=False)
    entry: bytes = field(repr=False)
    log_index: int


class ConsentStore(Protocol):
    """One region's consents and notices.

    Safe for threads and processes. Unknown ids raise `NotFound`; another company's are unknown.
    """

    def add_notice(self, notice: Notice, entries: Sequence[LogEntry] = ()) -> None:
        """Keep a notice; from now on the collection shows it in its language. `NotFound`: no such collection.

        Raises:
            Conflict: not the next version of this notice, or a first one where the collection has another in this language.
        """

    def notice(self, company_id: str, notice_id: str, version: int | None = None) -> Notice:
        """That version of a notice, or the newest."""

    def notices(
        self, company_id: str, limit: int, after: str | None = None, *, collection_id: str | None = None
    ) -> list[Notice]:
        """The newest version of each notice: at most `limit`, in the order of their ids, from after the id `after`."""

    def shown(self, company_id: str, collection_id: str) -> list[Notice]:
        """What a collection shows: the newest version in each language, in the order of the languages."""

    def notice_with(self, company_id: str, collection_id: str, sha256: str) -> Notice:
        """The newest version of a notice of the collection with these exact bytes, shown still or not."""

    def add_challenge(self, challenge: Challenge) -> None:
        """Keep a challenge; used and long expired ones are forgotten on the way."""

    def challenge(self, company_id: str, challenge_id: str) -> Challenge:
        """The challenge, used or not."""

    def keep(self, new: NewConsent, entries: Sequence[LogEntry]) -> Consent:
        """Keep a consent or a refusal, the person whom it makes, and that its challenge is used. `entries`: the first commits
        to it.

        Raises:
            ChallengeUsed: the challenge was used before.
            ConsentWithdrawn: the person is about to be erased, because what they rested on ended.
            PersonErased: there was such a person.
            Conflict: the collection is being deleted, or has another purpose by now.
        """

    def consent(self, company_id: str, consent_id: str) -> Consent:
        """The consent, with its details as long as the person's data key is there."""

    def consents(
        self,
        company_id: str,
        limit: int,
        after: str | None = None,
        *,
        collection_id: str | None = None,
        person_id: str | None = None,
    ) -> list[Consent]:
        """At most `limit`, in the order of their ids, from after the id `after`."""

    def of_person(self, company_id: str, person_id: str) -> list[Consent]:
        """Every consent that names the person, the newest first; also of one who was erased."""

    def end(self, ended: EndedConsent, entries: Sequence[LogEntry]) -> Consent:
        """End a given consent. `entries`: the first commits to it.

        Where the person is there and no other valid consent to the collection's present purpose remains, their erasure is due
        from now on, and in the same transaction they are taken out of every comparison.

        Raises:
            Conflict: it is not given any more.
        """

    def run_out(self, now: datetime, limit: int) -> list[Consent]:
        """Given consents whose time is over, of every company."""

    def erasures_due(self, limit: int) -> list[Consent]:
        """Ended consents whose erasure is due, of every company."""

    def erasure_done(self, consent_id: str) -> None:
        """The person is erased. Idempotent."""

    def event(self, company_id: str, consent_id: str, event: ConsentState | None = None) -> ConsentEvent:
        """What is known of that event of a consent, or of its newest one."""
