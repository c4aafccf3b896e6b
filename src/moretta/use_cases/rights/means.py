"""What rights work with: recognition's parts, and what erasing and certifying need beside them.

Belongs here: the parts, bundled. Does not belong here: any use of them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from moretta.core.ledger import TransparencyLog
from moretta.core.recognition import IdKind
from moretta.use_cases.recognition.means import Locks, Means, Region

# That entry `index` of a log is in it, as the JSON that `ledger.proofs.require_proof` checks.
Prove = Callable[[TransparencyLog, int], Mapping[str, object]]
# Forget answers of this process in which a person of a company may stand: how many there were.
Forget = Callable[[str, str], int]
Named = tuple[tuple[str, str], ...]
# The receipts of a consent of a company: event and JWS each.
Receipts = Callable[[str, str], Iterable[tuple[str, str]]]


def forget_nothing(_company_id: str, _person_id: str) -> int:
    """There are no answers in memory: a command answers once."""
    return 0


def no_receipts(_company_id: str, _consent_id: str) -> tuple[tuple[str, str], ...]:
    """Nobody makes receipts of consents here."""
    return ()


@dataclass(frozen=True, slots=True)
class RightsMeans:
    """Everything that rights need.

    `software` is this program's name and version or digest; `models_of` names the files behind a model id, each with its digest.
    `receipts`: what proves the events of a consent. `backup_days`: how long the operator keeps backups; None: not told.
    `master_key_days`: how many days after an erasure the master key is changed at the latest; 0: by hand, if at all.
    `forgetters`: see `Forget`; doors add theirs. `batch`: how many of a collection are erased together; one probe of each is in
    memory, and each batch costs one search of all bytes of the database.
    """

    recognition: Means
    prove: Prove
    software: Named
    models_of: Callable[[str], Named] = lambda model_id: (("model", model_id),)
    backup_days: int | None = None
    master_key_days: int = 0
    receipts: Receipts = no_receipts
    forgetters: list[Forget] = field(default_factory=list)
    locks: Locks = field(default_factory=Locks)
    batch: int = 100

    def home(self, some_id: str, kind: IdKind) -> Region:
        """The region that an id names. Raises `NotFound`."""
        return self.recognition.home(some_id, kind)

    def forget(self, company_id: str, person_id: str) -> int:
        """Forget answers in memory; how many."""
        return sum(forget(company_id, person_id) for forget in self.forgetters)
