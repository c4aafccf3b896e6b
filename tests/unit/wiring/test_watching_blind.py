"""The watching process cannot recognise anybody: what it imports, what it loads, and what it may say."""

import configparser
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grimp
import pytest
from pydantic import TypeAdapter
from tests.watching_rig import exact_site

from moretta.core.analysis import ModelUse
from moretta.core.cameras import WatchReceipt
from moretta.core.errors import ModelMismatch, RequestInvalid, WorkerLost
from moretta.core.statistics import Charge, LiveFigures, Measure, Release, Table
from moretta.statistics.keeper import Keeper, Plan, Purpose
from moretta.vision.models.catalogue import find
from moretta.wiring.watching.models import ALLOWED, FORBIDDEN_MODULES, WatchingModels, recognises, require_blind
from moretta.wiring.watching.wire import (
    Begin,
    Word,
    adapter,
    answer,
    parse_made,
    parse_plans,
    parse_receipt,
    plans_json,
    request,
    split,
)

ROOT = Path(__file__).resolve().parents[3]
BEGUN = Begin(exact_site("door"), "ws_0123456789abcdef", 1_700_438_400.0)


def test_nothing_that_it_imports_however_indirectly_could_recognise_anybody() -> None:
    graph = grimp.build_graph("moretta", exclude_type_checking_imports=True)
    for bad in FORBIDDEN_MODULES:
        assert graph.find_shortest_chains("moretta.wiring.watching", bad, as_packages=True) == set(), bad
    # The same search does find a chain where there is one.
    assert graph.find_shortest_chains("moretta.wiring.worker", "moretta.vision.embed", as_packages=True)


def test_the_contract_that_lint_checks_names_the_same_and_excepts_nothing() -> None:
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    contract = contracts["importlinter:contract:watching"]
    assert set(FORBIDDEN_MODULES) <= set(contract["forbidden_modules"].split())
    assert not {"ignore_imports", "allow_indirect_imports"} & set(contract)


