"""Recognition, put together: the settings' regions, confined workers that read faces, the embedders that these have loaded.

Belongs here: opening and closing it. Does not belong here: what it does (see `use_cases.recognition`).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from moretta.core.approvals import ApprovalStore
from moretta.core.clock import to_second, utc_now
from moretta.core.ledger import EntryKind, LogEntry
from moretta.core.policy import Policy
from moretta.core.recognising import FaceReader
from moretta.core.recognition import IdKind, region_of
from moretta.settings import Settings
from moretta.storage.deployment import local_company_id
from moretta.storage.reviews.policies import note_policy
from moretta.use_cases.guard import FindApprovals, Guard
from moretta.use_cases.recognition import Recognition
from moretta.use_cases.recognition.acts import by_whom
from moretta.use_cases.recognition.means import Means
from moretta.wiring.embedders import cards
from moretta.wiring.parties import open_parties
from moretta.wiring.policy import policy_in_force
from moretta.wiring.regions import OpenParties, Regions, opened_regions
from moretta.wiring.regions_file import folder_in, read_regions


@contextmanager
def opened_means(settings: Settings, engine: Engine, reader: FaceReader, *, replicate: bool = False) -> Iterator[Means]:
    """What recognition, consents, rights and reviews work with, over the regions that the settings name.

    What a dead process left behind is deleted first. In each region that is opened, its log tells of another policy than before.

    Args:
        engine: the service's own database, which is also that of the region `local`.
        reader: reads faces in confined workers; closed by the caller.
        replicate: keep nodes up to date in the background (a service does, a command does not).

    Raises:
        NotFound, RequestInvalid: the policy file or the regions file cannot be used.
        ModelCorrupt: the list of the operator's own models cannot be read.
    """
    policy = policy_in_force(settings)
    company_id = settings.company_id or local_company_id(engine)

    def note(region_engine: Engine) -> None:
        note_policy_change(region_engine, policy, company_id)

    with opened_regions(settings, engine, _parties(settings), replicate=replicate, on_open=note) as regions:
        embedders = cards(settings.models_dir)
        guard = guard_over(policy, regions)
        means = Means(regions, regions.default, reader, embedders, regions.places, guard=guard)
        Recognition(means).recover()
        yield means


@contextmanager
def opened_recognition(
    settings: Settings, engine: Engine, reader: FaceReader, *, replicate: bool = False
) -> Iterator[Recognition]:
    """Recognition alone, for whoever needs nothing else; as `opened_means`."""
    with opened_means(settings, engine, reader, replicate=replicate) as means:
        yield Recognition(means)


def note_policy_change(engine: Engine, policy: Policy, company_id: str) -> bool:
    """Write into a region's log that another policy holds from now on; False where it is the one that held before."""
    now = to_second(utc_now())
    facts = (("purposes", str(len(policy.purposes))), ("sha256", policy.sha256), *by_whom())
    return note_policy(engine, policy, now, LogEntry(EntryKind.POLICY_CHANGED, now, company_id, facts))


def guard_over(policy: Policy, regions: Regions) -> Guard:
    """The guard of a policy, which looks for approvals in the default region, and in the home of the collection."""
    return Guard(policy, _approvals_in(regions))


def _approvals_in(regions: Regions) -> FindApprovals:
    def found(collection_id: str | None) -> Iterator[ApprovalStore]:
        names = {regions.default}
        if collection_id is not None:
            names.add(region_of(collection_id, IdKind.COLLECTION))
        for name in sorted(names):
            yield regions[name].approvals

    return found


def _parties(settings: Settings) -> OpenParties | None:
    if settings.regions_file is None:
        return None
    plan = read_regions(settings.regions_file)
    return open_parties(folder_in(plan.certificates or ""), settings.data_dir)
