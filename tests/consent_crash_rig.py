"""A process that dies in the middle of a change of consents: what it was doing, and the child that does it.

Every id and random number is made before, so that a run that ends well and one that dies can be compared row by row.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.consent import Challenge, Consent, ConsentState, Notice, WithdrawnBy
from moretta.core.consent_receipts import last_record
from moretta.core.consent_store import EndedConsent, NewConsent
from moretta.core.ledger import LogEntry
from moretta.core.recognition import Collection
from moretta.keys.envelope import Envelope
from moretta.keys.file import FileKeyService
from moretta.storage.consents.store import SqlConsentStore
from moretta.storage.database import open_database
from moretta.storage.recognition.store import SqlRecognitionStore
from tests.consent_rig import a_challenge, a_consent, a_notice, to_keep, told
from tests.storage_rig import COMPANY, NOW, a_person, created, some_faces

LATER = NOW + timedelta(days=1)


@dataclass(frozen=True)
class Scene:
    """What there is before, and what is to be."""

    collection: Collection
    given: Consent
    answered: Challenge
    asked: Challenge
    newer: Notice
    new: NewConsent
    new_entries: tuple[LogEntry, ...]
    ended: EndedConsent
    end_entries: tuple[LogEntry, ...]
    leaving: Consent


class Side:
    """One process's view."""

    def __init__(self, where: Path | str, folder: Path, checkpoint: Checkpoint = no_checkpoint) -> None:
        self.engine: Engine = open_database(where)
        self.cipher = Envelope(FileKeyService(folder / "master"))
        self.people = SqlRecognitionStore(self.engine, self.cipher, clock=lambda: NOW)
        self.consents = SqlConsentStore(self.engine, self.cipher, checkpoint)

    def close(self) -> None:
        self.people.close()
        self.engine.dispose()


def set_up(where: Path | str, folder: Path) -> Scene:
    """Somebody who consented and was enrolled, a challenge that is open, and a notice."""
    side = Side(where, folder)
    collection = created(side.people)
    notice = a_notice(collection)
    side.consents.add_notice(notice)
    person = a_person(collection)
    given = a_consent(collection, notice, person.person_id)
    first = to_keep(side.cipher, collection, notice, given, person)
    side.consents.keep(first, told(first))
    side.people.enrol(collection, person, some_faces(1))
    answered, asked = a_challenge(notice), a_challenge(notice)
    side.consents.add_challenge(answered)
    leaving = _withdrawn(side, collection, notice)
    somebody = a_person(collection, "Otto")
    consent = a_consent(collection, notice, somebody.person_id)
    new = to_keep(side.cipher, collection, notice, consent, somebody, answered.challenge_id)
    record = last_record(first.record, ConsentState.WITHDRAWN, LATER, WithdrawnBy.SUBJECT)
    ended = EndedConsent(COMPANY, given.consent_id, ConsentState.WITHDRAWN, LATER, WithdrawnBy.SUBJECT, record)
    scene = Scene(
        collection,
        given,
        answered,
        asked,
        replace(notice, version=2, text="changed\n"),
        new,
        tuple(told(new)),
        ended,
        tuple(told(new)),
        leaving,
    )
    side.close()
    return scene


def _withdrawn(side: Side, collection: Collection, notice: Notice) -> Consent:
    """Another's consent that was withdrawn and whose erasure is due still."""
    person = a_person(collection, "Nina")
    consent = a_consent(collection, notice, person.person_id)
    kept = to_keep(side.cipher, collection, notice, consent, person)
    side.consents.keep(kept, told(kept))
    side.people.enrol(collection, person, some_faces(1))
    record = last_record(kept.record, ConsentState.WITHDRAWN, LATER, WithdrawnBy.SUBJECT)
    ended = EndedConsent(COMPANY, consent.consent_id, ConsentState.WITHDRAWN, LATER, WithdrawnBy.SUBJECT, record)
    return side.consents.end(ended, told(kept))


Operation = Callable[[Side, Scene], object]

# By the name of the write.
OPERATIONS: dict[str, Operation] = {
    "add-notice": lambda side, scene: side.consents.add_notice(scene.newer, scene.end_entries),
    "add-challenge": lambda side, scene: side.consents.add_challenge(scene.asked),
    "keep-consent": lambda side, scene: side.consents.keep(scene.new, scene.new_entries),
    "end-consent": lambda side, scene: side.consents.end(scene.ended, scene.end_entries),
    "erasure-done": lambda side, scene: side.consents.erasure_done(scene.leaving.consent_id),
}


def operate(where: Path | str, folder: Path, scene: Scene, operation: str, checkpoint: Checkpoint) -> None:
    """Do it, in this process."""
    side = Side(where, folder, checkpoint)
    OPERATIONS[operation](side, scene)
    side.close()


def operate_and_die(where: Path | str, folder: Path, scene: Scene, operation: str, step: str) -> None:
    """A child's whole life: it is killed when it comes to `step`."""
    seen: Counter[str] = Counter()

    def checkpoint(reached: str) -> None:
        seen[reached] += 1
        if reached == step:
            os.kill(os.getpid(), signal.SIGKILL)

    operate(where, folder, scene, operation, checkpoint)


def withdraw_and_die(root: Path, consent_id: str, step: str) -> None:
    """Another child's: it dies at a step of withdrawing, with the erasure still to come or just done."""
    from tests.consents_place import a_desk_at

    def checkpoint(reached: str) -> None:
        if reached == step:
            os.kill(os.getpid(), signal.SIGKILL)

    with a_desk_at(root, checkpoint) as consents:
        consents.withdraw(COMPANY, consent_id)
