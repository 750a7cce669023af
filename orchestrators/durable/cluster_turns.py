"""The queue of a cluster: who may install or remove extensions on its nodes, one run at a time."""

from orchestrators.durable.dead_runs import ask_past_dead_runs
from orchestrators.durable.steps import Context, Steps, call_entity
from shared.arm_ids import key_of
from shared.healing.cluster_queue import JoinQueue, QueuePosition, QueueTurn
from shared.operations.durable_names import CLUSTER_QUEUE


def join_cluster_queue(ctx: Context, cluster_id: str, turn: QueueTurn) -> Steps[QueuePosition]:
    """Join the queue, or keep the place there; a run at its head that is dead is taken out.

    Raises:
        Transient: whether the run at the head still lives could not be read.
    """

    def join(ended: tuple[str, ...]) -> Steps[QueuePosition]:
        request = JoinQueue(turn=turn, ended=ended).model_dump(mode="json")
        answer = yield from call_entity(ctx, CLUSTER_QUEUE, key_of(cluster_id), "join", request)
        return QueuePosition.model_validate(answer)

    return (yield from ask_past_dead_runs(ctx, join, lambda place: (place.first,) if place.ahead else ()))


def leave_cluster_queue(ctx: Context, cluster_id: str, run: str) -> Steps[None]:
    """Let the next run have its turn; nothing happens where this one is not in the queue."""
    yield from call_entity(ctx, CLUSTER_QUEUE, key_of(cluster_id), "leave", run)
