"""Page, table and JSON of a report say the same, of every kind of run, whatever it is at."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from durabletask.client import OrchestrationState, OrchestrationStatus

from orchestrators.onboarding.prepare import custom_status_of as prepare_status
from orchestrators.onboarding.prepare import outcome_of as prepare_outcome
from orchestrators.onboarding.replication import outcome_of as replication_outcome
from orchestrators.verbs.drill import drill
from orchestrators.verbs.failback import failback, reprotect
from orchestrators.verbs.failover import cancel, commit, failover
from orchestrators.verbs.roundtrip import roundtrip
from shared.evidence.report import fact_rows_of, render_report
from shared.evidence.report_sections import ABOVE_SECTIONS, IN_SECTIONS, NOT_IN_REPORTS, names_of, sections_of
from shared.evidence.result_sentence import describe_result
from shared.onboarding.preparation import PrepareOrder, new_preparation
from shared.operations.kinds import OPERATION_KINDS, Kind
from shared.operations.obligations import Obligation
from shared.replication.run import ReplicationOrder, ReplicationRun, ReplicationRunItem
from shared.replication.settings import ReplicationRequest, VmRequest
from shared.replication.status import replication_status
from tests.orchestrators import test_change
from tests.orchestrators.album import Album
from tests.orchestrators.benches import MirrorBench, RepairBench
from tests.orchestrators.owed import list_owed
from tests.orchestrators.test_preflight import Nodes
from tests.orchestrators.test_runbooks import BROKEN, SUB, Bench, plan
from tests.shared.preflight.samples import N1, N2
from tests.shared.samples import site
from tests.shared.test_report import Reader
from tests.triggers.engine_states import BEGAN, state_of
from triggers.obligations import obligation_view
from triggers.operation_views import full_view, table_of
from triggers.operation_views import state_of as state_in_words

SAID = {"by": "ann", "comment": "ticket 4711"}
RUNBOOKS: dict[Kind, Any] = {
    "drill": drill,
    "failover": failover,
    "commit": commit,
    "cancel": cancel,
    "failback": failback,
    "reprotect": reprotect,
    "roundtrip": roundtrip,
}
REACHED: dict[Kind, str] = {
    "commit": "PlannedFailover",
    "cancel": "PlannedFailover",
    "failback": "Commit",
    "reprotect": "FinalizeFailback",
}
"""Where the VMs of a plan stand when a verb makes sense for them."""
SCHEMA = {"vm", "subject", "code", "detail", "remedy", "holder", "passing", "byHand"}


def plan_views(kind: Kind, *, broken: bool) -> Iterator[dict[str, Any]]:
    """A run that goes well, or one that waits for a person who then skips what failed."""
    bench = Bench()
    bench.driver.warm = True
    album = Album(bench.driver)
    document = plan(onFailure="ask", commit="manual", targets={"rto": "PT1H"})
    for machine in bench.azure.items.machines.values() if kind in REACHED else ():
        machine.reach(REACHED[kind])
    if broken:
        verbs = ("TestFailover", "PlannedFailover", "Commit", "Failback", "ReverseReplicate", "CancelFailover")
        bench.azure.jobs.failures = {("sql", verb): BROKEN for verb in verbs}
    for hours in range(2, 40, 2):
        bench.driver.say(timedelta(hours=hours), "decide", {**SAID, "verdict": "skip"})
        bench.driver.say(timedelta(hours=hours, minutes=1), "decide", {**SAID, "verdict": "resume"})
    album.close(bench.run(RUNBOOKS[kind], kind, document=document))
    owed = [Obligation.model_validate(one) for one in list_owed(bench.driver.states)]
    waiting = [look for look in album.looks if state_in_words(look) == "waiting"]
    for look in (*album.looks[:: max(1, len(album.looks) // 12)], *waiting[:3], album.looks[-1]):
        yield {**full_view(look, owed), "obligations": [obligation_view(one) for one in owed]}


def other_views() -> Iterator[dict[str, Any]]:
    """Runs on a site, a node and the recovery plans of a plan, well and broken; as they go on and once they ended."""
    for action, breaks in (("save", ""), ("save", "499"), ("remove", "")):
        mirrors = MirrorBench()
        mirrors.azure.recovery_plans.write_error = breaks
        album = Album(mirrors.driver)
        album.close(mirrors.mirror(action))
        yield from album.views()
    kinds: tuple[Kind, ...] = ("preflight", "verify")
    for kind in kinds:
        for vms in (["a", "sql-01", "web-01"], ["a"]):
            nodes = Nodes({f"/machines/{N1}": vms, f"/machines/{N2}": []})
            album = Album(nodes.driver)
            declared = (
                {"network": f"{SUB}/resourceGroups/x/providers/Microsoft.Network/virtualNetworks/other"}
                if len(vms) == 1
                else {}
            )
            album.close(nodes.look(kind, **declared))
            yield from album.views()
    for node in ("n2", "n1"):
        repairs = RepairBench()
        album = Album(repairs.driver)
        album.close(repairs.repair(node=node))
        yield from album.views()
    bench = Bench()
    one = test_change.asked(test_change.declared(bench))
    test_change.agree(bench, one, 10, test_change.BOB)
    album = Album(bench.driver)
    album.close(test_change.run(bench, one))
    yield from album.views()
    yield from (full_view(state) for state in (*preparations(), *replications()))


def preparations() -> Iterator[OrchestrationState]:
    """A preparation under way, one that went well, and one in which a step failed."""
    order = PrepareOrder(id="prepare-1", kind="prepare", site="hci-01", requested_by="ann", document=site())
    given = order.model_dump(mode="json")
    run = new_preparation(site(), BEGAN)
    yield state_of(order.id, "prepare", given=given, custom_status=prepare_status(run, run.steps[0]))
    well = run.model_copy(update={"steps": tuple(step.model_copy(update={"state": "kept"}) for step in run.steps)})
    for ended in (well, well.with_step_ended("policy", "differs", "it keeps points for 24 hours, not 12")):
        output = prepare_outcome(order, ended, BEGAN).model_dump(mode="json")
        yield state_of(order.id, "prepare", OrchestrationStatus.COMPLETED, given=given, output=output)


def replications() -> Iterator[OrchestrationState]:
    """A replication that has failed for one of its VMs, before its end and after it."""
    request = ReplicationRequest(vms=(VmRequest(vm="a"), VmRequest(vm="b")))
    items = (
        ReplicationRunItem(vm="a", actions=("enable",), state="copying", percent=40),
        ReplicationRunItem(
            vm="b", actions=("enable",), state="failed", code="539", detail="no", cause="No room.", remedy="Make room."
        ),
    )
    run = ReplicationRun(began=BEGAN, items=items)
    order = ReplicationOrder(
        id="replication-1", kind="replication", site="hci-01", requested_by="ann", document=site(), request=request
    )
    given = order.model_copy(update={"run": run}).model_dump(mode="json")
    status = replication_status(run, BEGAN).model_dump(mode="json", by_alias=True)
    yield state_of(order.id, "replication", given=given, custom_status=status)
    output = replication_outcome(order, run, BEGAN).model_dump(mode="json")
    yield state_of(order.id, "replication", OrchestrationStatus.COMPLETED, given=given, output=output)


def check_formats(view: dict[str, Any]) -> None:
    """Sections and lines are the same on the page and in the table, and every field of the JSON is in one of them."""
    view = {**view, "summary": describe_result(view)}
    names = names_of(sections_of(view))
    page, table = render_report(view), table_of(view)
    assert re.findall(r"<h2>(.+?)</h2>", page) == names
    assert re.findall(r"^(.+)\n-+$", table, re.MULTILINE) == names
    text = Reader(page).text
    for label, value in fact_rows_of(view):
        assert f"{label}: {value}" in table
        assert label in text
    assert view["summary"] in table
    assert view["summary"] in text
    unknown = [name for name in view if name not in {*IN_SECTIONS, *ABOVE_SECTIONS, *NOT_IN_REPORTS}]
    assert unknown == []
    assert table.splitlines()[-1].startswith(str(view["state"]).upper())


def check_shapes(view: dict[str, Any]) -> None:
    """Whatever is in the way, failed or was left out has one shape."""
    for name in ("failures", "obstacles", "leftOut"):
        for one in view.get(name, ()):
            assert {"vm", "code", "detail"} <= set(one) <= SCHEMA, (name, one)
            assert one["code"]
            assert one["detail"]
    for item in view["items"]:
        assert {"vm", "state", "code", "detail"} <= set(item)
        assert (item["state"] in {"failed", "blocked"}) <= bool(item["code"] and item["detail"]), item
    for step in view["nextSteps"]:
        assert set(step) == {"verb", "vms", "why", "route"}
    asked = {"requestedBy", "requesterId", "phase", "state", "waitingFor", "waitingForText", "progress"}
    assert asked <= set(view)
    if view["state"] == "waiting":
        assert view["waitingFor"]["since"]
        assert view["nextSteps"]


@pytest.mark.parametrize("broken", [False, True], ids=["well", "broken"])
@pytest.mark.parametrize("kind", RUNBOOKS)
def test_page_table_and_json_of_a_run_on_a_plan_say_the_same(kind: Kind, broken: bool) -> None:
    states = set()
    for view in plan_views(kind, broken=broken):
        check_formats(view)
        check_shapes(view)
        states.add(view["state"])
    assert "waiting" in states or not broken


def test_page_table_and_json_of_other_runs_say_the_same() -> None:
    kinds = set()
    for view in other_views():
        check_formats(view)
        check_shapes(view)
        kinds.add(view["kind"])
    assert kinds == set(OPERATION_KINDS) - set(RUNBOOKS) - {"change-point", "cleanup"}
