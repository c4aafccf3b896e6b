"""Puts the web door together.

Belongs here: which addresses there are and what they share. Does not belong here: what any of them does.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TextIO

import anyio
from fastapi import FastAPI
from pydantic import BaseModel

from moretta.api.auth import RateLimiter, guard
from moretta.api.consent_schemas import NewChallenge, NewConsentBody, NewNotice
from moretta.api.door import Door
from moretta.api.examples import analysis_example, detection_example
from moretta.api.forgetting import Forgetting
from moretta.api.idempotency import IdempotencyMemory
from moretta.api.memfd import MemoryBudget
from moretta.api.observe import AccessLog, Metrics
from moretta.api.openapi import install_openapi
from moretta.api.people_examples import people_examples
from moretta.api.people_schemas import CollectionChanges, NewCollection, NewRenewal, PersonChanges
from moretta.api.people_work import NAMING
from moretta.api.problems import Problem, install_problem_handlers
from moretta.api.redactions import RedactionDesk, RedactionShelf
from moretta.api.review_schemas import Confirmation, NewApproval
from moretta.api.rights_schemas import NewRightsRequest, RequestReason
from moretta.api.schemas import NewKey, adapter
from moretta.api.services import Governance, Services, VerifyDocument
from moretta.api.statistics_page import StatisticsMaker, add_statistics_page
from moretta.api.subject import add_subject_routes
from moretta.api.subject_desk import PageMaker, SubjectDesk
from moretta.api.v1.admin import add_admin_routes
from moretta.api.v1.analysis import ANALYZE, DETECT, add_analysis_routes
from moretta.api.v1.approvals import add_approval_routes, add_policy_route
from moretta.api.v1.collections import add_collection_routes
from moretta.api.v1.consents import add_consent_routes
from moretta.api.v1.faces import add_face_routes
from moretta.api.v1.governance import add_governance_routes
from moretta.api.v1.incidents import INCIDENT_BODIES, add_incident_routes
from moretta.api.v1.jobs import add_job_routes
from moretta.api.v1.log import NewCosignature, add_log_routes
from moretta.api.v1.matching import add_matching_routes
from moretta.api.v1.notices import add_notice_routes
from moretta.api.v1.operations import add_operation_routes
from moretta.api.v1.persons import add_person_routes
from moretta.api.v1.receipts import add_receipt_routes
from moretta.api.v1.redactions import add_redaction_routes
from moretta.api.v1.retention import RETENTION_BODIES, add_retention_routes
from moretta.api.v1.reviews import add_review_routes
from moretta.api.v1.rights import add_rights_routes
from moretta.api.v1.statistics import add_statistics_routes
from moretta.api.v1.streams import add_stream_routes
from moretta.api.v1.subjects import NewSubjectLink, add_subject_link_routes
from moretta.api.v1.transfer import add_transfer_routes
from moretta.api.watching_schemas import NewStream, StreamStart
from moretta.api.work import Desk
from moretta.core.analysis import Analysis
from moretta.core.keys import Scope
from moretta.use_cases.consent.facade import Consents
from moretta.use_cases.jobs import JobBoard, JobLimits
from moretta.use_cases.review.facade import Reviews
from moretta.use_cases.rights import Rights
from moretta.use_cases.subject import OwnPages

# Results and answers that are over their time leave memory this often, even where nobody calls.
SWEEP_EVERY_S = 60.0


def create_app(
    services: Services,
    log_stream: TextIO | None = None,
    maker: PageMaker | None = None,
    statistics_maker: StatisticsMaker | None = None,
) -> FastAPI:
    """The service as an ASGI app. The log goes to `log_stream` (standard error); whoever made `services` closes them.

    `maker` renders people's own pages; without one, or without `services.subjects`, they are not there. `statistics_maker` does
    so for the page of statistics.

    Serve it with `access_log=False` and `server_header=False`: the app writes its own log, without addresses.
    """
    settings = services.settings
    limits = JobLimits(
        settings.job_threads, settings.jobs_active_per_company, settings.jobs_kept_per_company, settings.job_ttl_s
    )
    log = AccessLog(log_stream)
    board = JobBoard(limits, services.clock, log.failed)
    memory = _answers_kept(services)
    budget = MemoryBudget(settings.upload_bytes_total)
    shelf = RedactionShelf(budget, services.clock, settings.redaction_ttl_s)
    forgetting = Forgetting(memory, board, shelf)
    if services.rights is not None:
        services.rights.forgetting(forgetting)
    metrics = Metrics(services.worker_counts, board.active)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        adapter(Analysis)  # Built once, before the first caller would wait for it.
        forgetting.loop = asyncio.get_running_loop()
        sweeper = asyncio.create_task(_sweep(board, memory, shelf))
        try:
            yield
        finally:
            sweeper.cancel()
            forgetting.loop = None
            board.close()
            shelf.close()

    app = FastAPI(title="Moretta", version=services.version, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.router.redirect_slashes = False
    desk = Desk(services, metrics, board, budget, memory, anyio.CapacityLimiter(settings.inline_threads))
    limiter = RateLimiter(settings.rate_per_s, settings.rate_burst)
    _add_addresses(app, desk, limiter, maker)
    if services.statistics is not None and statistics_maker is not None:
        add_statistics_page(app, desk, services.statistics, limiter, statistics_maker)
    if services.redactions is not None:
        redactions = RedactionDesk(desk, services.redactions, shelf)
        add_redaction_routes(app, redactions, guard(services, limiter, Scope.MEDIA_ANALYZE))
    install_problem_handlers(app)
    examples = {ANALYZE: analysis_example(), DETECT: detection_example(), **people_examples()}
    install_openapi(app, _bodies(services, maker), examples)
    app.add_middleware(Door, owner=app, metrics=metrics, log=log)
    return app


def _answers_kept(services: Services) -> IdempotencyMemory:
    settings = services.settings
    return IdempotencyMemory(
        services.clock,
        ttl_s=settings.idempotency_ttl_s,
        entries_per_company=settings.idempotency_entries_per_company,
        bytes_total=settings.idempotency_bytes_total,
    )


def _add_addresses(app: FastAPI, desk: Desk, limiter: RateLimiter, maker: PageMaker | None) -> None:
    services = desk.services
    may_analyze = guard(services, limiter, Scope.MEDIA_ANALYZE)
    add_analysis_routes(app, desk, may_analyze)
    may_follow = guard(services, limiter, Scope.MEDIA_ANALYZE, Scope.PERSONS_WRITE)
    add_job_routes(app, desk.board, may_follow, services.settings.heartbeat_s)
    _add_recognition(app, desk, limiter)
    add_policy_route(app, services, guard(services, limiter))
    if services.reviews is not None:
        _add_reviews(app, desk, limiter, services.reviews)
    if services.approvals is not None:
        add_approval_routes(app, desk, services.approvals, guard(services, limiter, Scope.ADMIN))
    if services.consents is not None:
        _add_consent(app, desk, limiter, services.consents)
    if services.rights is not None and services.verify is not None:
        _add_rights(app, desk, limiter, services.rights, services.verify)
    if services.governance is not None:
        _add_governance(app, desk, limiter, services.governance)
    if services.subjects is not None and maker is not None:
        _add_subjects(app, desk, limiter, services.subjects, maker)
    if services.statistics is not None:
        add_statistics_routes(app, desk, services.statistics, guard(services, limiter, Scope.STATS_READ))
    if services.streams is not None:
        add_stream_routes(app, desk, services.streams, guard(services, limiter, Scope.STREAMS_MANAGE))
    add_admin_routes(
        app, services, any_key=guard(services, limiter), may_administer=guard(services, limiter, Scope.ADMIN)
    )
    if services.log is not None:
        may_administer = guard(services, limiter, Scope.ADMIN)
        add_log_routes(app, services, any_key=guard(services, limiter), may_administer=may_administer)
    add_operation_routes(app, services, desk.metrics, may_read=guard(services, limiter, Scope.STATS_READ))


def _bodies(services: Services, maker: PageMaker | None) -> tuple[type[BaseModel], ...]:
    """What requests carry as JSON."""
    bodies: tuple[type[BaseModel], ...] = (
        Problem,
        NewKey,
        NewCollection,
        CollectionChanges,
        NewRenewal,
        PersonChanges,
    )
    if services.reviews is not None:
        bodies += (Confirmation,)
    if services.approvals is not None:
        bodies += (NewApproval,)
    if services.log is not None:
        bodies += (NewCosignature,)
    if services.rights is not None:
        bodies += (NewRightsRequest, RequestReason)
    if services.governance is not None:
        bodies += (*RETENTION_BODIES, *INCIDENT_BODIES)
    if services.consents is not None:
        bodies += (NewNotice, NewChallenge, NewConsentBody)
    if services.subjects is not None and maker is not None:
        bodies += (NewSubjectLink,)
    if services.streams is not None:
        bodies += (NewStream, StreamStart)
    return bodies


def _add_recognition(app: FastAPI, desk: Desk, limiter: RateLimiter) -> None:
    services = desk.services
    may_manage = guard(services, limiter, Scope.PERSONS_WRITE)
    may_search = guard(services, limiter, Scope.SEARCH_RUN)
    may_look = guard(services, limiter, Scope.PERSONS_WRITE, Scope.SEARCH_RUN)
    add_collection_routes(app, desk, may_manage=may_manage, may_look=may_look)
    add_transfer_routes(app, desk, may_manage)
    add_person_routes(app, desk, may_manage)
    add_face_routes(app, desk, may_manage)
    add_matching_routes(app, desk, may_search)


def _add_reviews(app: FastAPI, desk: Desk, limiter: RateLimiter, reviews: Reviews) -> None:
    may_review = guard(desk.services, limiter, Scope.REVIEWS_DECIDE)
    may_ask = guard(desk.services, limiter, Scope.REVIEWS_DECIDE, Scope.SEARCH_RUN)
    add_review_routes(app, desk, reviews, may_review=may_review, may_ask=may_ask)


def _add_consent(app: FastAPI, desk: Desk, limiter: RateLimiter, consents: Consents) -> None:
    may_manage = guard(desk.services, limiter, Scope.RIGHTS_MANAGE)
    may_look = guard(desk.services, limiter, Scope.RIGHTS_MANAGE, Scope.PERSONS_WRITE)
    add_consent_routes(app, desk, consents, may_manage)
    add_notice_routes(app, desk, consents, may_manage=may_manage, may_look=may_look)


def _add_rights(app: FastAPI, desk: Desk, limiter: RateLimiter, rights: Rights, verify: VerifyDocument) -> None:
    services = desk.services
    add_rights_routes(app, desk, rights, guard(services, limiter, Scope.RIGHTS_MANAGE))
    may_look = guard(services, limiter, Scope.RIGHTS_MANAGE, Scope.PERSONS_WRITE)
    add_receipt_routes(app, desk, rights, verify, may_look=may_look, any_key=guard(services, limiter))


def _add_governance(app: FastAPI, desk: Desk, limiter: RateLimiter, governance: Governance) -> None:
    may_manage = guard(desk.services, limiter, Scope.RIGHTS_MANAGE)
    add_retention_routes(app, desk, governance.retention, may_manage)
    add_incident_routes(app, desk, governance.incidents, may_manage)
    add_governance_routes(app, desk, governance, may_manage)


def _add_subjects(app: FastAPI, desk: Desk, limiter: RateLimiter, pages: OwnPages, maker: PageMaker) -> None:
    services = desk.services
    origin = services.subject_origin

    def forget(company_id: str) -> None:
        desk.memory.forget(company_id, NAMING)

    add_subject_link_routes(app, desk, pages, guard(services, limiter, Scope.RIGHTS_MANAGE), origin)
    add_subject_routes(app, SubjectDesk(pages, maker, services.clock, origin, forget), desk.inline)


async def _sweep(board: JobBoard, memory: IdempotencyMemory, shelf: RedactionShelf) -> None:
    while True:
        await asyncio.sleep(SWEEP_EVERY_S)
        board.sweep()
        memory.sweep()
        shelf.sweep()
