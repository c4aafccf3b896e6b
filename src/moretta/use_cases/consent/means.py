"""What consent works with, and the port through which the end of a consent erases what rested on it.

Belongs here: the parts, bundled. Does not belong here: any use of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from moretta.core.consent_proof import Passkeys, SubjectKeys
from moretta.core.ledger import TransparencyLog
from moretta.core.recognition import IdKind
from moretta.use_cases.recognition.means import Means, Region

# Shows that an entry of a log is in it, as one JSON object (see `ledger.proofs`).
LogProof = Callable[[TransparencyLog, int], Mapping[str, object]]


class Erasure(Protocol):
    """Erases everything about a person, wherever it is."""

    def erase(self, company_id: str, person_id: str, reason: str) -> object:
        """Erase a person; when it returns, nothing of them can be read again. Idempotent but for `PersonErased`.

        Raises:
            PersonErased: it was done before.
        """


@dataclass(frozen=True, slots=True)
class ConsentMeans:
    """Everything that consent needs.

    `passkeys` is None where the settings name no origin of pages for subjects.
    """

    recognition: Means
    keys: SubjectKeys
    passkeys: Passkeys | None
    erasure: Erasure
    log_proof: LogProof

    def home(self, some_id: str, kind: IdKind) -> Region:
        """The region that an id names. Raises `NotFound`."""
        return self.recognition.home(some_id, kind)
