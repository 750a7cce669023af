"""The generations of a run: what the engine forgets between them is carried on, and shown first in the next one."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, cast

from orchestrators.durable.steps import Context, Steps, now
from shared.operations.entity_messages import MessageStamp
from shared.operations.payloads import (
    PARTS_OF_A_LIVING_RUN,
    Carried,
    brief_outcome,
    is_kept_once,
    pack_document,
    pack_input,
    split_carried,
)

type Orchestrator = Callable[[Context, dict[str, Any]], Steps[dict[str, Any] | None]]


class GenerationContext:
    """The engine's context of one generation, which hands on to the next what the engine would forget."""

    def __init__(self, ctx: Context, carried: Carried) -> None:
        self._ctx = ctx
        self._carried = carried.model_copy(update={"created_at": carried.created_at or now(ctx)})
        if carried.custom_status:
            ctx.set_custom_status(carried.custom_status)

    def __getattr__(self, name: str) -> Any:
        """Everything else is the engine's."""
        return getattr(self._ctx, name)

    @property
    def last_stamp(self) -> MessageStamp:
        """Of the last message to an entity in all generations; of none yet, number 0."""
        return self._carried.last_stamp or MessageStamp(sender=self._sender, number=0)

    @last_stamp.setter
    def last_stamp(self, stamp: MessageStamp) -> None:
        self._carried = self._carried.model_copy(update={"last_stamp": stamp})

    @property
    def _sender(self) -> str:
        """The run, with its begin: some ids are used again."""
        return self._carried.sender or f"{self._ctx.instance_id}@{self._carried.created_at:%Y%m%dT%H%M%S.%f}"

    def set_custom_status(self, custom_status: Any) -> None:
        """Say how the run stands, in this generation and until the next one has more to say."""
        self._carried = self._carried.model_copy(update={"custom_status": custom_status or {}})
        self._ctx.set_custom_status(custom_status)

    def continue_as_new(self, new_input: Mapping[str, Any], *, save_events: bool = False) -> None:
        """Go on with another input."""
        self._ctx.continue_as_new(pack_input(new_input, self._carried), save_events=save_events)

    def end_in_last_generation(self, document: Mapping[str, Any], outcome: dict[str, Any]) -> None:
        """Go on once more only to end: with an input that holds the outcome in place of the run."""
        self._carried = self._carried.model_copy(update={"outcome": outcome})
        self.continue_as_new({name: document[name] for name in document.keys() - PARTS_OF_A_LIVING_RUN})


def with_generations(orchestrator: Orchestrator) -> Orchestrator:
    """The orchestrator, with inputs and outputs as the engine keeps them."""

    @wraps(orchestrator)
    def run_generation(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
        document, carried = split_carried(payload)
        generation = GenerationContext(ctx, carried)
        if carried.outcome:
            return brief_outcome(carried.outcome)
        output = yield from orchestrator(cast("Context", generation), document)
        if not isinstance(output, dict):
            return output
        packed = pack_document(output)
        if not is_kept_once(packed):
            return packed
        generation.end_in_last_generation(document, output)
        return None

    return run_generation
