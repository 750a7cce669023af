"""What is remembered of a node, as runs ask its entity."""

from typing import Literal

from orchestrators.durable.steps import Context, Steps, call_entity
from shared.arm_ids import key_of
from shared.healing.node_record import EndRepair, LastRepair, NodeAnswer, NodeRecord
from shared.messages import Message
from shared.operations.durable_names import NODES
from shared.sites.site import HealingRules


def ask_node_record(
    ctx: Context,
    machine_id: str,
    operation: Literal["begin_repair", "save_extension", "end_repair", "note_symptom", "note_left_scripts"],
    request: Message,
) -> Steps[NodeAnswer]:
    """Do one operation on the record of a node."""
    answer = yield from call_entity(ctx, NODES, key_of(machine_id), operation, request.model_dump(mode="json"))
    return NodeAnswer.model_validate(answer)


def record_ending(ctx: Context, machine_id: str, last: LastRepair, rules: HealingRules) -> Steps[NodeRecord]:
    """Enter how a repair ended; the record then says whether and when the next one may begin."""
    request = EndRepair(last=last, max_attempts=rules.max_attempts, pause=rules.pause)
    return (yield from ask_node_record(ctx, machine_id, "end_repair", request)).record
