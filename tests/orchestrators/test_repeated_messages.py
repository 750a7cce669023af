"""Whole runs whose messages to entities arrive again and again: they end as if each had come once."""

import random
from datetime import timedelta
from typing import Any

import pytest

from orchestrators.declare import declare
from orchestrators.durable.entities import ENTITIES
from orchestrators.verbs.drill import drill
from orchestrators.verbs.failback import failback, reprotect
from orchestrators.verbs.failover import failover
from shared.operations.entity_messages import DoneMessage, MessageMemory, MessageStamp
from shared.operations.kinds import Kind
from shared.operations.payloads import Carried, pack_input
from shared.plans.versions import DocumentChange
from tests.deep import cases
from tests.driver import Driver, Orchestrator
from tests.orchestrators.test_runbooks import HOME, Bench

WAY: tuple[tuple[Orchestrator, Kind], ...] = (
    (drill, "drill"),
    (failover, "failover"),
    (failback, "failback"),
    (reprotect, "reprotect"),
)


def whole_way(repeats: random.Random | None) -> tuple[list[str], Any, dict[str, Any]]:
    """How each verb of the way out and home ended, what was sent to Azure, and what the entities keep."""
    bench = Bench()
    bench.driver.repeats = repeats
    ends = [bench.run(verb, name, f"{name}-1").output["state"] for verb, name in WAY]
    sent = [name for name, _ in bench.driver.calls]
    return ends, sent, bench.driver.states


def test_a_change_whose_host_dies_once_it_was_sent_is_no_conflict_with_itself() -> None:
    deaths = iter([timedelta(minutes=1)])
    driver = Driver({}, dict(ENTITIES), dies=lambda step: next(deaths, None) if step.what == "put" else None)
    change = DocumentChange(document_kind="plan", name="p", action="put", document={"n": 1}, digest="one")
    first = driver.run(declare, pack_input(change.model_dump(mode="json"), Carried(sender="declare-1")), "declare-1")
    assert first.output["outcome"] == "created"
    deaths = iter([timedelta(minutes=1)])
    change = change.model_copy(update={"document": {"n": 2}, "digest": "two", "if_match": first.output["etag"]})
    again = driver.run(declare, pack_input(change.model_dump(mode="json"), Carried(sender="declare-2")), "declare-2")
    assert again.output["outcome"] == "changed"
    assert next(deaths, None) is None


def test_a_message_that_a_later_one_overtook_is_sent_anew() -> None:
    """Another host's clock is a day ahead: what it asked for last is later than anything that this run sends."""
    bench = Bench()
    overtaking = MessageStamp(sender="other", number=1, at=bench.azure.clock.now + timedelta(days=1))
    memory = MessageMemory(done=(DoneMessage(stamp=overtaking, operation="settle"),))
    bench.driver.memories[f"@obligations@{HOME.vault_key}"] = memory.model_dump(mode="json")
    assert bench.run(failover, "failover").output["state"] == "succeeded"
    assert bench.owed() == {"reprotect"}


@pytest.mark.parametrize("seed", cases(range(3), {0}))
def test_a_run_whose_messages_come_again_ends_as_if_each_had_come_once(seed: int) -> None:
    plain = whole_way(None)
    assert plain[0] == ["succeeded"] * len(WAY)
    assert whole_way(random.Random(seed)) == plain
