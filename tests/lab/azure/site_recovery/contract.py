"""Checks exchanges against the OpenAPI fixtures: names of properties, types, enums and discriminators, both ways."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

type Json = dict[str, Any]

FIXTURES = Path(__file__).parents[3] / "fixtures" / "openapi"
TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}


@cache
def contract() -> Json:
    """All fixtures as one; those of other providers than Site Recovery begin the names of their schemas with theirs."""
    merged: Json = {"paths": {}, "components": {"schemas": {}}}
    for file in sorted(FIXTURES.glob("*.json")):
        loaded: Json = json.loads(file.read_text())
        merged["paths"] |= loaded["paths"]
        merged["components"]["schemas"] |= loaded["components"]["schemas"]
    return merged


@cache
def _patterns() -> list[tuple[re.Pattern[str], Json]]:
    """Paths as patterns, those with fewer parameters first."""
    paths = sorted(contract()["paths"].items(), key=lambda entry: entry[0].count("{"))
    return [(re.compile(re.sub(r"{\w+}", "[^/]+", path) + "$", re.IGNORECASE), ops) for path, ops in paths]


def operation_of(method: str, path: str) -> Json | None:
    """The operation that a request is, or None for polling links, which no contract names."""
    for pattern, operations in _patterns():
        if pattern.match(path) and method.lower() in operations:
            return dict(operations[method.lower()])
    return None


def complaints(schema: Json, value: Any, where: str = "") -> Iterator[str]:
    """What of a value does not fit a schema; null fits any, since the services answer it anywhere."""
    if value is None:
        return
    schema = _resolved(schema, value)
    expected = schema.get("type", "object" if "properties" in schema else None)
    if expected and (not isinstance(value, TYPES[expected]) or (expected == "integer" and isinstance(value, bool))):
        yield f"{where}: {value!r} is no {expected}"
        return
    if schema.get("enum") and str(value).lower() not in {str(each).lower() for each in schema["enum"]}:
        yield f"{where}: {value!r} is not one of {schema['enum']}"
    if isinstance(value, list):
        for at, each in enumerate(value):
            yield from complaints(schema.get("items", {}), each, f"{where}[{at}]")
    elif isinstance(value, dict):
        yield from _of_object(schema, value, where)


def _of_object(schema: Json, value: Json, where: str) -> Iterator[str]:
    declared = schema.get("properties", {})
    for name in schema.get("required", []):
        if value.get(name) is None:
            yield f"{where}.{name} is required"
    for name, each in value.items():
        if name in declared:
            yield from complaints(declared[name], each, f"{where}.{name}")
        elif declared and not schema.get("additionalProperties"):
            yield f"{where}.{name} is not in the contract"


def _resolved(schema: Json, value: Any) -> Json:
    """A schema without references, with the subtype that the value's discriminator names."""
    schema = _followed(schema)
    mapping = schema.get("discriminator", {}).get("mapping", {})
    if isinstance(value, dict) and mapping:
        named = mapping.get(value.get(schema["discriminator"]["propertyName"]))
        schema = _followed({"$ref": named}) if named else schema
    return schema


def _followed(schema: Json) -> Json:
    if "$ref" in schema:
        return _followed(contract()["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    merged: Json = {key: each for key, each in schema.items() if key != "allOf"}
    for part in schema.get("allOf", []):
        whole = _followed(part)
        properties = whole.get("properties", {}) | merged.get("properties", {})
        required = [*whole.get("required", []), *merged.get("required", [])]
        merged = whole | merged | {"properties": properties, "required": required}
        merged.pop("discriminator", None)
    return merged


def exchange_complaints(method: str, path: str, sent: Any, status: int, received: Any) -> list[str]:
    """What of one exchange does not fit the contract."""
    operation = operation_of(method, path)
    if operation is None:
        return []
    found = []
    if str(status) not in operation["responses"] and status < 400:
        found.append(f"status {status} is not in the contract")
    if sent is not None and "requestBody" in operation:
        found += complaints(operation["requestBody"]["schema"], sent, "request")
    schema = operation["responses"].get(str(status) if status < 400 else "default")
    if received is not None and schema:
        found += complaints(schema, received, "response")
    return [f"{method} {path.partition('/providers/')[2]}: {each}" for each in found]
