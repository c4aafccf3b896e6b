"""A place with a policy of its own, a collection and its notice, a clock that tests turn, and all of governance over it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from moretta.core.checkpoints import no_checkpoint
from moretta.core.consent import Notice
from moretta.core.policy import Context, Controller, Policy
from moretta.core.recognition import Collection
from moretta.settings import Settings
from moretta.use_cases.consent.facade import Consents
from moretta.use_cases.incidents import Incidents
from moretta.use_cases.recognition import Recognition
from moretta.use_cases.recognition.means import Means
from moretta.use_cases.retention import Erase, Retention, RetentionMeans
from moretta.wiring.governance import GovernanceDocuments
from tests import recognition_rig
from tests.consent_rig import CONTROLLER, TEXT
from tests.consents_place import DeletingErasure, Hands, consent_means
from tests.policies import OPEN
from tests.recognition_rig import COMPANY

ORIGIN = "https://privacy.example.org"
ACCESS = replace(
    OPEN.purposes[0], name="access", contexts=frozenset({Context.ACCESS_CONTROL}), retention_days=90, review=1
)
POLICY = Policy(
    Controller("Example Ltd, 1 Canal Street", "privacy@example.org", "dpo@example.org"), (ACCESS,), "2026-1"
)


@dataclass
class Office:
    """Where governance is done."""

    place: recognition_rig.Place
    means: Means
    clock: Hands
    collection: Collection
    notice: Notice
    retention: Retention
    incidents: Incidents
    documents: GovernanceDocuments

    @property
    def collection_id(self) -> str:
        return self.collection.collection_id

    def entries(self) -> list[Mapping[str, object]]:
        """Everything that the log tells."""
        return [one.entry.fields() for one in self.place.region.log.entries(0, 1000)]


@contextmanager
def an_office(
    root: Path,
    *,
    policy: Policy = POLICY,
    retention_days: int | None = 60,
    checkpoint: Callable[[str], None] = no_checkpoint,
    erase: Callable[[Means], Erase] | None = None,
    database: str | None = None,
    **settings: object,
) -> Iterator[Office]:
    """The office in `root`. `erase` makes an `Erase`; left out, persons are deleted without a certificate. `database`: a URL."""
    clock = Hands()
    with recognition_rig.opened(root, policy=policy, checkpoint=checkpoint, database=database) as place:
        timed = replace(place.means, clock=clock)
        place.means, place.recognition = timed, Recognition(timed)
        collection = place.recognition.create_collection(COMPANY, "Front door", "access", retention_days=retention_days)
        notice = Consents(consent_means(timed, DeletingErasure(place.recognition))).add_notice(
            COMPANY, collection.collection_id, language="en", controller=CONTROLLER, text=TEXT
        )
        configured = Settings(data_dir=root, **{"subject_origin": ORIGIN, **settings})
        yield Office(
            place,
            timed,
            clock,
            collection,
            notice,
            Retention(RetentionMeans(timed, deleting(place) if erase is None else erase(timed))),
            Incidents(timed),
            GovernanceDocuments(timed, configured),
        )


def deleting(place: recognition_rig.Place) -> Erase:
    """Erases by deleting."""

    def erase(company_id: str, person_id: str, _reason: str) -> None:
        place.recognition.delete_person(company_id, person_id)

    return erase
