"""What a running deployment knows about itself, gathered for one company at one moment.

Belongs here: asking regions, policy, settings and measurements. Does not belong here: any text.
"""

from dataclasses import replace
from functools import partial
from operator import attrgetter

from moretta import __version__
from moretta.core.governance import CollectionFacts, CompanyCounts, DeploymentFacts, RegionFacts
from moretta.core.paging import every
from moretta.core.policy import BUILT_IN, Controller, Policy
from moretta.core.recognising import EmbedderCard
from moretta.core.recognition import Collection
from moretta.core.retention import kept_days
from moretta.core.thresholds import SOURCE, THRESHOLDS, MeasuredThreshold
from moretta.settings import Settings
from moretta.use_cases.recognition.means import Means, Region
from moretta.wiring.callbacks import recipients
from moretta.wiring.regions_file import RegionPlan, folder_in, local_plan, read_regions

_PAGE = 200


def deployment_facts(means: Means, settings: Settings, company_id: str) -> DeploymentFacts:
    """Everything that documents tell of, for a company."""
    policy, now = means.guard.policy, means.clock()
    found = [one for name in sorted(means.regions) for one in _collections(means, means.regions[name], company_id)]
    return DeploymentFacts(
        version=__version__,
        company_id=company_id,
        at=now,
        controller=named_controller(policy),
        policy_version=policy.version,
        policy_sha256=policy.sha256,
        purposes=policy.purposes,
        regions=region_facts(settings, policy),
        collections=tuple(found),
        counts=_summed([means.regions[name].facts.company_counts(company_id, now) for name in sorted(means.regions)]),
        sandbox=settings.sandbox,
        usage_report=settings.usage_report,
        callbacks=recipients(settings, company_id),
        measured_on=SOURCE,
    )


def collection_facts(means: Means, region: Region, collection: Collection) -> CollectionFacts:
    """What is known of one collection."""
    purpose = means.guard.policy.purpose(collection.purpose)
    return CollectionFacts(
        collection,
        purpose,
        region.retention.rule(collection.collection_id),
        kept_days(collection.retention_days, None if purpose is None else purpose.retention_days),
        region.facts.collection_counts(collection.collection_id),
        tuple(region.consents.shown(collection.company_id, collection.collection_id)),
        measured_rates(means.cards, collection.model_id),
    )


def measured_rates(cards: tuple[EmbedderCard, ...], model_id: str) -> tuple[MeasuredThreshold, ...] | None:
    """What was measured of the embedder that made a collection's templates; None: nothing, or of another build of it."""
    card = next((card for card in cards if card.model_id == model_id), None)
    return None if card is None else THRESHOLDS.get(card.name)


def named_controller(policy: Policy) -> Controller | None:
    """Who answers for the processing, by the policy file; the built-in policy names nobody."""
    return None if policy.controller.name == BUILT_IN.controller.name else policy.controller


def region_facts(settings: Settings, policy: Policy = BUILT_IN) -> tuple[RegionFacts, ...]:
    """The regions as the settings plan them, without an address, and in which country the policy says that they are."""
    file = settings.regions_file
    plan = local_plan(settings.data_dir) if file is None else read_regions(file)
    alone = settings if file is None else None
    told = dict(policy.countries)
    found = [_region(name, plan.regions[name], alone) for name in sorted(plan.regions)]
    return tuple(replace(one, country=told.get(one.name)) for one in found)


def _region(name: str, plan: RegionPlan, alone: Settings | None) -> RegionFacts:
    on_server = plan.database is not None and plan.database.startswith("postgresql")
    if alone is not None:
        on_server = alone.database_url is not None or alone.database_url_file is not None
    is_home = plan.database is not None or alone is not None
    return RegionFacts(
        name=name,
        is_home=is_home,
        database=("PostgreSQL" if on_server else "SQLite") if is_home else "none",
        blobs=_place(plan.blobs),
        keys=_keys(plan.keys),
        node="in the service's own process" if plan.node == "embedded" else "a process of its own",
        parties=len(plan.parties or ()),
        replicas=tuple(plan.replicate_to),
    )


def _place(text: str | None) -> str:
    if text is None:
        return "none"
    return "a folder" if folder_in(text) is not None or "://" not in text else "a bucket"


def _keys(text: str | None) -> str:
    if text is None:
        return "none"
    if text.startswith("pkcs11:"):
        return "a PKCS#11 token"
    return "a key holder of its own (`moretta keyd`)" if text.startswith(("unix:", "tls:")) else "files on this machine"


def _collections(means: Means, region: Region, company_id: str) -> list[CollectionFacts]:
    known = every(partial(region.store.collections, company_id, _PAGE), attrgetter("collection_id"))
    return [collection_facts(means, region, one) for one in known]


def _summed(counts: list[CompanyCounts]) -> CompanyCounts:
    names = CompanyCounts.__slots__
    return CompanyCounts(**{name: sum(getattr(one, name) for one in counts) for name in names})
