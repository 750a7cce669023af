"""What crosses a durable boundary and is read again by a later release: inputs, activities, entities, outcomes.

A later release reads what an earlier one has written: it may add fields that have a default. It may not drop one, ask
for one that was not there, or change a default, because what is as it is by default is left out of what a run carries.
"""

import math
from collections.abc import Iterator, Mapping
from importlib import import_module
from operator import itemgetter
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

import shared
from orchestrators.durable.entities import REGISTERED
from orchestrators.registry import ORCHESTRATORS
from orchestrators.verbs.source_power import SourceCheck
from shared.activity import Activity
from shared.evidence.administration import AdministrationRecord
from shared.healing.repair import Repair
from shared.notifications.contract import NotifyOrder
from shared.onboarding.preparation import PrepareOrder
from shared.operations.contract import PublishEvent
from shared.operations.entity_messages import EntityMessage, MessageMemory
from shared.operations.holds import HoldChange
from shared.operations.obligations import SettlementOrder
from shared.operations.payloads import Carried
from shared.plans.versions import DocumentChange
from shared.recovery.guarded_change import GuardedChange
from shared.recovery.operation import Operation
from shared.recovery.outcome import Outcome
from shared.recovery_plans.mirror import MirrorOrder
from shared.replication.run import ReplicationOrder
from shared.sites.lost_nodes import LostNodeChange
from shared.sites.operation import SiteOperation

MESSAGES = "messages.json"

TIGHTER_ABOVE = ("minimum", "exclusiveMinimum", "minLength", "minItems")
TIGHTER_BELOW = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")

INPUTS: Mapping[str, Any] = dict.fromkeys(ORCHESTRATORS, Operation) | {
    "change": GuardedChange,
    "change_hold": HoldChange,
    "change_lost_node": LostNodeChange,
    "settle_obligation": SettlementOrder,
    "check_health": None,
    "declare_document": DocumentChange,
    "mirror": MirrorOrder,
    "preflight": SiteOperation,
    "prepare": PrepareOrder,
    "notify": NotifyOrder,
    "prove_sources_off": SourceCheck,
    "publish_event": PublishEvent,
    "reconcile": None,
    "record_administration": AdministrationRecord,
    "repair": Repair,
    "replication": ReplicationOrder,
    "verify": SiteOperation,
    "watch_nodes": None,
}
"""What each orchestrator starts from and carries over; None for those that carry nothing."""


def activities() -> dict[str, Activity[Any, Any]]:
    """All activities by name."""
    package = Path(shared.__path__[0])
    modules = (".".join(path.relative_to(package.parent).with_suffix("").parts) for path in package.rglob("*.py"))
    found = [v for module in modules if not module.endswith("__init__") for v in vars(import_module(module)).values()]
    return {one.name: one for one in found if isinstance(one, Activity)}


def _roots() -> Iterator[tuple[str, Any]]:
    yield from (("carried", Carried), ("entity message", EntityMessage), ("entity memory", MessageMemory))
    yield "outcome", Outcome
    yield from ((f"input of {name}", model) for name, model in INPUTS.items() if model)
    for name, activity in activities().items():
        yield from ((f"request of {name}", activity.request), (f"answer of {name}", activity.answer))
    for name, entity in REGISTERED.items():
        yield f"value of {name}", entity.value
        for operation_name, operation in entity.operations.items():
            if operation.request is not None:
                yield f"{name}.{operation_name}", operation.request


def describe_messages() -> dict[str, Any]:
    """The JSON schema of each message by what it is, without what people read; types that several have once."""
    described: dict[str, Any] = {}
    types: dict[str, Any] = {}
    for name, model in sorted(_roots(), key=itemgetter(0)):
        schema = _without_prose(TypeAdapter(model).json_schema(mode="validation"))
        for type_name, type_schema in schema.pop("$defs", {}).items():
            assert types.setdefault(type_name, type_schema) == type_schema, f"two types are called {type_name}"
        described[name] = schema
    return {"messages": described, "types": types}


def _without_prose(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_prose(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: {field: _without_prose(part) for field, part in value.items()}
        if name in {"properties", "$defs"}
        else _without_prose(value)
        for name, value in schema.items()
        if name not in {"title", "description"}
    }


def breaks_between(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Where what was written as `then` is not read, or is read as something else, as it is described `now`."""
    reader = _Reader(then["types"], now["types"])
    for name, schema in then["messages"].items():
        if name not in now["messages"]:
            yield f"{name} is no more"
        else:
            yield from reader.breaks(schema, now["messages"][name], name)


class _Reader:
    """Compares two descriptions; a pair of types that refer to each other is looked at once."""

    def __init__(self, types_then: Mapping[str, Any], types_now: Mapping[str, Any]) -> None:
        self._then, self._now = types_then, types_now
        self._compared: set[tuple[str, str]] = set()

    def breaks(self, then: Any, now: Any, where: str) -> list[str]:
        """What of the one the other does not take."""
        pair = (str(then), str(now))
        if pair in self._compared or now == {} or now is True:
            return []
        if "$ref" in then or "$ref" in now:
            self._compared |= {pair} if "$ref" in then and "$ref" in now else set()
            return self.breaks(_resolve(then, self._then), _resolve(now, self._now), where)
        if "anyOf" in then:
            return [found for one in then["anyOf"] for found in self.breaks(one, now, where)]
        if "anyOf" in now:
            choices = [self.breaks(then, one, where) for one in now["anyOf"]]
            return [] if [] in choices else [f"{where} takes no {_kind_of(then)} any more", *min(choices, key=len)]
        return [*_breaks_in_kind(then, now, where), *self._breaks_within(then, now, where)]

    def _breaks_within(self, then: Any, now: Any, where: str) -> list[str]:
        found = [
            broken
            for part in ("items", "additionalProperties")
            if isinstance(then.get(part), dict)
            for broken in self.breaks(then[part], now.get(part, True), f"{where}[]")
        ]
        fields, fields_now = then.get("properties", {}), now.get("properties", {})
        for name, field in fields.items():
            if name in fields_now:
                found += self.breaks(field, fields_now[name], f"{where}.{name}")
                if field.get("default") != fields_now[name].get("default") and name not in then.get("required", ()):
                    found.append(f"{where}.{name} has another default")
            else:
                found.append(f"{where}.{name} is no more")
        needed = set(now.get("required", ())) - set(then.get("required", ()))
        return [*found, *(f"{where}.{name} is asked for, and was not written" for name in sorted(needed))]


def _resolve(schema: Any, types: Mapping[str, Any]) -> Any:
    return types[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _kind_of(schema: Any) -> str:
    return str(schema.get("format") or schema.get("type") or schema.get("enum") or schema.get("const"))


def _values_of(schema: Any) -> set[Any]:
    return set(schema.get("enum", [schema["const"]] if "const" in schema else []))


def _breaks_in_kind(then: Any, now: Any, where: str) -> Iterator[str]:
    """Another type, a value that is not taken any more, a tighter bound."""
    for what in ("type", "format", "pattern", "prefixItems", "propertyNames"):
        if what in now and then.get(what) != now[what]:
            yield f"{where} has another {what}"
    values, values_now = _values_of(then), _values_of(now)
    if values_now and not (values and values <= values_now):
        yield f"{where} does not take every value any more"
    for bound in TIGHTER_ABOVE:
        if bound in now and now[bound] > then.get(bound, -math.inf):
            yield f"{where} has a tighter {bound}"
    for bound in TIGHTER_BELOW:
        if bound in now and now[bound] < then.get(bound, math.inf):
            yield f"{where} has a tighter {bound}"
