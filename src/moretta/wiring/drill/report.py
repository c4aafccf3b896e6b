"""What a drill found.

Belongs here: the values. Does not belong here: searching, printing.
"""

from dataclasses import dataclass, field

from moretta.core.erasure import StoredCertificate
from moretta.core.errors import DrillFailed


@dataclass(frozen=True, slots=True)
class Finding:
    """A mark of the subject that stands in a store after the erasure: which store, which mark, where."""

    store: str
    mark: str
    offset: int


@dataclass(frozen=True, slots=True)
class Searched:
    """A store that was searched: how many files (or tables) and bytes."""

    store: str
    files: int
    size: int


@dataclass(frozen=True, slots=True)
class DrillReport:
    """How a drill went.

    `marks`: how many windows were looked for; `control`: how many of the `sealed` ones the same search found before the erasure,
    which shows that it looks where things are. `findings` must be empty. `kept`: ciphertext that a database server keeps in its
    own files until VACUUM FULL and the reuse of its log; it is no failure, and it is told. `rows_only`: databases of which only
    the rows were searched, since no folder held the server's files. `cleaned`: tables that were written anew before the search;
    `log_kept`: databases whose role may not have the server let its old log go.
    """

    searched: tuple[Searched, ...]
    marks: int
    sealed: int
    control: int
    findings: tuple[Finding, ...]
    kept: tuple[Finding, ...]
    certificate: StoredCertificate = field(repr=False)
    seconds: float = 0.0
    rows_only: tuple[str, ...] = ()
    cleaned: int = 0
    log_kept: tuple[str, ...] = ()

    def require_clean(self) -> None:
        """Raise `DrillFailed` where something of the subject was found, or the search found nothing before."""
        if self.findings:
            places = sorted({f"{one.mark} in {one.store}" for one in self.findings})
            raise DrillFailed(f"the erased subject's {'; '.join(places)}: this deployment does not erase what it keeps")
        if not self.control:
            raise DrillFailed(
                "the search found nothing of the subject before the erasure: it does not look where things are kept"
            )
