"""`core.statistics.BudgetStore` in SQL: spending is one transaction.

Belongs here: the rows of budgets and charges. Does not belong here: how charges add up (`core.accounting`).
"""

import math
from collections.abc import Sequence
from datetime import date

from sqlalchemy import Connection, Engine, Row, select

from moretta.core.accounting import spent
from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.clock import Clock, to_second, utc_now
from moretta.core.errors import BudgetExhausted, RequestInvalid
from moretta.core.statistics import Charge, DayBudget
from moretta.storage.database import reading, writing_rows
from moretta.storage.tables_statistics import privacy_budgets, privacy_charges
from moretta.storage.upsert import insert_into

# Fractions of a budget add up to it only as far as floating point goes.
_ROUNDING = 1e-9


class SqlBudgetStore:
    """The budgets of one company's sites. Safe to share between threads and processes; the engine stays open.

    `spend` passes two checkpoints, `spend:before-commit` and `spend:after-commit`.
    """

    def __init__(
        self, engine: Engine, company_id: str, clock: Clock = utc_now, checkpoint: Checkpoint = no_checkpoint
    ) -> None:
        self._engine, self._company_id, self._clock, self._checkpoint = engine, company_id, clock, checkpoint

    def spend(self, charge: Charge, limit: float) -> DayBudget:
        """As `BudgetStore.spend`. Raises `RequestInvalid` for an epsilon that is not above 0, a limit that is not a finite number
        from 0, and a partition without a name."""
        if not charge.epsilon > 0 or not 0 <= limit < math.inf:
            raise RequestInvalid(
                f"expected a charge above 0 and a finite limit from 0, got {charge.epsilon:g} and {limit:g}"
            )
        # Stored, the empty name stands for all visits; and a bucket without a session would be shared by sessions.
        if charge.partition is not None and not charge.partition.partition("/")[0]:
            raise RequestInvalid("expected a partition that begins with a session, or none for all visits of the day")
        with writing_rows(self._engine) as connection:
            allowed = self._locked(connection, charge, limit)
            before = self._charges(connection, charge.site, charge.day, charge.day)
            total = spent([*before, charge])
            if total > allowed + _ROUNDING:
                left = max(0.0, allowed - spent(before))
                raise BudgetExhausted(
                    f"expected to spend epsilon {charge.epsilon:g} on the site's {charge.day.isoformat()}, but {left:g} of "
                    f"{allowed:g} is left on those visits; what is spent never comes back: wait for the next day, or set a "
                    "higher day_epsilon for days to come"
                )
            row = {**self._day(charge.site, charge.day), "position": len(before), "partition": charge.partition or ""}
            row |= {"epsilon": charge.epsilon, "purpose": charge.purpose, "charged_at": to_second(self._clock())}
            connection.execute(privacy_charges.insert().values(row))
            self._checkpoint("spend:before-commit")
        self._checkpoint("spend:after-commit")
        return DayBudget(charge.site, charge.day, allowed, total)

    def budget(self, site: str, day: date) -> DayBudget | None:
        """As `BudgetStore.budget`."""
        return next(iter(self.budgets(site, day, day)), None)

    def budgets(self, site: str | None, first: date, last: date) -> Sequence[DayBudget]:
        """As `BudgetStore.budgets`."""
        c = privacy_budgets.c
        days = c.day.between(first.isoformat(), last.isoformat())
        query = select(privacy_budgets).where(c.company_id == self._company_id, days)
        if site is not None:
            query = query.where(c.site == site)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(c.site, c.day)).all()
            charges: dict[tuple[str, date], list[Charge]] = {}
            for charge in self._charges(connection, site, first, last):
                charges.setdefault((charge.site, charge.day), []).append(charge)
        return [_budget(row, charges) for row in rows]

    def _day(self, site: str, day: date) -> dict[str, str]:
        return {"company_id": self._company_id, "site": site, "day": day.isoformat()}

    def _locked(self, connection: Connection, charge: Charge, limit: float) -> float:
        """The day's limit, no higher than `limit`; its row stays locked: charges of one day are made one after another."""
        day = self._day(charge.site, charge.day)
        first = insert_into(connection, privacy_budgets).values(day | {"epsilon_limit": limit})
        connection.execute(first.on_conflict_do_nothing())
        mine = [privacy_budgets.c[name] == value for name, value in day.items()]
        locked = select(privacy_budgets.c.epsilon_limit).where(*mine).with_for_update()
        kept = float(connection.execute(locked).scalar_one())
        if limit < kept:
            connection.execute(privacy_budgets.update().where(*mine).values(epsilon_limit=limit))
        return min(kept, limit)

    def _charges(self, connection: Connection, site: str | None, first: date, last: date) -> list[Charge]:
        c = privacy_charges.c
        query = select(c.site, c.day, c.partition, c.epsilon, c.purpose).where(
            c.company_id == self._company_id, c.day.between(first.isoformat(), last.isoformat())
        )
        if site is not None:
            query = query.where(c.site == site)
        return [
            Charge(row.site, date.fromisoformat(row.day), row.partition or None, row.epsilon, row.purpose)
            for row in connection.execute(query.order_by(c.site, c.day, c.position))
        ]


def _budget(row: Row[tuple[str, ...]], charges: dict[tuple[str, date], list[Charge]]) -> DayBudget:
    day = date.fromisoformat(row.day)
    return DayBudget(row.site, day, row.epsilon_limit, spent(charges.get((row.site, day), ())))
