"""What `moretta watch` shows: a live table, plain lines, or JSON.

Belongs here: words and tables. Figures are released ones, each with its interval; nothing here is told of a person.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol, TextIO

from pydantic import TypeAdapter
from rich.console import Group
from rich.live import Live
from rich.table import Table as RichTable
from rich.text import Text

from moretta.cli.terminal import console
from moretta.core.cameras import CameraHealth, CameraState, WatchReceipt
from moretta.core.errors import MorettaError
from moretta.core.intervals import shown
from moretta.core.site import Site
from moretta.core.statistics import MEASURES, Alarm, DayBudget, LiveFigures, Release, Table
from moretta.sdk_watching import Listener, Watcher

_REFRESH_PER_S = 2
_HEALTH_EVERY_S = 60.0
_KEPT_LINES = 6
_STATE_STYLES = {CameraState.WATCHING: "green", CameraState.WAITING: "yellow", CameraState.CONNECTING: "cyan"}


class View(Protocol):
    """A way of showing."""

    listener: Listener

    def showing(self, watcher: Watcher, site: Site) -> AbstractContextManager[None]:
        """A context in which it shows."""


class JsonLines:
    """One JSON object a line, each with one key that says what it is."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._lock = out, threading.Lock()
        self.listener = Listener(
            begun=lambda receipt: self._write("receipt", receipt, WatchReceipt),
            released=lambda release: self._write("release", release, Release),
            live=lambda figures: self._write("live", figures, LiveFigures),
            budget=lambda budget: self._write("budget", budget, DayBudget),
            exhausted=lambda error: self._problem("exhausted", error),
            lost=lambda error: self._problem("lost", error),
            alarm=lambda alarm: self._write("alarm", alarm, Alarm),
        )

    @contextmanager
    def showing(self, watcher: Watcher, site: Site) -> Iterator[None]:
        """Cameras' health each minute and at the end."""
        over = threading.Event()

        def tell() -> None:
            while not over.wait(_HEALTH_EVERY_S):
                self._write("cameras", watcher.health(), tuple[CameraHealth, ...])

        thread = threading.Thread(target=tell, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self._write("cameras", watcher.health(), tuple[CameraHealth, ...])

    def _write(self, name: str, value: object, kind: Any) -> None:
        body = TypeAdapter(kind).dump_python(value, mode="json")
        self._line({name: body})

    def _problem(self, name: str, error: MorettaError) -> None:
        self._line({name: {"code": error.code, "title": error.title, "detail": error.detail}})

    def _line(self, value: object) -> None:
        with self._lock:
            self._out.write(json.dumps(value) + "\n")
            self._out.flush()


class PlainLines:
    """A line for each thing that happens, for pipes and logs."""

    def __init__(self) -> None:
        self._out, self._least_cell = console(), 0.0
        self.listener = Listener(
            begun=lambda receipt: self._say(receipt_line(receipt)),
            released=self._released,
            exhausted=lambda error: self._say(f"{error.title}: {error.detail}"),
            lost=lambda error: self._say(f"Session lost: {error.detail}"),
            alarm=lambda alarm: self._say(alarm_line(alarm)),
        )

    @contextmanager
    def showing(self, watcher: Watcher, site: Site) -> Iterator[None]:
        """Cameras are told of at the end."""
        try:
            yield
        finally:
            for camera in watcher.health():
                self._say(camera_line(camera))

    def _released(self, release: Release) -> None:
        self._say(release_line(release))
        for table in release.tables:
            self._say(f"  {table.place} {table.measure}: {figures(table, release.least_cell)}")

    def _say(self, line: str) -> None:
        self._out.print(line, markup=False, highlight=False, soft_wrap=True)


class LiveView:
    """A table that is drawn anew: cameras, live counters with intervals, last releases, what is left of the budget."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: LiveFigures | None = None
        self._budget: DayBudget | None = None
        self._receipt: WatchReceipt | None = None
        self._lines: list[str] = []
        self.listener = Listener(
            begun=self._begun,
            released=lambda release: self._note(release_line(release)),
            live=self._figures,
            budget=self._spent,
            exhausted=lambda error: self._note(f"{error.title}: {error.detail}"),
            lost=lambda error: self._note(f"Session lost: {error.detail}"),
            alarm=lambda alarm: self._note(alarm_line(alarm)),
        )

    @contextmanager
    def showing(self, watcher: Watcher, site: Site) -> Iterator[None]:
        """Draw until the context ends."""
        live = Live(
            console=console(), refresh_per_second=_REFRESH_PER_S, get_renderable=lambda: self._drawn(watcher, site)
        )
        with live:
            yield

    def _drawn(self, watcher: Watcher, site: Site) -> Group:
        with self._lock:
            return Group(
                Text(f"{site.name}: people are counted, nobody is recognised", style="bold"),
                *([Text(receipt_line(self._receipt), style="dim")] if self._receipt else []),
                _cameras(watcher.health()),
                _counters(self._live, site.privacy.least_cell),
                Text(_budget_line(self._budget, site)),
                *(Text(line) for line in self._lines),
            )

    def _begun(self, receipt: WatchReceipt) -> None:
        with self._lock:
            self._receipt = receipt

    def _figures(self, figures_: LiveFigures) -> None:
        with self._lock:
            self._live = replace(figures_)

    def _spent(self, budget: DayBudget) -> None:
        with self._lock:
            self._budget = budget

    def _note(self, line: str) -> None:
        with self._lock:
            self._lines = [*self._lines, f"{datetime.now(UTC):%H:%M:%S} {line}"][-_KEPT_LINES:]


def receipt_line(receipt: WatchReceipt) -> str:
    """The receipt in a line."""
    models = ", ".join(f"{model.name} {model.sha256[:12]}" for model in receipt.models)
    missing = [denial.name for denial in receipt.denials if denial.level != "full"]
    kernel = "confined by the kernel" if not missing else f"not in full force: {', '.join(missing)}"
    return f"Session {receipt.session}: no model that recognises ({models}); {kernel}"


def camera_line(health: CameraHealth) -> str:
    """A camera in a line."""
    words = f"{health.camera} ({health.place}): {health.state}, {health.analysed} pictures analysed"
    words += f", {health.dropped} dropped" if health.dropped else ""
    words += f", {health.reconnects} reconnects" if health.reconnects else ""
    return f"{words}; {health.trouble}" if health.trouble else words


def release_line(release: Release) -> str:
    """A release in a line."""
    return (
        f"Released {release.bucket:%Y-%m-%d %H:%M} UTC, {release.bucket_s // 60} min, {_watched(release)} watched, "
        f"epsilon {release.epsilon:g}, {len(release.tables)} tables"
    )


def _watched(release: Release) -> str:
    """How long, which a release tells in whole minutes."""
    minutes = round(release.covered_s / 60)
    return f"{minutes} min" if minutes else "less than a minute"


def alarm_line(alarm: Alarm) -> str:
    """An alarm in a line."""
    return f"Alarm: {alarm.kind} at {alarm.place}: {alarm.value} (from {alarm.threshold:g} on)"


def figures(table: Table, least_cell: float) -> str:
    """Cells of a table with their intervals; those too small to be shown are so called."""
    cells = zip(MEASURES[table.measure].cells, table.values, strict=True)
    return ", ".join(f"{cell} {_figure(table, value, least_cell)}" for cell, value in cells)


def _figure(table: Table, value: int, least_cell: float) -> str:
    if not shown(table.measure, value, least_cell, table.half_width):
        return "too small to show"
    return f"{value} ± {table.half_width:.0f}"


def _cameras(health: tuple[CameraHealth, ...]) -> RichTable:
    table = RichTable(box=None, padding=(0, 2, 0, 0))
    for heading in ("camera", "place", "state", "since (UTC)", "picture", "analysed", "dropped", "reconnects", ""):
        table.add_column(heading)
    for one in health:
        table.add_row(
            one.camera,
            one.place,
            Text(one.state.value, style=_STATE_STYLES.get(one.state, "")),
            f"{one.since:%H:%M:%S}",
            f"{one.width}x{one.height}" if one.width else "–",
            str(one.analysed),
            str(one.dropped),
            str(one.reconnects),
            Text(one.trouble or ""),
        )
    return table


def _counters(live: LiveFigures | None, least_cell: float) -> RichTable:
    table = RichTable(box=None, padding=(0, 2, 0, 0))
    for heading in ("place", "counter", f"as of {live.time:%H:%M:%S} UTC" if live is not None else "not yet"):
        table.add_column(heading)
    for one in live.tables if live is not None else ():
        table.add_row(one.place, MEASURES[one.measure].title, figures(one, least_cell))
    return table


def _budget_line(budget: DayBudget | None, site: Site) -> str:
    if budget is None:
        return f"Privacy budget: nothing spent yet of epsilon {site.privacy.day_epsilon:g} a day"
    return f"Privacy budget of {budget.day}: {budget.left:g} of {budget.limit:g} left on those visits"
