"""What the API needs from the rest of the program, handed in by the wiring.

Belongs here: `Services`, the protocols of its fields, and the settings of the door itself.
Does not belong here: any implementation.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from moretta.api.people import People
from moretta.core.clock import Clock, utc_now
from moretta.core.documents import Verified
from moretta.core.keys import ApiKeyInfo, IssuedKey, Scope
from moretta.core.limits import MediaLimits
from moretta.core.metering import UsageCount
from moretta.core.policy import BUILT_IN, Policy
from moretta.core.ports import Executor
from moretta.core.published_log import PublishedLog
from moretta.core.redaction import RedactionExecutor
from moretta.core.streams import StreamDesk
from moretta.use_cases.consent.facade import Consents
from moretta.use_cases.incidents import Incidents
from moretta.use_cases.retention import Retention
from moretta.use_cases.review.facade import Approvals, Reviews
from moretta.use_cases.rights import Rights
from moretta.use_cases.statistics import Statistics
from moretta.use_cases.subject import OwnPages

# What a signed document proves; raises `ProofRejected` where it does not hold.
VerifyDocument = Callable[[bytes], Verified]
# The statistics of one company's sites.
StatisticsOf = Callable[[str], Statistics]
Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]


class ApiKeys(Protocol):
    """Creates, lists, revokes and recognises API keys."""

    def authenticate(self, token: str) -> ApiKeyInfo:
        """The key that `token` is. Raises `NotAuthenticated` without telling whether it is unknown, expired or revoked."""

    def create(
        self, company_id: str, scopes: Iterable[Scope], *, label: str = "", expires_at: datetime | None = None
    ) -> IssuedKey:
        """A fresh key; its token is in the result and nowhere else."""

    def list(self, company_id: str | None = None) -> Sequence[ApiKeyInfo]:
        """The keys of `company_id`, the oldest first, the revoked and expired among them."""

    def revoke(self, key_id: str, company_id: str | None = None) -> ApiKeyInfo:
        """Revoke a key of `company_id`. Idempotent. Raises `NotFound` where there is no such key."""


class Meter(Protocol):
    """Counts processed media items."""

    def record(self, endpoint: str, status: int, company_id: str, count: int = 1, key_id: str | None = None) -> object:
        """One usage record; durable when this returns. Raises where it could not be kept."""


class UsageCounts(Protocol):
    """What was counted."""

    def counts(self, company_id: str | None = None, since: str | None = None) -> Sequence[UsageCount]:
        """The counts of a company from a UTC day (`YYYY-MM-DD`) on, in the order of day, endpoint, status and key."""


@dataclass(frozen=True, slots=True)
class ReadinessCheck:
    """One thing that has to hold before work is taken: `mend` says how to make it hold."""

    name: str
    ok: bool
    detail: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether work can be taken now, and why or why not."""

    ready: bool
    checks: tuple[ReadinessCheck, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkerCounts:
    """The worker pool at a glance."""

    total: int
    busy: int
    waiting: int


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Settings of the door; each default is safe on a small machine and is shown in the handbook.

    `inline_video_bytes`: a video over this becomes a job (8 MiB is about 15 s of a phone's 720p clip at 4 Mbit/s).
    `upload_bytes_total` bounds the memory that all uploads under way and all waiting jobs hold together.
    `rate_per_s` and `rate_burst` shape the token bucket of each key. Results and idempotent answers live `*_ttl_s`, in memory.
    A call takes `enrol_photos` of one person, or `import_photos` with a list of `manifest_bytes` (about 500 bytes a photo).
    `photo_link_s`: how long the address of a stored photo is good.
    `redaction_ttl_s`: how long redacted media waits to be fetched.
    """

    inline_video_bytes: int = 8 * 1024 * 1024
    upload_bytes_total: int = 2 * 1024 * 1024 * 1024
    upload_idle_s: float = 30.0
    upload_total_s: float = 900.0
    field_bytes: int = 8 * 1024
    inline_threads: int = 32
    job_threads: int = 2
    jobs_active_per_company: int = 16
    jobs_kept_per_company: int = 200
    job_ttl_s: float = 24 * 3600.0
    heartbeat_s: float = 15.0
    idempotency_ttl_s: float = 24 * 3600.0
    idempotency_entries_per_company: int = 1000
    idempotency_bytes_total: int = 64 * 1024 * 1024
    rate_per_s: float = 20.0
    rate_burst: int = 40
    metrics_open: bool = True
    enrol_photos: int = 16
    import_photos: int = 500
    manifest_bytes: int = 256 * 1024
    photo_link_s: float = 60.0
    redaction_ttl_s: float = 3600.0


class GovernanceDocuments(Protocol):
    """Documents from the running configuration, made when they are asked for."""

    def ropa(self, company_id: str) -> str:
        """Records of processing as Markdown."""

    def dpia(self, company_id: str) -> str:
        """A pre-filled impact assessment as Markdown."""

    def evidence(self) -> str:
        """The evidence map as Markdown."""

    def notice_page(self, notice_id: str) -> str:
        """The page of a notice as HTML, for anybody. Raises `NotFound`."""

    def sign(self, company_id: str, notice_id: str) -> bytes:
        """The sign of a notice as PDF. Raises `NotFound`, `RequestInvalid`."""


@dataclass(frozen=True, slots=True)
class Governance:
    """What an operator answers for: retention and holds, the breach register, documents."""

    retention: Retention
    incidents: Incidents
    documents: GovernanceDocuments


@dataclass(frozen=True, slots=True)
class Services:
    """Everything behind the door. The wiring fills it; tests fill it with fakes.

    `egress(company_id)` is the ledger of all that was sent and all that may be, as JSON; it raises `ScopeMissing` for a company
    that is not the operator's own. `whitepaper()` is Markdown.
    `redactions` hides faces. `streams` watches sites.
    `reviews` and `approvals` what people decide about it, `consents` what subjects do; without one,
    its addresses are not there. `log(region)` is the transparency log of a region, or of the default one. `policy` is the one
    in force. `photo_link_secret` signs addresses of photos: one of a process's own, so that they end with it, unless several
    processes are to honour each other's.
    `governance` is what an operator answers for.
    `subjects` are people's own pages, which are reached at `subject_origin` from outside, where the settings say so.
    `sandbox_status()` is what the kernel denies the workers, as JSON; `version` is the program's own.
    """

    executor: Executor
    people: People
    keys: ApiKeys
    meter: Meter
    usage: UsageCounts
    egress: Callable[[str], Mapping[str, Json]]
    whitepaper: Callable[[], str]
    sandbox_status: Callable[[], Mapping[str, Json]]
    readiness: Callable[[], Readiness]
    version: str
    limits: MediaLimits = field(default_factory=MediaLimits)
    policy: Policy = BUILT_IN
    clock: Clock = utc_now
    worker_counts: Callable[[], WorkerCounts] | None = None
    log: Callable[[str | None], PublishedLog] | None = None
    settings: ApiSettings = field(default_factory=ApiSettings)
    redactions: RedactionExecutor | None = None
    reviews: Reviews | None = None
    approvals: Approvals | None = None
    consents: Consents | None = None
    governance: Governance | None = None
    subjects: OwnPages | None = None
    subject_origin: str | None = None
    rights: Rights | None = None
    streams: StreamDesk | None = None
    verify: VerifyDocument | None = None
    statistics: StatisticsOf | None = None
    photo_link_secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
