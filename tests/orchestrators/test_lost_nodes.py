"""A node that never comes back: what others can say counts, and for the rest a person's word, which is recorded."""

from datetime import timedelta
from typing import Any

import pytest

from orchestrators.change_lost_node import change_lost_node
from orchestrators.reconcile.reconcile import reconcile
from orchestrators.verbs.failback import failback
from orchestrators.verbs.failover import failover
from orchestrators.verbs.source_power import prove_sources
from shared.operations.obligations import Obligation
from shared.site_recovery.verb_options import VerbOptions
from shared.sites.lost_nodes import LostNodeOutcome, lost_node_sentence
from tests.orchestrators.owed import owed_by_kind
from tests.orchestrators.test_runbooks import SITE, Bench, check, plan


@pytest.fixture
def lost_site() -> Bench:
    """All machines run in Azure after an unplanned failover, and n2 never comes back."""
    bench = Bench()
    bench.azure.documents.sites = {"hci-01": SITE}
    bench.azure.documents.plans = {"payroll": plan()}
    bench.options = VerbOptions(failover_type="unplanned")
    assert bench.run(failover, "failover", "failover-1").output["state"] == "succeeded"
    bench.options = VerbOptions()
    bench.azure.runs.ended.add("failover-1")
    bench.azure.nodes.by_name["n2"].status = "Disconnected"
    return bench


def change(bench: Bench, action: str = "declare", run: str = "lost-1", **changes: Any) -> LostNodeOutcome:
    """A change as the HTTP function has it made."""
    facts = {"site": "hci-01", "node": "n2", "reason": "its board is scrap", "by": "ann"}
    given = {"id": run, "action": action, "confirmed": lost_node_sentence("n2"), **facts, **changes}
    return LostNodeOutcome.model_validate(bench.driver.run(change_lost_node, given, run).output)


def proof(bench: Bench) -> Obligation | None:
    owed = owed_by_kind(bench.driver.states).get("source-off")
    return Obligation.model_validate(owed) if owed else None


def look(bench: Bench, after: timedelta) -> list[str]:
    """The timer looks, and the proofs that it starts are run."""
    bench.azure.clock.advance_to(bench.azure.clock.now + after)
    run = f"reconcile-{bench.azure.clock.now:%m%d%H%M%S}"
    started: list[str] = bench.driver.run(reconcile, {}, run).output["started"]
    for start in bench.azure.runs.started:
        if start.orchestrator == "prove_sources_off" and start.id in started:
            bench.driver.run(prove_sources, start.payload, start.id)
            bench.azure.runs.ended.add(start.id)
    return started


def test_what_is_off_on_a_node_that_answers_is_proven_although_another_one_is_silent(lost_site: Bench) -> None:
    assert check(lost_site) == {"running": [], "silent": ["n2"]}
    assert proof(lost_site) is None
    assert lost_site.run(failback, "failback", "failback-1").output["state"] == "succeeded"


def test_what_is_seen_nowhere_stays_unproven_while_a_node_is_silent(lost_site: Bench) -> None:
    lost_site.azure.on_premises.missing_vms.add("app")
    check(lost_site)
    owed = proof(lost_site)
    assert owed
    assert owed.leftovers == ("app: seen on no node that has answered", "n2: it is Disconnected")
    (refused,) = lost_site.run(failback, "failback", "failback-1").output["problems"]
    assert refused["code"] == "source-not-proven-off"
    assert "/lost" in refused["detail"]


def test_what_runs_on_a_node_that_answers_is_not_proven_by_anybodys_word(lost_site: Bench) -> None:
    change(lost_site)
    lost_site.azure.on_premises.source("sql").state = "Running"
    for _ in range(3):
        look(lost_site, timedelta(minutes=30))
    owed = proof(lost_site)
    assert owed
    assert owed.leftovers == ("sql: Running on n1",)


def test_a_persons_word_for_a_lost_node_closes_the_proof_at_the_next_look(lost_site: Bench) -> None:
    lost_site.azure.on_premises.missing_vms.add("app")
    for _ in range(12):
        look(lost_site, timedelta(days=2))
    assert proof(lost_site)
    change(lost_site)
    look(lost_site, timedelta(minutes=5))
    assert proof(lost_site) is None


