"""Failbacks in virtual time: what refuses them, what they wait for, and how they are sent."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from orchestrators.durable.timer_look import TimerLook
from orchestrators.verbs.azure_leftovers import settle_gone_leftovers
from orchestrators.verbs.failback import failback
from orchestrators.verbs.failover import commit
from shared.failback.leftovers import Leftover
from shared.plans.contract import DocumentsRead
from shared.site_recovery.contract import JobEnd
from shared.site_recovery.verb_options import VerbOptions
from tests.failures import failure_texts
from tests.orchestrators.azure.protected_items import FAILED_OVER
from tests.orchestrators.owed import list_owed, owed_by_kind
from tests.orchestrators.test_runbooks import BROKEN, ORDER, Bench, plan, said


@pytest.fixture
def away() -> Bench:
    """All machines run in Azure, committed, and are off at home."""
    bench = Bench()
    for vm in ORDER:
        bench.azure.items.machines[vm].reach("Commit")
    return bench


def refusal(bench: Bench) -> list[tuple[str, str]]:
    output = bench.run(failback, "failback").output
    assert output["state"] == "refused", output
    assert (bench.azure.jobs.sent, bench.held()) == ([], {})
    return [(problem["vm"], problem["code"]) for problem in output["problems"]]


def test_what_stands_in_the_way_on_premises_refuses_all_and_names_each(away: Bench) -> None:
    onsite = away.azure.on_premises
    onsite.source("sql").checkpoints = 2
    onsite.source("app").node = "n2"
    away.azure.nodes.by_name["n2"].registered = False
    assert refusal(away) == [("sql", "source-checkpoints"), ("app", "provider-not-connected")]
    assert away.azure.nodes.scripts == {}


def test_a_node_says_its_machines_in_as_many_pages_as_it_needs(away: Bench) -> None:
    away.azure.on_premises.page_size = 1
    away.azure.on_premises.source("web").checkpoints = 1
    assert refusal(away) == [("web", "source-checkpoints")]
    assert [one.partition(":")[0] for one in away.azure.on_premises.reads] == ["n1", "n2", "n1", "n1", "n1"]


def test_a_source_that_runs_refuses_the_failback_and_is_owed_from_then_on(away: Bench) -> None:
    away.azure.on_premises.source("web").state = "Running"
    assert refusal(away) == [("web", "source-running")]
    owed = owed_by_kind(away.driver.states)["source-off"]
    assert (owed["vms"], owed["leftovers"]) == (["web"], ["web: Running on n1"])
    assert refusal(away) == [("", "source-not-proven-off")]


def test_a_machine_that_is_gone_is_waited_for_and_looked_at_again_on_a_persons_word(away: Bench) -> None:
    away.azure.on_premises.missing_vms.add("app")
    began = away.driver.clock.now
    away.driver.say(timedelta(hours=1), "decide", said("resume"))
    away.driver.clock.watchers.append(
        lambda now: away.azure.on_premises.missing_vms.clear() if now - began > timedelta(hours=3) else None
    )
    away.driver.say(timedelta(hours=4), "decide", said("resume"))
    result = away.run(failback, "failback")
    assert result.output["state"] == "succeeded", result.output
    assert min(job.due for job in away.azure.jobs.by_id.values()) > began + timedelta(hours=4)
    assert [one["verdict"] for one in result.output["decisions"]] == ["resume", "resume"]


def test_whoever_has_to_do_something_by_hand_is_told_what(away: Bench) -> None:
    away.azure.on_premises.missing_vms.add("app")
    away.driver.say(timedelta(hours=1), "decide", said("abort"))
    result = away.run(failback, "failback")
    assert (result.output["state"], away.azure.jobs.sent, away.owed()) == ("aborted", [], set())
    told = [
        ask["data"] for name, ask in away.driver.calls if name == "publish_event" and ask["type"].endswith("Waiting")
    ]
    assert told[0]["vms"] == ["app"]
    assert "app is on no node of hci-01 any more" in told[0]["what"]


def test_a_failback_that_fails_for_a_machine_that_is_gone_says_what_to_do_by_hand(away: Bench) -> None:
    away.azure.jobs.failures[("web", "Failback")] = BROKEN
    away.driver.clock.watchers.append(
        lambda _: away.azure.on_premises.missing_vms.add("web") if ("web", "Failback") in away.azure.jobs.sent else None
    )
    result = away.run(failback, "failback")
    assert result.output["state"] == "failed"
    assert any(
        text.startswith("web: source-gone: web is on no node of hci-01") for text in failure_texts(result.output)
    )


def test_a_machine_that_is_busy_is_waited_for(away: Bench) -> None:
    began = away.driver.clock.now
    away.azure.items.machines["web"].busy = "UpdateVmProperties"

    def free(now: Any) -> None:
        if now - began > timedelta(minutes=20) and away.azure.items.machines["web"].busy == "UpdateVmProperties":
            away.azure.items.machines["web"].busy = "None"

    away.driver.clock.watchers.append(free)
    result = away.run(failback, "failback")
    assert result.output["state"] == "succeeded", result.output
    first = away.azure.jobs.by_id["run-1/web/Failback/1"]
    assert first.due > began + timedelta(minutes=20)


def test_a_machine_that_may_be_made_again_is_made_by_a_provider_of_its_site(away: Bench) -> None:
    away.azure.on_premises.missing_vms.add("sql")
    away.options = VerbOptions(create_vm=True, host="n2")
    for vm in ORDER:
        away.azure.on_premises.source(vm).node = "n2"
    assert away.run(failback, "failback").output["state"] == "succeeded"
    asked = [ask for name, ask in away.driver.calls if name == "start_verbs" and ask["verb"] == "Failback"]
    assert {ask["options"]["create_vm"] for ask in asked} == {True}
    assert {start["provider"] for ask in asked for start in ask["starts"]} == {"/providers/n2"}


def test_the_request_decides_on_the_order(away: Bench) -> None:
    away.options = VerbOptions(order="same")
    assert away.run(failback, "failback").output["state"] == "succeeded"
    assert [vm for vm, verb in away.azure.jobs.sent if verb == "Failback"] == list(ORDER)


def test_an_aborted_failback_cancels_no_job_and_says_so(away: Bench) -> None:
    """A job that is cancelled during the data synchronisation leaves a corrupt machine."""
    away.driver.say(timedelta(minutes=3), "decide", said("abort"))
    result = away.run(failback, "failback")
    assert result.output["state"] == "aborted"
    assert {verb for _, verb in away.azure.jobs.sent} == {"Failback"}
    assert result.output["decisions"][0]["by"] == "ann"
    assert away.azure.items.machines["web"].location == "Primary"


def test_after_an_approval_the_machines_are_looked_at_once_more(away: Bench) -> None:
    document = plan(approvals={"count": 1, "verbs": ["failback"]})
    word = {"approved": True, "person": "bob", "by": "bob", "digest": document.digest}
    away.driver.say(timedelta(hours=1), "approve", word)
    assert away.run(failback, "failback", document=document).output["state"] == "succeeded"
    assert len(away.azure.on_premises.reads) == 4


def test_a_job_that_fails_otherwise_is_told_as_it_is(away: Bench) -> None:
    away.azure.jobs.failures[("web", "Failback")] = JobEnd(
        job="", outcome="failed", state="Failed", code="559", detail="x"
    )
    result = away.run(failback, "failback")
    assert [text for text in failure_texts(result.output) if "web" in text and "559" in text]
    assert not [text for text in failure_texts(result.output) if "no node" in text]


def card(vm: str, *, loose: bool = True, created: datetime = FAILED_OVER) -> Leftover:
    kind = "Microsoft.Network/networkInterfaces"
    return Leftover(id=f"/azure/{vm}-nic", type=kind, loose=loose, created=created)


def test_what_the_commit_leaves_in_azure_is_named_and_owed(away: Bench) -> None:
    away.azure.resources.leftovers = [card("web"), card("somebody-else")]
    output = away.run(failback, "failback").output
    assert output["state"] == "succeeded"
    assert output["findings"] == ["left in Azure: /azure/web-nic"]
    assert owed_by_kind(away.driver.states)["leftovers"]["leftovers"] == ["/azure/web-nic"]


def test_what_is_left_is_removed_where_the_plan_says_so_unless_it_is_in_use_or_older(away: Bench) -> None:
    older = FAILED_OVER - timedelta(days=1)
    away.azure.resources.leftovers = [card("web"), card("app", loose=False), card("sql", created=older)]
    output = away.run(failback, "failback", document=plan(failback={"leftovers": "remove"})).output
    assert output["findings"] == [
        "removed in Azure: /azure/web-nic",
        "left in Azure: /azure/app-nic",
        "left in Azure: /azure/sql-nic",
    ]
    assert [one.id for one in away.azure.resources.leftovers] == ["/azure/app-nic", "/azure/sql-nic"]


def test_the_commit_of_a_failback_looks_for_leftovers_and_that_of_a_failover_does_not() -> None:
    for step, findings in (("Failback", ["left in Azure: /azure/web-nic"]), ("PlannedFailover", [])):
        bench = Bench()
        for vm in ORDER:
            bench.azure.items.machines[vm].reach(step)
        bench.azure.resources.leftovers = [card("web")]
        output = bench.run(commit, "commit").output
        assert (output["state"], output["findings"]) == ("succeeded", findings)


@pytest.mark.parametrize(("silent", "found"), [(4, True), (500, False)])
def test_what_cannot_be_read_before_the_commit_is_read_again_and_else_told(
    away: Bench, silent: int, *, found: bool
) -> None:
    """Four tries of the activity are over within a minute; a commit that gives up machines unseen says so."""
    away.azure.resources.leftovers = [card("web")]
    away.azure.resources.silent_reads = silent
    output = away.run(failback, "failback").output
    assert output["state"] == "succeeded"
    assert ("left in Azure: /azure/web-nic" in output["findings"]) is found
    assert any("could not be read before the commit" in finding for finding in output["findings"]) is not found


def test_what_was_left_is_crossed_out_once_it_is_gone(away: Bench) -> None:
    away.azure.resources.leftovers = [card("web")]
    away.run(failback, "failback")

    def look(ctx: Any, payload: dict[str, Any]) -> Any:
        return (yield from settle_gone_leftovers(ctx, TimerLook(DocumentsRead.model_validate(payload))))

    def book() -> dict[str, Any]:
        return {"sites": [], "plans": [], "obligations": list_owed(away.driver.states)}

    away.driver.run(look, book(), "look-1")
    assert "leftovers" in away.owed()
    away.azure.resources.leftovers = []
    away.driver.clock.advance_to(away.driver.clock.now + timedelta(hours=2))
    away.driver.run(look, book(), "look-2")
    assert "leftovers" not in away.owed()
