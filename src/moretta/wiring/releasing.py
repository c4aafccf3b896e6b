"""What is due is paid for, made and kept, in that order.

Belongs here: the one loop that every way of watching goes through. Does not belong here: what is due (`statistics.keeper`),
SQL.

A crash after paying wastes budget; a crash after making loses figures; neither says more than was paid for.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from moretta.core.errors import BudgetExhausted
from moretta.core.statistics import Alarm, BudgetStore, LiveFigures, Release, ReleaseStore
from moretta.statistics.keeper import Plan
from moretta.use_cases.statistics import AlarmWatch, alarms_of


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a plan: what was released, or why nothing was."""

    plan: Plan
    made: Release | LiveFigures | None
    refused: BudgetExhausted | None = None
    alarms: tuple[Alarm, ...] = ()


def release_due(
    plans: Iterable[Plan],
    make: Callable[[Plan], Release | LiveFigures],
    budgets: BudgetStore,
    releases: ReleaseStore,
    day_epsilon: float,
    watch: AlarmWatch | None = None,
) -> list[Outcome]:
    """Spend for each plan, have it made, and keep it; where the budget is exhausted, nothing is made of that plan.

    `watch` looks for alarms in what was made; they are kept, too.
    """
    outcomes = []
    for plan in plans:
        try:
            if plan.charge is not None:
                budgets.spend(plan.charge, day_epsilon)
        except BudgetExhausted as refused:
            outcomes.append(Outcome(plan, None, refused))
            continue
        made = make(plan)
        if isinstance(made, Release):
            made = releases.keep(made)
        else:
            releases.keep_live(made)
        alarms = tuple(alarms_of(watch, [made])) if watch is not None else ()
        for alarm in alarms:
            releases.keep_alarm(alarm)
        outcomes.append(Outcome(plan, made, alarms=alarms))
    return outcomes