def test_the_word_stands_in_the_runs_findings_and_its_evidence(lost_site: Bench) -> None:
    lost_site.azure.on_premises.missing_vms.add("app")
    change(lost_site)
    look(lost_site, timedelta(minutes=30))
    lost_site.options = VerbOptions(create_vm=True, host="n1")
    output = lost_site.run(failback, "failback", "failback-1").output
    assert output["state"] == "succeeded", output
    (word,) = [text for text in output["findings"] if "declared lost" in text]
    assert "by ann" in word
    assert "its board is scrap" in word
    assert lost_node_sentence("n2") in word
    written = str([ask for name, ask in lost_site.driver.calls if name == "write_evidence_records"])
    assert "lostNode" in written


def test_a_failback_onto_a_silent_node_names_the_way_out(lost_site: Bench) -> None:
    check(lost_site)
    lost_site.azure.on_premises.missing_vms.add("app")
    (refused,) = lost_site.run(failback, "failback", "failback-1").output["problems"]
    assert (refused["vm"], refused["code"], "/lost" in refused["detail"]) == ("app", "source-unread", True)
    change(lost_site)
    lost_site.driver.say(timedelta(hours=1), "decide", {"verdict": "abort", "by": "ann"})
    waited = lost_site.run(failback, "failback", "failback-2").output
    assert waited["state"] == "aborted"  # it waited for a machine that is on no node any more


def test_in_the_middle_of_a_run_the_word_counts_at_its_next_look(lost_site: Bench) -> None:
    """The run waits for one machine; then the node dies as well, and is declared lost."""
    check(lost_site)
    lost_site.azure.nodes.by_name["n2"].status = "Connected"
    lost_site.azure.on_premises.missing_vms.add("app")
    began = lost_site.driver.clock.now

    def happen(now: Any) -> None:
        if now - began > timedelta(hours=1):
            lost_site.azure.nodes.by_name["n2"].status = "Disconnected"
            lost_site.azure.on_premises.missing_vms.clear()

    lost_site.driver.clock.watchers.append(happen)
    change(lost_site)
    lost_site.driver.say(timedelta(hours=2), "decide", {"verdict": "resume", "by": "ann"})
    output = lost_site.run(failback, "failback", "failback-1").output
    assert output["state"] == "succeeded", output
    assert [text for text in output["findings"] if "declared lost" in text]


def test_a_node_that_is_back_has_to_answer_for_itself(lost_site: Bench) -> None:
    change(lost_site)
    lost_site.azure.nodes.by_name["n2"].status = "Connected"
    lost_site.azure.on_premises.source("sql").state = "Running"
    lost_site.azure.on_premises.source("sql").node = "n2"
    look(lost_site, timedelta(minutes=30))
    owed = proof(lost_site)
    assert owed
    assert owed.leftovers == ("sql: Running on n2",)


def test_a_word_that_is_withdrawn_counts_no_longer(lost_site: Bench) -> None:
    lost_site.azure.on_premises.missing_vms.add("app")
    change(lost_site)
    assert change(lost_site, "withdraw", "lost-2", node="N2.corp.local").outcome == "withdrawn"
    assert change(lost_site, "withdraw", "lost-3").outcome == "missing"
    look(lost_site, timedelta(minutes=30))
    assert proof(lost_site)


def test_a_word_for_another_site_counts_for_nothing_here(lost_site: Bench) -> None:
    lost_site.azure.on_premises.missing_vms.add("app")
    change(lost_site, site="hci-02")
    look(lost_site, timedelta(minutes=30))
    assert proof(lost_site)


def test_the_word_twice_is_one_and_is_told_once(lost_site: Bench) -> None:
    assert change(lost_site).outcome == "declared"
    second = change(lost_site, run="lost-2", by="bob", reason="mine")
    assert second.lost
    assert (second.outcome, second.lost.by, second.lost.reason) == ("unchanged", "ann", "its board is scrap")
    events = [start.payload for start in lost_site.azure.runs.started if start.orchestrator == "publish_event"]
    assert [event["type"] for event in events if ".Node." in event["type"]] == ["HciSiteRecovery.Node.Lost"]


def test_with_all_nodes_lost_the_whole_proof_is_a_persons_word(lost_site: Bench) -> None:
    """A site that burnt down: nobody answers, and each node has its own word."""
    lost_site.azure.nodes.by_name["n1"].status = "Expired"
    change(lost_site)
    look(lost_site, timedelta(minutes=30))
    assert proof(lost_site)
    change(lost_site, run="lost-2", node="n1", confirmed=lost_node_sentence("n1"))
    look(lost_site, timedelta(minutes=5))
    assert proof(lost_site) is None
