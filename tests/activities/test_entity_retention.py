"""Which entities are asked to forget themselves, and which never are."""

from datetime import timedelta
from typing import Any, cast

import azure.durable_functions as df
import pytest
from durabletask.entities import EntityMetadata

from activities.entity_retention import EMPTY_KEPT, KEPT_BEYOND_RUNS, MOST_AT_A_TIME
from activities.run_retention import purge_ended_runs
from shared.operations import durable_names as names
from shared.operations.contract import PurgeEndedRuns
from shared.operations.entity_messages import FORGET, EntityMessage, ForgetRequest
from tests.triggers.engine_states import BEGAN, EngineClient, entity_of

RETENTION = timedelta(days=90)
LONG_AGO, LATELY = timedelta(days=98), timedelta(days=96)
CLUSTER = "/subscriptions/s/resourceGroups/g/providers/Microsoft.AzureStackHCI/clusters/hci-01"
OTHER = CLUSTER.replace("hci-01", "hci-09")
SITE = entity_of(names.DOCUMENTS, "site:hci-01", {"document": {"cluster": CLUSTER}}, LONG_AGO)
PLAN = entity_of(names.DOCUMENTS, "plan:payroll", {"document": {"site": "hci-01"}}, LONG_AGO)
LAST = {"run": "repair-n1-1", "ending": "failed", "at": "2025-01-01T00:00:00Z"}


def node(age: timedelta = LONG_AGO, **record: Any) -> EntityMetadata:
    return entity_of(names.NODES, "s|g|n1", {"machine_id": "n1", "cluster": CLUSTER, **record}, age)


async def asked(*entities: EntityMetadata, keep: tuple[str, ...] = ()) -> list[str]:
    """Ids of those that are asked to forget themselves, of these beside a site and a plan."""
    client = EngineClient([], entities=[SITE, PLAN, *entities])
    purged = await purge_ended_runs(cast("df.DurableFunctionsClient", client), PurgeEndedRuns(now=BEGAN, keep=keep))
    assert {operation for _, operation, _ in client.signals} <= {FORGET}
    assert purged.entities == len(client.signals)
    assert client.cleaned == bool(client.signals)
    return [entity for entity, _, _ in client.signals]


@pytest.mark.parametrize("name", [names.DOCUMENTS, names.LEASES, names.OBLIGATIONS, names.CLUSTER_QUEUE, names.HOLDS])
async def test_what_keeps_nothing_is_forgotten_after_two_days(name: str) -> None:
    assert await asked(entity_of(name, "old", None, EMPTY_KEPT * 1.1)) == [f"@{name}@old"]
    assert await asked(entity_of(name, "new", None, EMPTY_KEPT * 0.9)) == []


@pytest.mark.parametrize("name", [names.PLAN_HISTORY, names.RECOVERY_PLAN_MIRRORS])
async def test_what_is_remembered_of_a_withdrawn_plan_is_forgotten_a_week_after_its_runs(name: str) -> None:
    assert RETENTION + KEPT_BEYOND_RUNS == (LONG_AGO + LATELY) / 2
    assert await asked(entity_of(name, "gone", {"a": 1}, LONG_AGO)) == [f"@{name}@gone"]
    assert await asked(entity_of(name, "gone", {"a": 1}, LATELY)) == []
    assert await asked(entity_of(name, "payroll", {"a": 1}, LONG_AGO * 9)) == []


@pytest.mark.parametrize("name", [names.LOST_NODES, names.CLUSTER_VMS])
async def test_what_is_known_of_a_cluster_is_forgotten_with_its_site(name: str) -> None:
    assert await asked(entity_of(name, "gone", {"n1": {"reason": "scrap"}}, LONG_AGO)) == [f"@{name}@gone"]
    assert await asked(entity_of(name, "hci-01", {"n1": {"reason": "scrap"}}, LONG_AGO)) == []


@pytest.mark.parametrize("record", [{}, {"episode": 3, "last": LAST}, {"cluster": OTHER, "quarantined": True}], ids=str)
async def test_a_node_of_which_nothing_stands_is_forgotten(record: dict[str, Any]) -> None:
    assert await asked(node(**record)) == ["@nodes@s|g|n1"]
    assert await asked(node(LATELY, **record)) == []


@pytest.mark.parametrize(
    "record",
    [
        {"run": "repair-n1-1"},
        {"run": "repair-n1-1", "cluster": OTHER},
        {"quarantined": True},
        {"symptom": "extension-failed"},
        {"reported_symptom": "*"},
    ],
    ids=str,
)
async def test_a_node_with_which_something_is_the_matter_is_remembered(record: dict[str, Any]) -> None:
    assert await asked(node(**record)) == []


async def test_a_node_is_remembered_while_its_last_repair_still_owes_something() -> None:
    """That run is not forgotten either, and the node's next repair would get its id."""
    assert await asked(node(last=LAST), keep=("repair-n1-1",)) == []


@pytest.mark.parametrize(
    ("name", "key"),
    [(names.TIMER_LOOKS, "timer"), (names.EVENT_COUNTS, "events"), (names.OBLIGATIONS, "gone"), (names.LEASES, "v")],
)
async def test_what_is_owed_held_or_counted_is_never_forgotten(name: str, key: str) -> None:
    assert await asked(entity_of(name, key, {"a": 1}, LONG_AGO * 9)) == []


async def test_the_message_says_since_when_nothing_may_have_been_asked() -> None:
    client = EngineClient(
        [], entities=[entity_of(names.REQUEST_BUDGET, "s", {"reads": None}, LONG_AGO), node(EMPTY_KEPT * 2)]
    )
    await purge_ended_runs(cast("df.DurableFunctionsClient", client), PurgeEndedRuns(now=BEGAN))
    (message,) = [EntityMessage.model_validate(message) for _, _, message in client.signals]
    request = ForgetRequest.model_validate(message.request)
    assert request.whatever_it_keeps
    assert BEGAN - request.unchanged_since == RETENTION + KEPT_BEYOND_RUNS


async def test_the_oldest_go_first_and_not_too_many_at_a_time() -> None:
    many = [entity_of(names.OBLIGATIONS, f"p{day}", None, timedelta(days=day)) for day in range(3, MOST_AT_A_TIME + 5)]
    ids = await asked(*many)
    assert len(ids) == MOST_AT_A_TIME
    assert "@obligations@p3" not in ids
