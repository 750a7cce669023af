"""While something is on hold every way to begin something is shut, on the routes of tomorrow as well."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from durabletask.client import OrchestrationStatus

import tests.triggers.doors
import triggers.nodes
import triggers.recovery_plans
import triggers.waiting
from shared.arm_ids import key_of
from shared.healing.node_record import NodeRecord
from shared.request_ids import run_id
from shared.sites.nodes import NodeView
from shared.sites.site import SiteDocument
from tests.shared.samples import site
from tests.triggers.doors import ALL_ROLES, DOORS, Door, door, spend_no_time
from tests.triggers.engine_states import state_of
from tests.triggers.hub import Hub, look, usual_documents
from triggers.azure_events import FailureEvent, start_for_failure
from triggers.nodes import SiteSnapshot

BEGINS = {"start_verb", "repair_node", "start_prepare", "start_replication", "change_recovery_plan"}
"""Posts that begin something in Azure."""
GOES_ON = {
    "start_preflight",
    "start_verify",
    "hold_everything",
    "hold_site",
    "declare_lost_node",
    "decide_operation",
    "settle_obligation_by_hand",
    "abort_all_operations",
}
"""Posts that only read, that make the hold, or that are tried one by one below."""
RUN = "drill-payroll-1"
SINCE = datetime(2026, 1, 5, 8, tzinfo=UTC)
AT = "2026-01-05T08:00:00+00:00"
MACHINE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.HybridCompute/machines/hci-01-n1"


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ROLES", ALL_ROLES)
    monkeypatch.setattr(triggers.waiting, "sleep", spend_no_time)


def hold(of_site: str = "", **changes: Any) -> dict[str, Any]:
    """A hold as its entity keeps it."""
    one = {"id": "h", "site": of_site, "reason": "change freeze", "by": "ann", "since": AT, "until": None}
    return {of_site or "*": {**one, **changes}}


def held(kept: Mapping[str, Any], **changes: Any) -> Hub:
    return Hub(entities=usual_documents() | {"@holds@app:holds": kept}, **changes)


@pytest.fixture
def _azure(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read of Azure before it is decided."""

    async def snapshot(_client: Any, document: SiteDocument) -> SiteSnapshot:
        node = NodeView(id=MACHINE, name="hci-01-n1", status="Connected", cluster_id=document.cluster)
        return SiteSnapshot(document, [node], [], [], list[NodeRecord](), None)  # type: ignore[arg-type]

    async def nothing(*_given: Any) -> Any:
        return {}, {}

    monkeypatch.setattr(triggers.nodes, "_read_snapshot", snapshot)
    monkeypatch.setattr(triggers.recovery_plans, "read_items_and_plans", nothing)


def test_of_every_post_it_is_said_whether_it_begins_something() -> None:
    assert {one.name for one in DOORS if one.method == "POST"} == BEGINS | GOES_ON


@pytest.mark.usefixtures("_azure")
@pytest.mark.parametrize("of_site", ["", "hci-01"], ids=["everywhere", "site"])
@pytest.mark.parametrize("name", sorted(BEGINS))
async def test_what_would_begin_is_refused_and_named(name: str, of_site: str) -> None:
    hub = held(hold(of_site))
    body = (await door(name).answer(hub)).require_problem(409)
    assert (body["code"], body["hold"]["reason"], body["hold"]["by"]) == ("on-hold", "change freeze", "ann")
    assert body["hold"]["site"] == (of_site or None)
    assert "change freeze" in body["detail"]
    assert "DELETE /api/" in body["detail"]
    assert hub.count("schedule_new_orchestration") == 0


@pytest.mark.usefixtures("_azure")
@pytest.mark.parametrize("verb", ["failover", "commit", "cancel", "change-point", "failback", "reprotect", "roundtrip"])
async def test_no_verb_begins(verb: str) -> None:
    body = (await door("start_verb").answer(held(hold()), verb=verb)).require_problem(409)
    assert body["code"] == "on-hold"


@pytest.mark.usefixtures("_azure")
async def test_a_site_that_is_not_held_goes_on() -> None:
    hub = held(hold("mars"))
    assert (await door("start_prepare").answer(hub)).status == 202
    assert hub.count("schedule_new_orchestration") == 1


@pytest.mark.usefixtures("_azure")
@pytest.mark.parametrize("name", sorted(BEGINS))
async def test_a_repetition_of_what_has_begun_is_answered_as_ever(name: str) -> None:
    hub = Hub(lambda kind, run: (look(run, kind=kind, custom_status={"phase": "Prepare"}),))
    one = door(name)
    if name in {"start_verb", "change_recovery_plan"}:
        kind = "drill" if name == "start_verb" else "mirror"
        run = run_id(kind, "payroll", "k")
        hub.runs[run] = [look(run, kind=kind, custom_status={"phase": "TestFailover"})]
    else:
        assert (await one.answer(hub, key="k")).status == 202
    hub.entities["@holds@app:holds"] = hold()
    assert (await one.answer(hub, key="k")).status == 202


