"""ARM's functions that need nothing but their arguments, as far as our templates use them."""

import base64
import ipaddress
import json
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tools.arm.expressions import WrongTemplate

NAMESPACE = uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")
"""Ours are as stable as ARM's, and other ones: its algorithm is not documented."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


def make_guid(*parts: Any) -> str:
    """As stable as ARM's."""
    return str(uuid.uuid5(NAMESPACE, "-".join(map(str, parts))))


def unique_string(*parts: Any) -> str:
    """Thirteen letters and digits, as ARM's."""
    number = uuid.uuid5(NAMESPACE, "-".join(map(str, parts))).int
    return "".join(_LETTERS[number >> 5 * place & 31] for place in range(13))


def format_text(pattern: str, *values: Any) -> str:
    """Numbered places, and doubled braces for single ones."""

    def replaced(found: re.Match[str]) -> str:
        return {"{{": "{", "}}": "}"}.get(found.group()) or to_text(values[int(found.group("place"))])

    return re.sub(r"\{\{|\}\}|\{(?P<place>\d+)\}", replaced, pattern)


def to_text(value: Any) -> str:
    """As ARM writes a value into a text."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _union(*values: Any) -> Any:
    if all(isinstance(value, Mapping) for value in values):
        return {key: held for value in values for key, held in value.items()}
    kept: list[Any] = []
    for each in (each for value in values for each in value):
        if each not in kept:
            kept.append(each)
    return kept


def _concat(*values: Any) -> Any:
    if isinstance(values[0], list):
        return [each for value in values for each in value]
    return "".join(map(to_text, values))


def _try_get(value: Any, *keys: Any) -> Any:
    for key in keys:
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value


def _subnet(network: str, size: int, index: int) -> str:
    return str(list(ipaddress.ip_network(network).subnets(new_prefix=size))[index])


def _equals(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one.lower() == other.lower()
    return bool(one == other)


def _objects(*pairs: Any) -> dict[str, Any]:
    return dict(zip(pairs[::2], pairs[1::2], strict=True))


def _contains(held: Any, wanted: Any) -> bool:
    return bool(wanted in held)


def _fail(message: str) -> None:
    raise WrongTemplate(message)


def _first_not_null(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "cidrsubnet": _subnet,
    "coalesce": _first_not_null,
    "concat": _concat,
    "contains": _contains,
    "createarray": lambda *values: list(values),
    "createobject": _objects,
    "empty": lambda value: not value,
    "equals": _equals,
    "fail": _fail,
    "false": lambda: False,
    "flatten": lambda values: [each for value in values for each in value],
    "format": format_text,
    "greater": lambda one, other: one > other,
    "guid": make_guid,
    "indexof": lambda values, wanted: values.index(wanted) if wanted in values else -1,
    "join": lambda values, between: between.join(values),
    "last": lambda values: values[-1],
    "length": len,
    "max": lambda *values: max(values),
    "not": lambda value: not value,
    "null": lambda: None,
    "replace": lambda text, old, new: text.replace(old, new),
    "startswith": lambda text, start: text.lower().startswith(start.lower()),
    "split": lambda text, at: text.split(at),
    "string": to_text,
    "tolower": lambda text: text.lower(),
    "true": lambda: True,
    "tryget": _try_get,
    "union": _union,
    "uniquestring": unique_string,
}


def call_function(name: str, arguments: Sequence[Any]) -> Any:
    """What a function gives.

    Raises:
        WrongTemplate: it is not known here, or not with these arguments.
    """
    known = FUNCTIONS.get(name.lower())
    if known is None:
        raise WrongTemplate(f"the function {name} is not known here")
    try:
        return known(*arguments)
    except (TypeError, ValueError, IndexError, AttributeError) as wrong:
        raise WrongTemplate(f"{name}({', '.join(map(to_text, arguments))}): {wrong}") from wrong
