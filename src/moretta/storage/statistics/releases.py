"""`core.statistics.ReleaseStore` in SQL: each method one transaction.

Belongs here: the rows of releases and live figures. Does not belong here: sums over them, what is shown of them.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from sqlalchemy import Engine, Row, func, select

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.clock import from_second, to_second
from moretta.core.statistics import Alarm, AlarmKind, LiveFigures, Measure, Release, ReleasedTable, Table
from moretta.storage.database import reading, writing, writing_rows
from moretta.storage.tables_statistics import statistics_alarms, statistics_live, statistics_releases
from moretta.storage.upsert import insert_into

_ORDER = {measure: number for number, measure in enumerate(Measure)}


class SqlReleaseStore:
    """The releases of one company's sites. Safe to share between threads and processes; the engine stays open.

    `keep` passes two checkpoints, `keep:before-commit` and `keep:after-commit`.
    """

    def __init__(self, engine: Engine, company_id: str, checkpoint: Checkpoint = no_checkpoint) -> None:
        self._engine, self._company_id, self._checkpoint = engine, company_id, checkpoint

    def keep(self, release: Release) -> Release:
        """As `ReleaseStore.keep`."""
        c = statistics_releases.c
        mine = (c.company_id == self._company_id, c.release_id == release.release_id)
        # A release has several rows: only the one writer can tell that none of them is there yet.
        with writing(self._engine) as connection:
            stored = connection.execute(select(statistics_releases).where(*mine)).all()
            if not stored:
                connection.execute(statistics_releases.insert(), self._rows(release))
            self._checkpoint("keep:before-commit")
        self._checkpoint("keep:after-commit")
        return _release(stored) if stored else release

    def release(self, release_id: str) -> Release | None:
        """As `ReleaseStore.release`."""
        c = statistics_releases.c
        query = select(statistics_releases).where(c.company_id == self._company_id, c.release_id == release_id)
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return _release(rows) if rows else None

    def tables(self, site: str, measure: Measure, first: datetime, last: datetime) -> Sequence[ReleasedTable]:
        """As `ReleaseStore.tables`."""
        c = statistics_releases.c
        mine = (c.company_id == self._company_id, c.site == site, c.measure == measure.value)
        query = select(c.bucket, c.day, c.covered_s, c.least_cell, c.tables).where(
            *mine, c.bucket >= to_second(first), c.bucket < to_second(last)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(c.bucket, c.release_id)).all()
        # One text for the parser, not one for each row: thousands of calls would take as long as the database.
        texts = json.loads(f"[{','.join(row.tables for row in rows)}]")
        found: list[ReleasedTable] = []
        for (bucket, day, covered_s, least_cell, _), tables in zip(rows, texts, strict=True):
            # A third of a query would be `from_second`, which checks what we wrote.
            begin, on = datetime.fromisoformat(bucket), date.fromisoformat(day)
            found += [
                ReleasedTable(begin, on, place, values, scale, half_width, confidence, covered_s, least_cell)
                for place, _, values, scale, half_width, confidence in tables
            ]
        return found

    def keep_live(self, figures: LiveFigures) -> None:
        """As `ReleaseStore.keep_live`."""
        mine = {"company_id": self._company_id, "site": figures.site, "partition": figures.partition}
        mine |= {"day": figures.day.isoformat()}
        told = {"time": to_second(figures.time), "tables": _as_text(figures.tables)}
        with writing_rows(self._engine) as connection:
            new = insert_into(connection, statistics_live).values(mine | told)
            connection.execute(new.on_conflict_do_update(index_elements=list(mine), set_=told))

    def live(self, site: str) -> Sequence[LiveFigures]:
        """As `ReleaseStore.live`."""
        c = statistics_live.c
        mine = (c.company_id == self._company_id, c.site == site)
        newest = select(func.max(c.day)).where(*mine).scalar_subquery()
        query = select(statistics_live).where(*mine, c.day == newest).order_by(c.partition)
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return [
            LiveFigures(
                row.site, date.fromisoformat(row.day), from_second(row.time), row.partition, _as_tables(row.tables)
            )
            for row in rows
        ]

    def keep_alarm(self, alarm: Alarm) -> None:
        """As `ReleaseStore.keep_alarm`."""
        words = {"company_id": self._company_id, "site": alarm.site, "kind": alarm.kind.value, "place": alarm.place}
        row = {**words, "time": to_second(alarm.time), "value": alarm.value, "threshold": alarm.threshold}
        with writing_rows(self._engine) as connection:
            connection.execute(insert_into(connection, statistics_alarms).values(row).on_conflict_do_nothing())

    def alarms(self, site: str, first: datetime, last: datetime) -> Sequence[Alarm]:
        """As `ReleaseStore.alarms`."""
        c = statistics_alarms.c
        mine = (c.company_id == self._company_id, c.site == site)
        query = select(statistics_alarms).where(*mine, c.time >= to_second(first), c.time < to_second(last))
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(c.time.desc(), c.kind, c.place)).all()
        return [
            Alarm(row.site, from_second(row.time), AlarmKind(row.kind), row.place, row.value, row.threshold)
            for row in rows
        ]

    def sites(self) -> Sequence[str]:
        """The names of all sites of which anything was released, sorted."""
        c = statistics_releases.c
        released = select(c.site).where(c.company_id == self._company_id)
        live = select(statistics_live.c.site).where(statistics_live.c.company_id == self._company_id)
        with reading(self._engine) as connection:
            return sorted(connection.execute(released.union(live)).scalars())

    def _rows(self, release: Release) -> list[dict[str, object]]:
        common: dict[str, object] = {
            "company_id": self._company_id,
            "release_id": release.release_id,
            "site": release.site,
            "day": release.day.isoformat(),
            "bucket": to_second(release.bucket),
            "bucket_s": release.bucket_s,
            "partition": release.partition,
            "mechanism": release.mechanism,
            "epsilon": release.epsilon,
            "covered_s": release.covered_s,
            "least_cell": release.least_cell,
        }
        measures: dict[str, list[Table]] = {}
        for table in release.tables:
            measures.setdefault(table.measure.value, []).append(table)
        return [
            common | {"measure": name, "tables": _as_text(tables)} for name, tables in (measures or {"": []}).items()
        ]


def _release(rows: Sequence[Row[tuple[object, ...]]]) -> Release:
    first = rows[0]
    tables = [table for row in rows for table in _as_tables(row.tables)]
    if len(rows) > 1:
        tables.sort(key=lambda table: (_ORDER[table.measure], table.place))
    return Release(
        first.release_id,
        first.site,
        date.fromisoformat(first.day),
        from_second(first.bucket),
        first.bucket_s,
        first.partition,
        first.mechanism,
        first.epsilon,
        tuple(tables),
        first.covered_s,
        first.least_cell,
    )


def _as_text(tables: Iterable[Table]) -> str:
    return json.dumps(
        [[t.place, t.measure, t.values, t.scale, t.half_width, t.confidence] for t in tables], separators=(",", ":")
    )


def _as_tables(text: str) -> tuple[Table, ...]:
    return tuple(
        Table(place, Measure(measure), tuple(values), scale, half_width, confidence)
        for place, measure, values, scale, half_width, confidence in json.loads(text)
    )
