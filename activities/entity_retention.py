"""Has the engine forget entities that nobody needs any more: those that keep nothing, and those of what is gone."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import azure.durable_functions as df
from durabletask.client import EntityQuery
from durabletask.entities import EntityInstanceId, EntityMetadata

from activities.durable_state import LISTED_AT_ONCE, list_entities, own_message
from shared.arm_ids import key_of
from shared.concurrency import map_concurrently
from shared.healing.node_record import NodeRecord, is_at_rest
from shared.operations.durable_names import (
    CLUSTER_VMS,
    DOCUMENTS,
    LOST_NODES,
    NODES,
    NOTIFICATIONS,
    PLAN_HISTORY,
    RECOVERY_PLAN_MIRRORS,
    REQUEST_BUDGET,
)
from shared.operations.entity_messages import FORGET, ForgetRequest, MessageStamp, value_of

EMPTY_KEPT = timedelta(days=2)
"""How long an entity that keeps nothing remembers its messages: no queue brings one later."""
KEPT_BEYOND_RUNS = timedelta(days=7)
"""A node's next repair must not get the id of one that the engine has yet to forget."""
MOST_AT_A_TIME = 200
RULES = "notification-rule:"


class Declared(NamedTuple):
    """What is declared now: names, and keys of the sites' clusters."""

    plans: frozenset[str]
    sites: frozenset[str]
    clusters: frozenset[str]
    rules: frozenset[str] = frozenset()


async def forget_entities(
    client: df.DurableFunctionsClient, now: datetime, kept_for: timedelta, owners: Collection[str]
) -> int:
    """Ask the oldest of them to forget themselves: each does unless it was asked for something meanwhile.

    Args:
        kept_for: How long what is kept of something that is gone stays.
        owners: Runs that still owe something.
    """
    query = EntityQuery(last_modified_to=now - EMPTY_KEPT, include_state=True, page_size=LISTED_AT_ONCE)
    found = sorted(await client.get_all_entities(query), key=lambda one: one.last_modified)
    declared, gone_before = await _read_declared(client), now - kept_for - KEPT_BEYOND_RUNS
    requests: list[tuple[EntityInstanceId, ForgetRequest]] = []
    for entity in found:
        value = _value_of(entity)
        if value is None:
            requests.append((entity.id, ForgetRequest(unchanged_since=now - EMPTY_KEPT)))
        elif entity.last_modified < gone_before and is_over(entity.id, value, declared, owners):
            requests.append((entity.id, ForgetRequest(unchanged_since=gone_before, whatever_it_keeps=True)))
    if requests:  # those of the look before have forgotten themselves by now
        await client.clean_entity_storage(release_orphaned_locks=False)
    await map_concurrently(
        requests[:MOST_AT_A_TIME], lambda one: client.signal_entity(one[0], FORGET, _message_to(one[0], one[1], now))
    )
    return len(requests[:MOST_AT_A_TIME])


def _value_of(entity: EntityMetadata) -> Any:
    return value_of(entity.get_typed_state(dict))


async def _read_declared(client: df.DurableFunctionsClient) -> Declared:
    documents = await list_entities(client, DOCUMENTS)
    sites = {key.removeprefix("site:"): one for key, one in documents.items() if key.startswith("site:")}
    return Declared(
        plans=frozenset(key.removeprefix("plan:") for key in documents if key.startswith("plan:")),
        sites=frozenset(sites),
        clusters=frozenset(key_of(site["document"]["cluster"]) for site in sites.values()),
        rules=frozenset(key.removeprefix(RULES) for key in documents if key.startswith(RULES)),
    )


def is_over(entity: EntityInstanceId, value: Mapping[str, Any], declared: Declared, owners: Collection[str]) -> bool:
    """Whether what an entity keeps is of no use any more, once it has not changed for very long."""
    if entity.entity in {PLAN_HISTORY, RECOVERY_PLAN_MIRRORS}:
        return entity.key not in declared.plans
    if entity.entity in {CLUSTER_VMS, LOST_NODES}:
        return entity.key not in declared.sites
    if entity.entity == NOTIFICATIONS:
        return entity.key not in declared.rules
    if entity.entity == NODES:
        return _is_node_over(value, declared, owners)
    return entity.entity == REQUEST_BUDGET  # a bucket that nobody draws on is full, as a new one is


def _is_node_over(value: Mapping[str, Any], declared: Declared, owners: Collection[str]) -> bool:
    """Whether nothing stands of a node, or nothing goes on with it and its cluster is of no declared site."""
    record = NodeRecord.model_validate(value)
    if record.run or (record.last and record.last.run in owners):
        return False
    return is_at_rest(record) or key_of(record.cluster) not in declared.clusters


def _message_to(entity: EntityInstanceId, request: ForgetRequest, now: datetime) -> dict[str, Any]:
    stamp = MessageStamp(sender=f"retention {now.isoformat()}", number=1)
    return own_message(entity, FORGET, stamp, request.model_dump(mode="json"))
