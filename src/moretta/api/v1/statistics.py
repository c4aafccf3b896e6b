"""Anonymous statistics: sites, series of a measure, live counters, exports, and what was spent.

Belongs here: the addresses. Does not belong here: sums and intervals (see `use_cases.statistics`), watching (see `streams`).
"""

from datetime import date, datetime, timedelta
from typing import Annotated

import anyio.to_thread
from fastapi import Depends, FastAPI, Path, Query, Response
from pydantic import AwareDatetime

from moretta.api.auth import Guard
from moretta.api.openapi import PEOPLE, problems
from moretta.api.services import StatisticsOf
from moretta.api.statistics_schemas import (
    AlarmList,
    BudgetList,
    LiveView,
    SeriesView,
    SiteList,
    SiteView,
    alarm_view,
    budget_view,
    live_view,
    series_view,
)
from moretta.api.v1.collections import json_response
from moretta.api.work import Desk
from moretta.core.keys import ApiKeyInfo
from moretta.core.statistics import Measure
from moretta.use_cases.statistics import Step
from moretta.use_cases.statistics.export import TEXT_FORMATS, TextFormat, exported

STATS = "/v1/stats"

SiteName = Annotated[str, Query(max_length=48, examples=["shop"])]
Since = Annotated[AwareDatetime | None, Query(alias="from", description="Left out: a day before `to`.")]
Until = Annotated[AwareDatetime | None, Query(alias="to", description="Left out: now.")]


def add_statistics_routes(app: FastAPI, desk: Desk, statistics: StatisticsOf, may_read: Guard) -> None:
    """Add the addresses to `app`."""
    _add_overview(app, desk, statistics, may_read)
    _add_alarms(app, desk, statistics, may_read)
    _add_export(app, desk, statistics, may_read)
    _add_series(app, desk, statistics, may_read)
    _add_budgets(app, desk, statistics, may_read)


def _add_overview(app: FastAPI, desk: Desk, statistics: StatisticsOf, may_read: Guard) -> None:
    @app.get(
        STATS,
        operation_id="listStatisticsSites",
        tags=["statistics"],
        summary="The sites of which statistics were released",
        responses={200: {"model": SiteList}, **problems(*PEOPLE)},
    )
    async def list_sites(key: Annotated[ApiKeyInfo, Depends(may_read)]) -> Response:
        names = await anyio.to_thread.run_sync(statistics(key.company_id).sites, limiter=desk.inline)
        return json_response(SiteList, SiteList(data=[SiteView(site=name) for name in names]))

    @app.get(
        f"{STATS}/live",
        operation_id="getLiveStatistics",
        tags=["statistics"],
        summary="The live counters of a site as last released, each with its interval",
        responses={200: {"model": LiveView}, **problems(*PEOPLE)},
    )
    async def get_live(key: Annotated[ApiKeyInfo, Depends(may_read)], site: SiteName) -> Response:
        found = await anyio.to_thread.run_sync(statistics(key.company_id).live, site, limiter=desk.inline)
        return json_response(LiveView, live_view(found))


def _add_alarms(app: FastAPI, desk: Desk, statistics: StatisticsOf, may_read: Guard) -> None:
    @app.get(
        f"{STATS}/alarms",
        operation_id="listStatisticsAlarms",
        tags=["statistics"],
        summary="When released figures went over what the operator set: crowding, loitering, unusual flow",
        responses={200: {"model": AlarmList}, **problems(*PEOPLE)},
    )
    async def list_alarms(
        key: Annotated[ApiKeyInfo, Depends(may_read)], site: SiteName, since: Since = None, until: Until = None
    ) -> Response:
        begin, end = _span(desk.services.clock(), since, until)
        found = await anyio.to_thread.run_sync(statistics(key.company_id).alarms, site, begin, end, limiter=desk.inline)
        return json_response(AlarmList, AlarmList(data=[alarm_view(one) for one in found]))


def _add_export(app: FastAPI, desk: Desk, statistics: StatisticsOf, may_read: Guard) -> None:
    @app.get(
        f"{STATS}/export",
        operation_id="exportStatistics",
        tags=["statistics"],
        summary="All measures of a site over a time as CSV, or the newest figures for Prometheus",
        response_class=Response,
        responses={
            200: {"content": {kind: {"schema": {"type": "string"}} for kind in TEXT_FORMATS.values()}},
            **problems(*PEOPLE),
        },
    )
    async def export(
        key: Annotated[ApiKeyInfo, Depends(may_read)],
        site: SiteName,
        since: Since = None,
        until: Until = None,
        form: Annotated[TextFormat, Query(alias="format")] = TextFormat.CSV,
    ) -> Response:
        begin, end = _span(desk.services.clock(), since, until)
        found = statistics(key.company_id)
        text = await anyio.to_thread.run_sync(exported, found, site, begin, end, form, limiter=desk.inline)
        return Response(text, media_type=TEXT_FORMATS[form])


def _add_series(app: FastAPI, desk: Desk, statistics: StatisticsOf, may_read: Guard) -> None:
    @app.get(
        f"{STATS}/{{measure}}",
        operation_id="getStatistics",
        tags=["statistics"],
        summary="A measure of a site over time, each figure with its interval",
        responses={200: {"model": SeriesView}, **problems(*PEOPLE)},
    )
    async def get_series(
        key: Annotated[ApiKeyInfo, Depends(may_read)],
        measure: Annotated[Measure, Path()],
        site: SiteName,
        since: Since = None,
        until: Until = None,
        step: Annotated[Step, Query(description="What one point covers.")] = Step.BUCKET,
    ) -> Response:
        begin, end = _span(desk.services.clock(), since, until)
        found = statistics(key.company_id)
        series = await anyio.to_thread.run_sync(found.series, site, measure, begin, end, step, limiter=desk.inline)
        return json_response(SeriesView, series_view(series))


def _add_budgets(app: FastAPI, desk: Desk, statistics: StatisticsOf, may_read: Guard) -> None:
    @app.get(
        "/v1/privacy/budgets",
        operation_id="listPrivacyBudgets",
        tags=["statistics"],
        summary="What was spent of each site's and day's privacy budget, and what is left",
        responses={200: {"model": BudgetList}, **problems(*PEOPLE)},
    )
    async def list_budgets(
        key: Annotated[ApiKeyInfo, Depends(may_read)],
        site: Annotated[str | None, Query(max_length=48)] = None,
        first: Annotated[date | None, Query(alias="from", description="Left out: 30 days before `to`.")] = None,
        last: Annotated[date | None, Query(alias="to", description="Left out: tomorrow.")] = None,
    ) -> Response:
        found = statistics(key.company_id)
        # A site east of Greenwich is in its next day already.
        end = last or desk.services.clock().date() + timedelta(days=1)
        begin = first or end - timedelta(days=30)
        budgets = await anyio.to_thread.run_sync(found.budgets, site, begin, end, limiter=desk.inline)
        return json_response(BudgetList, BudgetList(data=[budget_view(one) for one in budgets]))


def _span(now: datetime, since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    end = until or now
    return since or end - timedelta(days=1), end
