"""Consent over a real database: the region of `recognition_rig`, subjects in software, and an erasure that deletes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from moretta.core.clock import utc_now
from moretta.core.consent import Age, Consent, Notice
from moretta.core.consent_proof import KeyProof, PaperProof, PasskeyProof
from moretta.core.errors import MorettaError
from moretta.core.policy import BUILT_IN, Policy
from moretta.core.recognition import Collection
from moretta.keys.passkeys import WebAuthnPasskeys
from moretta.keys.subjects import SubjectKeyCheck
from moretta.ledger.proofs import proof_of
from moretta.use_cases.consent.facade import Consents
from moretta.use_cases.consent.give import Agreement
from moretta.use_cases.consent.means import ConsentMeans
from moretta.use_cases.recognition import Recognition
from moretta.use_cases.recognition.means import Means
from tests import recognition_rig
from tests.consent_rig import CONTROLLER, ORIGIN, TEXT, Authenticator, Ed25519Subject, P256Subject
from tests.recognition_rig import COMPANY

SCAN = "ab" * 32


@dataclass
class DeletingErasure:
    """Erases by deleting the person; or fails as it is told to."""

    recognition: Recognition
    fails: MorettaError | None = None
    erased: list[tuple[str, str]] = field(default_factory=list)

    def erase(self, company_id: str, person_id: str, reason: str) -> None:
        if self.fails is not None:
            raise self.fails
        self.recognition.delete_person(company_id, person_id)
        self.erased.append((person_id, reason))


@dataclass
class Hands:
    """A clock that tests turn."""

    offset: timedelta = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.offset


@dataclass
class Desk:
    """Where people are asked: a collection, its notice, and all that consent needs."""

    place: recognition_rig.Place
    consents: Consents
    means: ConsentMeans
    erasure: DeletingErasure
    clock: Hands
    collection: Collection
    notice: Notice

    @property
    def log_size(self) -> int:
        return self.place.region.log.size()

    def agreement(self, proof: PaperProof | KeyProof | PasskeyProof, **wishes: object) -> Agreement:
        made = Agreement(self.collection.collection_id, self.notice.sha256, proof, age=Age.ADULT)
        return replace(made, **wishes)  # type: ignore[arg-type]

    def on_paper(self, **wishes: object) -> Consent:
        return self.consents.give(COMPANY, self.agreement(PaperProof(SCAN, "0011223344556677"), **wishes))

    def signed(self, subject: Ed25519Subject | P256Subject, person_id: str | None = None) -> Consent:
        asked = self.consents.challenge(COMPANY, self.collection.collection_id, self.notice.sha256, person_id=person_id)
        return self.consents.give(COMPANY, self.agreement(subject.proof(asked.challenge), person_id=person_id))

    def touched(self, authenticator: Authenticator, person_id: str | None = None) -> Consent:
        asked = self.consents.challenge(COMPANY, self.collection.collection_id, self.notice.sha256, person_id=person_id)
        assert asked.passkey is not None
        proof = authenticator.proof(asked.challenge, asked.passkey)
        return self.consents.give(COMPANY, self.agreement(proof, person_id=person_id))

    def untouched_by(self, act: Callable[[], object], error: type[MorettaError]) -> MorettaError:
        """The error of an act that leaves nothing: no consent, no person, no entry, no challenge used."""
        before = self._everything()
        try:
            act()
        except error as found:
            assert type(found) is error
            assert self._everything() == before
            return found
        raise AssertionError(f"expected {error.__name__}")

    def _everything(self) -> tuple[object, ...]:
        collection_id = self.collection.collection_id
        return (
            self.log_size,
            self.consents.consents(COMPANY, 50, collection_id=collection_id),
            self.place.recognition.persons(COMPANY, collection_id),
        )


def consent_means(means: Means, erasure: DeletingErasure, *, passkeys: bool = True) -> ConsentMeans:
    """With passkeys of the pages at `ORIGIN`."""
    found = WebAuthnPasskeys(ORIGIN, CONTROLLER) if passkeys else None
    return ConsentMeans(means, SubjectKeyCheck(), found, erasure, proof_of)


@contextmanager
def a_desk(
    root: Path,
    *,
    policy: Policy = BUILT_IN,
    passkeys: bool = True,
    checkpoint: Callable[[str], None] = recognition_rig.no_checkpoint,
    database: str | None = None,
) -> Iterator[Desk]:
    """A desk with a collection and its notice in English; `database`: a URL."""
    clock = Hands()
    with recognition_rig.opened(root, policy=policy, checkpoint=checkpoint, database=database) as place:
        timed = replace(place.means, clock=clock)
        recognition = Recognition(timed)
        place.recognition = recognition
        erasure = DeletingErasure(recognition)
        means = consent_means(timed, erasure, passkeys=passkeys)
        consents = Consents(means)
        collection = recognition.create_collection(COMPANY, "staff", "access")
        notice = consents.add_notice(COMPANY, collection.collection_id, language="en", controller=CONTROLLER, text=TEXT)
        yield Desk(place, consents, means, erasure, clock, collection, notice)


@contextmanager
def a_desk_at(root: Path, checkpoint: Callable[[str], None]) -> Iterator[Consents]:
    """The consents of a place that a desk was at before."""
    with recognition_rig.opened(root, policy=BUILT_IN, checkpoint=checkpoint) as place:
        yield Consents(consent_means(place.means, DeletingErasure(place.recognition)))
