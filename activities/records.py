"""What the app remembers of nodes, read from its own engine."""

import azure.durable_functions as df
from durabletask.entities import EntityInstanceId

from activities.app_contract import ReadRuns
from activities.node_contract import ReadRecords, RecordsRead
from activities.runs import read_runs
from shared.azure.crowd import each
from shared.records import NodeRecord, key_of


async def read_records(client: df.DurableFunctionsClient, ask: ReadRecords) -> RecordsRead:
    """Read each node's record, and see which of their runs ended without a word: terminated, or lost."""
    found = await each(ask.machines, lambda machine: read_record(client, machine))
    records = tuple(record for record in found if record)
    runs = tuple(record.run for record in records if record.run)
    return RecordsRead(records=records, ended=(await read_runs(client, ReadRuns(ids=runs))).ended)


async def read_record(client: df.DurableFunctionsClient, machine_id: str) -> NodeRecord | None:
    """What is remembered of one node, None when that is nothing."""
    entity = await client.get_entity(EntityInstanceId("nodes", key_of(machine_id)))
    state = entity.get_typed_state(dict) if entity else None
    return NodeRecord.model_validate(state) if state else None
