"""How an entity does its operations: each message once, none that is late, and a repeated one answered as before."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from durabletask.entities import EntityContext
from pydantic import TypeAdapter

from shared.operations.durable_names import UNSEALED_ENTITIES
from shared.operations.entity_messages import (
    FORGET,
    LATE,
    MEMORY,
    READS,
    VALUE,
    DoneMessage,
    EntityMessage,
    ForgetRequest,
    MessageMemory,
    Order,
    value_of,
)
from shared.operations.seals import is_own_message
from shared.settings import SealSettings

_adapter_of = cache(TypeAdapter)
"""Building one takes longer than most operations."""


@dataclass(frozen=True)
class Operation:
    """One operation of an entity.

    Attributes:
        run: From the value and the request to the new value and the answer, plain JSON. Pure.
        request: The type of the request.
        reads: It changes nothing, so that it may be done as often as it arrives.
    """

    run: Callable[[Any, Any], tuple[Any, Any]]
    request: Any
    reads: bool = False


@dataclass(frozen=True)
class Entity:
    """An entity and its operations.

    Attributes:
        value: The type of what it keeps.
        empty: What it keeps at first.
        order: Which messages have to be done in the order in which they were sent.
        remembers: How many messages.
    """

    value: Any
    empty: Any
    operations: Mapping[str, Operation]
    order: Order = "entity"
    remembers: int = 16

    def load_value(self, plain: Any) -> Any:
        """The value from plain JSON."""
        return self.empty if plain is None else _adapter_of(self.value).validate_python(plain)

    def dump_value(self, value: Any) -> Any:
        """The value as plain JSON; None for the empty one."""
        return None if value == self.empty else _adapter_of(self.value).dump_python(value, mode="json")


class Foreign(Exception):
    """The app has not sent this message."""


def take_message(name: str, entity: Entity, ctx: EntityContext, given: Any) -> Any:
    """Do what a message of the app asks for, unless it was done, or comes too late.

    Raises:
        Foreign: the app has not sent it; nothing is done.
    """
    _require_own(name, ctx, given)
    if ctx.operation == FORGET:
        return _forget_entity(ctx, ForgetRequest.model_validate(EntityMessage.model_validate(given).request))
    operation = entity.operations.get(ctx.operation)
    if operation is None:
        raise ValueError(f"the entity {name} has no operation {ctx.operation}")
    message, state = EntityMessage.model_validate(given), ctx.get_state(dict, {})
    if operation.reads:
        return _run_operation(entity, operation, state, message)[1]
    memory = MessageMemory.model_validate(state.get(MEMORY) or {})
    if done := memory.find_done(ctx.operation, message.stamp):
        return done.answer
    if later := memory.find_later(message.stamp, entity.order):
        return {LATE: later.isoformat()}
    value, answer = _run_operation(entity, operation, state, message)
    memory = memory.with_done(
        DoneMessage(stamp=message.stamp, operation=ctx.operation, answer=answer), entity.remembers
    )
    ctx.set_state({VALUE: value, MEMORY: memory.model_dump(mode="json", exclude_defaults=True)})
    return answer


def _require_own(name: str, ctx: EntityContext, given: Any) -> None:
    """See that the app has sealed the message, where that is wanted: always of one that has the state removed."""
    if ctx.operation in READS or (name in UNSEALED_ENTITIES and ctx.operation != FORGET):
        return
    keys = SealSettings.from_environment(os.environ).seal_keys
    if not isinstance(given, dict) or not is_own_message(keys, name, ctx.entity_id.key, ctx.operation, given):
        raise Foreign(f"{name}: a message {ctx.operation!r} that this app has not sent was not done")


def _forget_entity(ctx: EntityContext, request: ForgetRequest) -> bool:
    """Remove the state, unless it has been asked for since; an entity without a state does not exist."""
    state = ctx.get_state(dict, {})
    last_at = MessageMemory.model_validate(state.get(MEMORY) or {}).last_at
    if last_at is not None and last_at >= request.unchanged_since:
        return False
    if value_of(state) is not None and not request.whatever_it_keeps:
        return False
    ctx.set_state(None)
    return True


def _run_operation(
    entity: Entity, operation: Operation, state: Mapping[str, Any], message: EntityMessage
) -> tuple[Any, Any]:
    """The new value and the answer, plain JSON."""
    request = _adapter_of(operation.request).validate_python(message.request)
    value, answer = operation.run(entity.load_value(value_of(state)), request)
    return entity.dump_value(value), answer