@pytest.mark.parametrize("decision", ["retry", "approve"])
async def test_a_decision_that_has_a_verb_begin_waits(decision: str) -> None:
    hub = held(hold(), runs={RUN: [look(RUN, custom_status={"phase": "TestFailover"})]})
    body = (await door("decide_operation").answer(hub, decision=decision)).require_problem(409)
    assert body["code"] == "on-hold"
    assert hub.count("raise_orchestration_event") == 0


async def test_a_run_may_be_aborted_while_all_is_held() -> None:
    hub = held(hold(), runs={RUN: [look(RUN, custom_status={"phase": "TestFailover"})]})
    assert (await door("decide_operation").answer(hub, decision="abort")).status == 202


@pytest.mark.parametrize("name", ["start_preflight", "start_verify"])
async def test_what_only_reads_goes_on(name: str) -> None:
    assert (await door(name).answer(held(hold()))).status == 202


@pytest.mark.parametrize(
    ("answer", "status"),
    [({"outcome": "read", "holds": []}, 202), ({"outcome": "read", "holds": [hold(until=AT)["*"]]}, 409)],
)
async def test_whether_a_hold_is_over_the_engine_says(answer: dict[str, Any], status: int) -> None:
    """The time of the host is not that of the engine."""

    def begin(name: str, run: str) -> Any:
        if name == "change_hold":
            return (state_of(run, name, OrchestrationStatus.COMPLETED, output=answer),)
        return (look(run, kind=name, custom_status={"phase": "Prepare"}),)

    hub = held(hold(until=AT), begin=begin)
    assert (await door("start_prepare").answer(hub)).status == status


WRONG: list[tuple[Any, str]] = [
    ({}, "reason"),
    ({"reason": ""}, "reason"),
    ({"reason": "   "}, "reason"),
    ({"reason": None}, "reason"),
    ({"reason": 7}, "reason"),
    ({"reason": "x" * 501}, "reason"),
    ({"reason": "x", "until": "2030-01-01T00:00:00"}, "until"),
    ({"reason": "x", "until": "2030-01-01"}, "until"),
    ({"reason": "x", "until": "soon"}, "until"),
    ({"reason": "x", "until": "2030-13-01T00:00:00Z"}, "until"),
    ({"reason": "x", "until": 1900000000}, "until"),
    ({"reason": "x", "until": "1900000000"}, "until"),
    ({"reason": "x", "until": True}, "until"),
    ({"reason": "x", "until": {}}, "until"),
    ({"reason": "x", "til": "2030-01-01T00:00:00Z"}, "til"),
    ([], "body"),
]


@pytest.mark.parametrize(("body", "field"), WRONG, ids=str)
@pytest.mark.parametrize("name", ["hold_everything", "hold_site"])
async def test_a_hold_that_cannot_be_is_a_400_that_names_the_field(
    name: str, body: Any, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tests.triggers.doors, "BODIES", {name: body})
    hub = Hub()
    problem = (await door(name).answer(hub)).require_problem(400)
    assert [one["field"] for one in problem["errors"]] == [field]
    assert hub.count("schedule_new_orchestration") == 0


@pytest.mark.parametrize("name", ["hold_site", "get_hold_of_site"])
async def test_a_site_that_is_not_declared_cannot_be_held(name: str) -> None:
    assert (await door(name).answer(Hub(), site="mars")).require_problem(404)["title"] == "Unknown site"


@pytest.mark.parametrize("role", ["Dr.Read", "Dr.Drill", "Dr.Approve"])
@pytest.mark.parametrize(
    "one", [one for one in DOORS if "hold" in one.name and one.method != "GET"], ids=lambda one: one.name
)
async def test_who_may_not_operate_may_not_hold(one: Door, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ROLES", role)
    (await one.answer(Hub())).require_problem(403)


@pytest.mark.parametrize("kind", ["extension", "run-command", "cluster-extension"])
async def test_an_event_of_a_node_is_noted_and_starts_nothing(kind: Any) -> None:
    hub = held(hold("hci-01"))
    sites = {"hci-01": site()}
    machine = MACHINE if kind != "cluster-extension" else site().cluster
    record = NodeRecord(machine_id=MACHINE, node="hci-01-n1", cluster=site().cluster)
    hub.entities[f"@nodes@{key_of(MACHINE)}"] = record.model_dump(mode="json")
    failure = FailureEvent(kind, machine, site().extension, "", SINCE)
    assert await start_for_failure(hub, sites, failure) == "site-on-hold"  # type: ignore[arg-type]
    assert hub.count("schedule_new_orchestration") == 0
