"""Messages to entities, made from the types of their operations, as an engine may deliver them."""

import json
import types
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, TypeAliasType, Union, get_args, get_origin

from durabletask.entities import EntityContext, EntityInstanceId
from durabletask.internal.entity_state_shim import StateShim
from durabletask.serialization import JsonDataConverter
from hypothesis import strategies as st
from pydantic import BaseModel

from orchestrators.durable.entity_operations import Entity, take_message
from shared.operations.entity_messages import LATE, MEMORY, EntityMessage, MessageStamp, value_of
from shared.operations.seals import seal_message
from tests.seals import SEAL_KEY

JSON = JsonDataConverter()
START = datetime(2026, 1, 5, 8, tzinfo=UTC)
MOMENTS = st.integers(0, 5).map(lambda minutes: (START + timedelta(minutes=minutes)).isoformat())
NAMES = st.sampled_from(["a", "b", "c"])
FAILED = {"failed": True}
MOST = 8
"""Letters of one story; each may arrive once more."""
PLAIN: Mapping[Any, st.SearchStrategy[Any]] = {
    str: NAMES,
    int: st.integers(0, 3),
    float: st.integers(0, 3).map(float),
    bool: st.booleans(),
    datetime: MOMENTS,
    timedelta: st.sampled_from(["PT1M", "PT15M"]),
    type(None): st.none(),
    None: st.none(),
    Any: NAMES,
}


def requests_of(wanted: Any) -> st.SearchStrategy[Any]:
    """Plain JSON of a type; a few names and times, so that they often meet."""
    if isinstance(wanted, TypeAliasType):
        return requests_of(wanted.__value__)
    if wanted in PLAIN:
        return PLAIN[wanted]
    if isinstance(wanted, type) and issubclass(wanted, BaseModel):
        fields = wanted.model_fields.items()
        return st.fixed_dictionaries({field.alias or name: requests_of(field.annotation) for name, field in fields})
    return _requests_of_parts(get_origin(wanted), get_args(wanted))


def _requests_of_parts(origin: Any, parts: Sequence[Any]) -> st.SearchStrategy[Any]:
    if origin is Literal:
        return st.sampled_from(parts)
    if origin in {Union, types.UnionType}:
        return st.one_of(*map(requests_of, parts))
    if origin is dict:
        return st.dictionaries(requests_of(parts[0]), requests_of(parts[1]), max_size=2)
    if origin is tuple and parts[-1] is not Ellipsis:
        return st.tuples(*map(requests_of, parts)).map(list)
    if origin in {tuple, list}:
        return st.lists(requests_of(parts[0]), max_size=2)
    raise AssertionError(f"nobody has said how {origin}[{parts}] is made up: add it here")


class Letter(NamedTuple):
    """One message as it was sent."""

    operation: str
    message: EntityMessage

    @property
    def stamp(self) -> MessageStamp:
        """Who sent it when."""
        return self.message.stamp

    @property
    def at(self) -> datetime | None:
        """When it was sent; None of one that is never late."""
        return self.stamp.at

    @property
    def key(self) -> tuple[str, int]:
        """Which one it is."""
        return self.stamp.sender, self.stamp.number


@st.composite
def letters_to(draw: st.DrawFn, entity: Entity, *, timeless: bool) -> list[Letter]:
    """Some letters to an entity in the order in which they were sent, each with its stamp; some have no time."""
    letters: list[Letter] = []
    at, numbers = START, dict[str, int]()
    for _ in range(draw(st.integers(1, MOST))):
        at += timedelta(seconds=draw(st.integers(1, 2)))
        sender, operation = draw(NAMES), draw(st.sampled_from(sorted(entity.operations)))
        numbers[sender] = numbers.get(sender, 0) + 1
        has_time = not timeless or draw(st.integers(0, 9)) > 0
        stamp = MessageStamp(sender=sender, number=numbers[sender], at=at if has_time else None)
        request = draw(requests_of(entity.operations[operation].request))
        letters.append(Letter(operation, EntityMessage(stamp=stamp, request=request)))
    return letters


@st.composite
def deliveries_to(draw: st.DrawFn, entity: Entity, *, timeless: bool = True) -> list[Letter]:
    """Letters in the order in which they arrive: each at least once, most of them somewhere else than they should."""
    letters = draw(letters_to(entity, timeless=timeless))
    again = draw(st.lists(st.sampled_from(letters), max_size=MOST))
    return draw(st.permutations([*letters, *again]))


class Mailbox:
    """One entity that takes letters, through the same door as the engine's."""

    def __init__(self, name: str, entity: Entity) -> None:
        self.name, self.entity = name, entity
        self.state: Any = None

    @property
    def value(self) -> Any:
        """What it keeps, plain JSON."""
        return value_of(self.state)

    def deliver(self, letter: Letter) -> Any:
        """Have a letter's answer; that of one that fails is FAILED."""
        shim = StateShim(self.state, JSON)
        identity = EntityInstanceId(self.name, "one")
        plain = letter.message.model_dump(mode="json", exclude={"seal"})
        given = seal_message(SEAL_KEY, self.name, identity.key, letter.operation, plain)
        try:
            context = EntityContext("run-1", letter.operation, shim, identity, JSON)
            answer = json.loads(json.dumps(take_message(self.name, self.entity, context, given)))
        except ValueError:
            return FAILED
        self.state = json.loads(json.dumps(shim.get_state()))
        return answer


class ForgetfulMailbox(Mailbox):
    """An entity as it was before it remembered its messages: each one that arrives is done."""

    def deliver(self, letter: Letter) -> Any:
        """Forget what was done, and do it."""
        if self.state:
            self.state = {**self.state, MEMORY: None}
        return super().deliver(letter)


def is_late(answer: Any) -> bool:
    """Whether a message was sent back."""
    return isinstance(answer, dict) and LATE in answer
