"""Holds on the lab: nothing begins meanwhile, what is owed is still reported, and afterwards all of it begins."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.deep import run_deep
from tests.product.conftest import Lab, send
from tests.product.test_drills import GROUP, NETWORKS, arm, drill, made, owed, plan
from tests.product.test_healing import FAILED, MACHINES, counts, deliver, event, repairs

SITE = "sites/hci-01/hold"
VAULT = f"{GROUP.replace('rg-dr-vms', 'rg-dr')}/providers/Microsoft.RecoveryServices/vaults/vault-dr"
each_scope = pytest.mark.parametrize(
    "scope", [pytest.param("hold", id="everywhere", marks=run_deep), pytest.param(SITE, id="site")]
)


def lab_time(lab: Lab) -> datetime:
    return datetime.fromisoformat(lab.azure("GET", "clock")["now"])


def hold(lab: Lab, scope: str, **changes: Any) -> None:
    reply = lab.api("POST", scope, {"reason": "change freeze", **changes})
    assert reply.status == 201, reply.body


def lift(lab: Lab, scope: str) -> None:
    assert lab.api("DELETE", scope).status == 200


def await_look(lab: Lab) -> None:
    """Until the timer has begun a look after this moment, and has come to its end."""
    asked_at, instance = lab_time(lab), "/runtime/webhooks/durabletask/instances/reconcile"

    def has_looked() -> bool:
        look = send(lab.servers.host.base, "GET", instance).body
        began = datetime.fromisoformat(look.get("createdTime", "2000-01-01T00:00:00Z"))
        return began > asked_at and look["runtimeStatus"] == "Completed"

    lab.eventually(has_looked)


def pass_time(lab: Lab, span: timedelta) -> None:
    """Let so much time go by at once, and a look after it."""
    lab.azure("POST", "clock", {"advance": f"PT{span // timedelta(minutes=1)}M"})
    await_look(lab)


def declare_site(lab: Lab, **changes: Any) -> None:
    document = lab.document("sites/hci-01")
    assert lab.api("PUT", "sites/hci-01", {**document, **changes}).status == 200


def runs_of(lab: Lab, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab.api("GET", f"operations?kind={kind}").body["value"]
    return found


def host_restarted(lab: Lab) -> None:
    lab.servers.host.kill()
    lab.servers.host.start()
    lab.servers.host.await_healthy()


def nothing_happened(_lab: Lab) -> None:
    return None


@pytest.mark.parametrize(
    ("scope", "meanwhile"), [("hold", nothing_happened), (SITE, host_restarted)], ids=["everywhere", "site-and-a-kill"]
)
def test_a_drill_of_the_schedule_waits_for_the_end_of_the_hold(
    lab: Lab, scope: str, meanwhile: Callable[[Lab], None]
) -> None:
    plan(lab, "dc-01", schedule="0 */30 * * * *", startDeadline="PT25M")
    hold(lab, scope)
    pass_time(lab, timedelta(minutes=40))
    meanwhile(lab)
    pass_time(lab, timedelta(minutes=40))
    assert (runs_of(lab, "drill"), lab.verbs()) == ([], [])
    lift(lab, scope)
    lab.eventually(lambda: runs_of(lab, "drill") != [])
    assert lab.ended(runs_of(lab, "drill")[-1]["id"])["state"] == "succeeded"


@each_scope
def test_a_verb_does_not_begin_and_begins_once_the_hold_is_over(lab: Lab, scope: str) -> None:
    plan(lab, "dc-01")
    hold(lab, scope, until=(lab_time(lab) + timedelta(hours=3)).isoformat())
    for verb in ("drill", "failover"):
        refused = lab.api("POST", f"plans/small/{verb}", {})
        assert (refused.status, refused.body["code"]) == (409, "on-hold")
        assert lab.api("POST", f"plans/small/{verb}?preview=true", {}).body["holds"] != []
    host_restarted(lab)
    assert lab.api("POST", "plans/small/drill", {}).body["code"] == "on-hold"
    lab.azure("POST", "clock", {"advance": "PT3H"})
    assert lab.ended(drill(lab))["state"] == "succeeded"
    assert lab.api("GET", "hold").body["holds"] == []


@each_scope
def test_a_node_that_fails_is_noted_and_healed_after_the_hold(lab: Lab, scope: str) -> None:
    hold(lab, scope)
    declare_site(lab, healingRules={"noticeAfter": "PT0S"})
    deliver(lab, event(f"{MACHINES}/hci-01-n2/extensions/AzureSiteRecovery", eventType=FAILED))
    lab.eventually(lambda: counts(lab).get("site-on-hold") == 1)
    await_look(lab)
    host_restarted(lab)
    await_look(lab)
    refused = lab.api("POST", "sites/hci-01/nodes/hci-01-n2/repair", {})
    assert (refused.status, refused.body["code"]) == (409, "on-hold")
    assert (repairs(lab), lab.verbs()) == ([], [])
    lift(lab, scope)
    lab.eventually(lambda: repairs(lab) != [])
    assert lab.ended(repairs(lab)[-1]["id"])["facts"]["healed"]


def begin_test_failover_by_hand(lab: Lab, vm: str) -> None:
    """In the portal, as it were: no run of the app knows of it."""
    listed = arm(lab, "GET", f"{VAULT}/replicationProtectedItems", version="2025-08-01").body["value"]
    (item,) = [one["id"] for one in listed if one["properties"]["friendlyName"] == vm]
    body = {
        "failoverDirection": "PrimaryToRecovery",
        "networkType": "VmNetworkAsInput",
        "networkId": f"{NETWORKS}/vnet-drill",
        "providerSpecificDetails": {"instanceType": "HyperVReplicaAzure"},
    }
    assert arm(lab, "POST", f"{item}/testFailover", {"properties": body}, "2025-08-01").status == 202
    lab.azure("POST", "clock", {"advance": "PT30M"})
    lab.eventually(lambda: made(lab) != [])


@each_scope
def test_an_orphan_is_cleaned_up_after_the_hold(lab: Lab, scope: str) -> None:
    declare_site(lab, orphans="clean")
    hold(lab, scope)
    begin_test_failover_by_hand(lab, "web-01")
    pass_time(lab, timedelta(hours=6))
    host_restarted(lab)
    await_look(lab)
    assert runs_of(lab, "cleanup") == []
    assert made(lab) != []
    lift(lab, scope)
    lab.eventually(lambda: made(lab) == [])


def events_of(lab: Lab, ending: str) -> list[dict[str, Any]]:
    received = [one["event"] for one in lab.azure("GET", "events")["received"]]
    return [one for one in received if one["type"].endswith(ending)]


@each_scope
def test_what_a_dead_drill_owes_is_reported_in_the_hold_and_done_after_it(lab: Lab, scope: str) -> None:
    plan(lab, "dc-01", timeToLive="PT4H", soak="PT2H")
    run = drill(lab)
    lab.eventually(lambda: made(lab) != [])
    hold(lab, scope)
    send(lab.servers.host.base, "POST", f"/runtime/webhooks/durabletask/instances/{run}/terminate?reason=test", "")
    pass_time(lab, timedelta(hours=6))
    host_restarted(lab)
    await_look(lab)
    assert ([one["kind"] for one in owed(lab)], runs_of(lab, "cleanup")) == (["cleanup"], [])
    lab.eventually(lambda: events_of(lab, "Obligation.Late") != [])
    lift(lab, scope)
    lab.eventually(lambda: owed(lab) == [])
    assert made(lab) == []


def test_a_run_that_has_begun_goes_on_and_cleans_up_after_itself(lab: Lab) -> None:
    plan(lab, "dc-01")
    run = drill(lab)
    lab.eventually(lambda: made(lab) != [])
    hold(lab, "hold")
    assert lab.ended(run)["state"] == "succeeded"
    assert (made(lab), owed(lab)) == ([], [])
