"""A preview says what would be done, in which order, and all that stands in the way."""

from datetime import timedelta

import pytest

from shared.plans.preview import build_preview, stage_edges
from shared.site_recovery.verb_options import VerbOptions
from shared.site_recovery.verb_rules import RULES
from tests.shared.samples import ISOLATED, plan, view

NAMES = ("dc-01", "sql-01", "app-01", "web-01")
ALL_WELL = {vm: view(vm, rpo=timedelta(minutes=4), replication_health="Normal") for vm in NAMES}


def test_a_drill_that_may_begin_has_no_blockers_and_costs_nothing_that_cannot_be_undone() -> None:
    seen = build_preview(plan(), "drill", ALL_WELL, name="payroll")
    assert not seen.blockers
    assert not seen.irreversible
    assert seen.stages == ("TestFailover", "TestFailoverCleanup")
    assert seen.order == (("dc-01",), ("sql-01",), ("app-01",), ("web-01",))
    assert seen.expected_duration == 4 * RULES["TestFailover"].median + RULES["TestFailoverCleanup"].median
    assert seen.plan_digest == plan().digest


def test_it_is_plain_json_with_iso_durations() -> None:
    told = build_preview(plan(), "drill", ALL_WELL).model_dump(mode="json", by_alias=True)
    assert told["expectedDuration"].startswith("PT")
    assert told["items"][0] == {
        "vm": "dc-01",
        "state": "Protected",
        "allowed": True,
        "alreadyDone": False,
        "reason": "",
        "replicationHealth": "Normal",
        "rpo": "PT4M",
        **dict.fromkeys(("dataLoss", "lossCountedFrom", "lossCountedTo")),
    }


def test_each_machine_that_is_not_ready_is_a_blocker_with_its_reason() -> None:
    items = {"DC-01": view("DC-01"), "sql-01": view(scenario="PlannedFailover"), "app-01": view("app-01")}
    seen = build_preview(plan(), "planned-failover", items)
    assert [(blocker.vm, blocker.code) for blocker in seen.blockers] == [
        ("sql-01", "item-busy"),
        ("web-01", "not-protected"),
    ]
    assert [item.allowed for item in seen.items] == [True, False, True, False]
    assert seen.items[3].state == "missing"


def test_a_failover_that_commits_by_itself_says_that_the_recovery_points_go() -> None:
    automatic = build_preview(plan(), "unplanned-failover", ALL_WELL)
    assert automatic.stages == ("UnplannedFailover", "Commit")
    assert any(line.startswith("Commit: All other recovery points") for line in automatic.irreversible)
    manual = build_preview(plan(commit="manual"), "unplanned-failover", ALL_WELL)
    assert manual.stages == ("UnplannedFailover",)
    assert not any(line.startswith("Commit") for line in manual.irreversible)


def test_failback_goes_the_other_way_round_unless_the_plan_says_the_same() -> None:
    assert build_preview(plan(), "failback", {}).order == (("web-01",), ("app-01",), ("sql-01",), ("dc-01",))
    assert build_preview(plan(failbackOrder="same"), "failback", {}).order[0] == ("dc-01",)


def test_a_failback_is_previewed_in_the_order_that_the_request_asks_for() -> None:
    same = build_preview(plan(), "failback", {}, options=VerbOptions(order="same"))
    assert same.order[0] == ("dc-01",)
    assert build_preview(plan(failbackOrder="same"), "failback", {}, options=VerbOptions(order="reverse")).order[0] == (
        "web-01",
    )


@pytest.mark.parametrize("what", ["commit", "reprotect"])
def test_where_the_order_does_not_matter_all_go_at_once(what: str) -> None:
    seen = build_preview(plan(), what, {})
    assert seen.order == (NAMES,)
    assert seen.expected_duration == RULES[seen.stages[0]].median
    assert not any(stage_edges(plan(), seen.stages[0]).values())


def test_a_drill_without_an_isolated_network_is_blocked() -> None:
    assert build_preview(plan(drill=None), "drill", ALL_WELL).blockers[0].code == "no-drill-settings"


def test_a_drill_in_the_production_network_is_blocked_however_it_is_spelt() -> None:
    seen = build_preview(plan(), "drill", ALL_WELL, production=[ISOLATED.upper()])
    assert [blocker.code for blocker in seen.blockers] == ["drill-in-production"]
    assert build_preview(plan(), "planned-failover", ALL_WELL, production=[ISOLATED]).blockers == ()


def test_what_cannot_be_previewed_is_said() -> None:
    with pytest.raises(ValueError, match="'repair'"):
        build_preview(plan(), "repair", {})


def test_what_is_done_besides_is_told_with_whom_it_concerns() -> None:
    hook = {"name": "tell", "url": "https://example.org/hook"}
    seen = build_preview(
        plan(hooks={"failover": {"before": [hook]}, "failback": {"after": [hook]}}), "planned-failover", {}
    )
    assert [(one.occasion, one.moment, one.target) for one in seen.hooks] == [("failover", "before", hook["url"])]
    assert build_preview(plan(), "commit", {}).hooks == ()


@pytest.mark.parametrize("what", ["commit", "reprotect"])
def test_a_verb_that_would_do_nothing_is_not_called_ready(what: str) -> None:
    at_home = {
        vm: view(vm, allowed_operations=("PlannedFailover", "UnplannedFailover", "TestFailover")) for vm in NAMES
    }
    assert [blocker.code for blocker in build_preview(plan(), what, at_home).blockers] == ["nothing-to-do"]
    assert not build_preview(plan(), "planned-failover", at_home).blockers
    assert not build_preview(plan(), "drill", at_home).blockers
