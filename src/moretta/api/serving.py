"""The service: everything behind the web door, opened in order and closed in reverse.

Belongs here: filling `Services`. Does not belong here: routes, or anything that a request does.
"""

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass

from moretta import __version__
from moretta.api.services import ApiSettings, Governance, Json, Readiness, ReadinessCheck, Services, WorkerCounts
from moretta.core.errors import ScopeMissing
from moretta.core.keys import IssuedKey, Scope
from moretta.settings import Settings
from moretta.storage.deployment import local_company_id
from moretta.usage.egress import Egress
from moretta.usage.reporting import ReportLoop
from moretta.use_cases.incidents import Incidents
from moretta.use_cases.recognition import Recognition
from moretta.use_cases.recognition.means import Means
from moretta.use_cases.review.facade import Approvals, Reviews
from moretta.wiring.callbacks import callbacks_over, delivering
from moretta.wiring.consent import consents_of
from moretta.wiring.drill.opened import drills_of
from moretta.wiring.executor import PoolExecutor, start_executor
from moretta.wiring.governance import GovernanceDocuments
from moretta.wiring.housekeeping import Housekeeping
from moretta.wiring.own_keys import trust_in_own
from moretta.wiring.recognition import opened_means
from moretta.wiring.reporting import build_egress, build_reporter
from moretta.wiring.retention import retention_over
from moretta.wiring.rights import rights_as_set
from moretta.wiring.scheduled_keys import changing_master_keys
from moretta.wiring.service import Deployment, opened
from moretta.wiring.statistics import statistics_over
from moretta.wiring.streams.streams import Streams
from moretta.wiring.subjects import own_pages_of
from moretta.wiring.verifying import verified
from moretta.wiring.whitepaper import whitepaper


@dataclass(frozen=True, slots=True)
class Serving:
    """A running service; `first_key` is there where the deployment had none before, to be shown once."""

    services: Services
    first_key: IssuedKey | None


@contextmanager
def serving(settings: Settings, on_report: Callable[[str], None] = lambda _: None) -> Iterator[Serving]:
    """The service of `settings`; workers and reporting run until the context ends."""
    with opened(settings) as deployment:
        executor = start_executor(settings)
        reporter = build_reporter(settings, deployment)
        loop = None
        if reporter is not None:
            loop = ReportLoop(reporter, interval_s=settings.usage_report_interval_s, on_outcome=on_report)
            loop.start()
        try:
            with opened_means(settings, deployment.engine, executor.faces, replicate=True) as means:
                signer = means.region(None).signing.signer
                streams = Streams(settings, deployment.engine, deployment.meter, signer=signer)
                services = _services(settings, deployment, executor, means, streams)
                callbacks = callbacks_over(means, settings, deployment.engine, deployment.company_id)
                keeping = Housekeeping({**_chores(services), "drill": drills_of(means, settings)})
                keys_changing = changing_master_keys(means, settings)
                with closing(streams), keeping, delivering(callbacks), keys_changing:
                    yield Serving(services, _first_key(deployment))
        finally:
            if loop is not None:
                loop.stop()
            executor.close()


def _services(
    settings: Settings, deployment: Deployment, executor: PoolExecutor, means: Means, streams: Streams | None = None
) -> Services:
    rights = rights_as_set(means, settings)
    consents = consents_of(means, settings, rights)
    egress = build_egress(settings, deployment)
    # Records carry the made-up id until the settings name the hub's; a key made before still belongs to the operator.
    own = {deployment.company_id, local_company_id(deployment.engine)}
    return Services(
        executor=executor,
        redactions=executor,
        people=Recognition(means),
        reviews=Reviews(means),
        approvals=Approvals(means),
        rights=rights,
        verify=lambda content: verified(content, trust_in_own(settings)),
        consents=consents,
        subjects=own_pages_of(means, consents, rights),
        governance=Governance(retention_over(means, rights), Incidents(means), GovernanceDocuments(means, settings)),
        subject_origin=settings.subject_origin,
        log=lambda region: means.region(region).log,
        streams=streams,
        statistics=lambda company_id: statistics_over(deployment.engine, company_id),
        keys=deployment.keys,
        meter=deployment.meter,
        usage=deployment.usage,
        egress=lambda company_id: _egress(egress, own, company_id),
        whitepaper=lambda: whitepaper(settings),
        sandbox_status=lambda: _sandbox(settings, executor),
        readiness=lambda: _readiness(executor),
        version=__version__,
        worker_counts=lambda: WorkerCounts(*executor.pool.counts()),
        limits=settings.limits,
        policy=means.guard.policy,
        settings=ApiSettings(
            inline_video_bytes=settings.inline_bytes,
            job_ttl_s=settings.job_hours * 3600,
            job_threads=settings.workers,
            rate_per_s=settings.rate_per_minute / 60,
            metrics_open=settings.open_metrics,
        ),
    )


def _chores(services: Services) -> dict[str, Callable[[], object]]:
    """What is to be ended, and finished, from time to time."""
    chores: dict[str, Callable[[], object]] = {}
    if services.consents is not None:
        chores["consents"] = services.consents.sweep
    if services.rights is not None:
        chores["erasures"] = services.rights.finish_erasures
    if services.governance is not None:
        chores["retention"] = services.governance.retention.sweep
    return chores


def _first_key(deployment: Deployment) -> IssuedKey | None:
    if deployment.keys.list():
        return None
    return deployment.keys.create(deployment.company_id, [Scope.ADMIN], label="first key")


def _egress(egress: Egress, own: AbstractSet[str], company_id: str) -> dict[str, Json]:
    if company_id not in own:
        raise ScopeMissing(
            "The ledger holds the operator's own batches: ask with an admin key of the operator's company."
        )
    attempts = [
        {**asdict(attempt), "content": attempt.content.decode("utf-8", "replace")} for attempt in egress.attempts()
    ]
    return {**asdict(egress.summary()), "sent": attempts}


def _sandbox(settings: Settings, executor: PoolExecutor) -> dict[str, Json]:
    found = executor.pool.confinement()
    mechanisms: list[Json] = [] if found is None else [asdict(m) for m in found.mechanisms]
    attempts: list[Json] = [] if found is None else [asdict(attempt) for attempt in found.attempts]
    return {"mode": settings.sandbox, "mechanisms": mechanisms, "attempts": attempts}


def _readiness(executor: PoolExecutor) -> Readiness:
    failure = executor.pool.start_failure()
    ready = executor.pool.ready()
    detail = "a confined worker is ready" if ready else failure.detail if failure else "workers are starting"
    mend = "" if ready else "run `moretta doctor` on the machine"
    return Readiness(ready, (ReadinessCheck("workers", ready, detail, mend),))