def test_a_fresh_process_that_can_watch_has_none_of_it_loaded() -> None:
    script = (
        "import sys, moretta.wiring.watching.worker;"
        "from moretta.wiring.watching.models import recognises;"
        "assert not recognises(()); import moretta.vision.embed; assert recognises(())"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


@pytest.mark.parametrize("name", ["mobilefacenet", "face-antispoofing", "expression", "another"])
def test_no_other_model_than_those_of_the_list_is_opened(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelMismatch):
        WatchingModels(tmp_path).open(name)


def test_a_digest_that_is_not_of_the_list_counts_as_one_that_recognises() -> None:
    listed = [ModelUse(name, find(name).sha256) for name in sorted(ALLOWED)]
    assert not recognises(listed, ())
    for other in (find("mobilefacenet").sha256, "0" * 64):
        # Under whatever name.
        with pytest.raises(ModelMismatch):
            require_blind([*listed, ModelUse("age", other)])
    assert recognises(listed, ["moretta.protection.plain.protect"]) and not recognises(listed, ["moretta.protections"])


def receipt() -> WatchReceipt:
    return WatchReceipt("shop", BEGUN.session, datetime.now(UTC), (), recognises=False)


@pytest.mark.parametrize("changed", [{"session": "ws_other"}, {"site": "hall"}, {"recognises": True}])
def test_a_receipt_of_something_else_is_refused(changed: dict[str, object]) -> None:
    assert parse_receipt(answer(receipt()), BEGUN).session == BEGUN.session
    with pytest.raises(WorkerLost):
        parse_receipt(answer(replace(receipt(), **changed)), BEGUN)  # type: ignore[arg-type]


class Still:
    """A mechanism that adds nothing, for the shape of what is made."""

    name, scale = "none", 1.0

    def measurement(self, sensitivity: int, epsilon: float) -> "Still":
        return self

    def release(self, values: "tuple[int, ...]") -> tuple[int, ...]:
        return tuple(values)


def due() -> tuple[Keeper, Plan]:
    keeper = Keeper(BEGUN.site, BEGUN.session, Still(), started_s=BEGUN.started_s)
    (plan,) = keeper.close(BEGUN.started_s + 100)
    return keeper, plan


def test_plans_and_releases_come_back_as_they_were_made() -> None:
    keeper, plan = due()
    assert parse_plans(plans_json((plan,)), BEGUN) == (plan,)
    made = keeper.make(plan)
    assert isinstance(made, Release) and parse_made(answer(made), plan, BEGUN.site) == made


def test_a_plan_that_spends_elsewhere_less_or_on_others_is_refused() -> None:
    _, plan = due()
    assert plan.charge is not None
    for charge in (
        None,
        replace(plan.charge, epsilon=0.1),
        replace(plan.charge, site="hall"),
        replace(plan.charge, partition=None),
        replace(plan.charge, partition="ws_other/20231120T000000Z"),
        Charge("shop", plan.day.replace(year=1999), plan.charge.partition, 10.0, "tables"),
    ):
        with pytest.raises(WorkerLost):
            parse_plans(plans_json((replace(plan, charge=charge),)), BEGUN)
    for other in (
        replace(plan, release_id="x"),
        replace(plan, day=plan.day.replace(year=1999)),
        replace(plan, purpose=Purpose.LIVE),
    ):
        with pytest.raises(WorkerLost):
            parse_plans(plans_json((other,)), BEGUN)


def test_a_plan_that_is_of_no_bucket_or_tick_of_the_site_is_refused() -> None:
    """Each second as a bucket of its own would be paid for as if it were about other people."""
    _, plan = due()
    second = plan.time + timedelta(seconds=1)
    stamp = f"{BEGUN.session}/{second:%Y%m%dT%H%M%SZ}"
    assert plan.charge is not None
    moved = replace(
        plan,
        time=second,
        release_id=stamp.replace("/", "-"),
        charge=replace(plan.charge, partition=stamp),
    )
    live = live_plan()
    for other in (
        moved,
        replace(live, time=live.time + timedelta(seconds=1)),
        replace(live, release_id=f"{live.release_id}-a-person-came"),
        replace(live, time=live.time + timedelta(days=1)),
    ):
        with pytest.raises(WorkerLost):
            parse_plans(plans_json((other,)), LIVE)
    assert parse_plans(plans_json((live,)), LIVE) == (live,)


LIVE = Begin(
    replace(BEGUN.site, privacy=replace(BEGUN.site.privacy, bucket_epsilon=5.0, live_epsilon=5.0)), "ws_1", 0.0
)


def live_plan() -> Plan:
    keeper = Keeper(LIVE.site, LIVE.session, Still(), started_s=BEGUN.started_s)
    (plan,) = (plan for plan in keeper.tick(BEGUN.started_s + 130) if plan.purpose is Purpose.LIVE)
    return plan


def test_live_figures_of_a_day_that_nobody_paid_for_are_refused_before_they_are_made() -> None:
    first = live_plan()
    assert first.charge is not None
    later = replace(first, charge=None)
    for paid in ((), {first.day - timedelta(days=1)}):
        with pytest.raises(WorkerLost, match="nobody paid"):
            parse_plans(plans_json((later,)), LIVE, paid)
    assert parse_plans(plans_json((later,)), LIVE, {first.day}) == (later,)


def test_what_a_site_does_not_release_is_never_due() -> None:
    """A charge of nothing is no charge."""
    none = replace(LIVE, site=replace(LIVE.site, privacy=replace(LIVE.site.privacy, live_epsilon=0.0)))
    plan = live_plan()
    assert plan.charge is not None
    for charge in (None, replace(plan.charge, epsilon=0.0)):
        with pytest.raises(WorkerLost):
            parse_plans(plans_json((replace(plan, charge=charge),)), none, {plan.day})


def test_a_release_of_another_plan_place_or_shape_is_refused() -> None:
    keeper, plan = due()
    made = keeper.make(plan)
    assert isinstance(made, Release)
    table = made.tables[0]
    for wrong in (
        replace(made, release_id="x"),
        replace(made, site="hall"),
        replace(made, epsilon=11.0),
        replace(made, covered_s=4000.0),
        replace(made, tables=(replace(table, place="door/elsewhere"),)),
        replace(made, tables=(replace(table, values=(1, 2, 3)),)),
        replace(made, tables=(replace(table, values=(2**62,)),)),
        replace(made, tables=(Table("door/all", Measure.FLOW, (1, 2), 1.0, 1.0),)),
    ):
        with pytest.raises(WorkerLost):
            parse_made(answer(wrong), plan, BEGUN.site)
    with pytest.raises(WorkerLost):
        parse_made(answer(LiveFigures("shop", plan.day, plan.time, "s", ())), plan, BEGUN.site)


def test_an_answer_has_no_field_in_which_a_person_could_be_told() -> None:
    keeper, plan = due()
    made = json.loads(answer(keeper.make(plan)))
    made["sightings"] = [{"track_id": 1, "x": 0.5}]
    parsed = parse_made(json.dumps(made).encode(), plan, BEGUN.site)
    assert "sightings" not in TypeAdapter(Release).dump_python(parsed)  # type: ignore[arg-type]


def test_words_that_nobody_knows_are_refused() -> None:
    assert split(request(Word.MAKE, "x")) == (Word.MAKE, b'"x"')
    assert adapter(Begin).validate_json(split(request(Word.BEGIN, BEGUN))[1]) == BEGUN
    for raw in (b"", b"embed\n{}", b"\xff\n"):
        with pytest.raises(RequestInvalid):
            split(raw)
