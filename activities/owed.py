"""Reading what is owed: of all that the app knows, or of some machines."""

from collections.abc import Iterable

import azure.durable_functions as df

from activities.durable_state import list_entities, read_entity
from shared.operations.durable_names import OBLIGATIONS
from shared.operations.obligations import Machines, Obligation, ObligationKind, obligations_in


async def read_all_owed(client: df.DurableFunctionsClient, kind: ObligationKind | None = None) -> list[Obligation]:
    """All that is owed, of one kind or of all."""
    return obligations_in((await list_entities(client, OBLIGATIONS)).values(), kind)


async def read_owed_by(
    client: df.DurableFunctionsClient, all_machines: Iterable[Machines], kind: ObligationKind
) -> list[Obligation]:
    """What these machines owe of a kind."""
    owed: dict[str, Obligation] = {}
    for machines in all_machines:
        table = await read_entity(client, OBLIGATIONS, machines.home.vault_key)
        owed |= {one.id: one for one in obligations_in([table], kind) if one.concerned_of(machines)}
    return list(owed.values())
