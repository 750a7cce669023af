"""Whether a template takes what it is given: names, types, allowed values and limits."""

from collections.abc import Iterator, Mapping
from typing import Any

from tools.arm.expressions import WrongTemplate

_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "securestring": str,
    "int": int,
    "bool": bool,
    "array": list,
    "object": dict,
    "secureobject": dict,
}


def require_parameters(template: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Refuse what ARM would refuse.

    Raises:
        WrongTemplate: with each place that is wrong.
    """
    declared, definitions = template.get("parameters", {}), template.get("definitions", {})
    wrong = [f"{name}: there is no such parameter" for name in given if name not in declared]
    for name, schema in declared.items():
        resolved = _resolve(schema, definitions)
        if name in given:
            wrong += _faults(resolved, definitions, given[name], name)
        elif "defaultValue" not in schema and not resolved.get("nullable"):
            wrong.append(f"{name}: a value is missing")
    if wrong:
        raise WrongTemplate("; ".join(wrong))


def _resolve(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    return {**_resolve(definitions[reference.rpartition("/")[2]], definitions), **schema} if reference else schema


def _faults(unresolved: Mapping[str, Any], definitions: Mapping[str, Any], value: Any, place: str) -> Iterator[str]:
    schema = _resolve(unresolved, definitions)
    if value is None and schema.get("nullable"):
        return
    kind = schema["type"].lower()
    if not isinstance(value, _KINDS[kind]) or (kind == "int" and isinstance(value, bool)):
        yield f"{place}: {value!r} is no {schema['type']}"
        return
    if "allowedValues" in schema and not _is_allowed(schema["allowedValues"], value):
        yield f"{place}: {value!r} is not one of {schema['allowedValues']}"
    yield from _beyond_limits(schema, value, place)
    if isinstance(value, list) and "items" in schema:
        for index, each in enumerate(value):
            yield from _faults(schema["items"], definitions, each, f"{place}[{index}]")
    if isinstance(value, dict) and "properties" in schema:
        yield from _faults_of_properties(schema, definitions, value, place)


def _is_allowed(allowed: list[Any], value: Any) -> bool:
    return all(each in allowed for each in value) if isinstance(value, list) else value in allowed


def _beyond_limits(schema: Mapping[str, Any], value: Any, place: str) -> Iterator[str]:
    size, what = (value, "Value") if isinstance(value, int) else (len(value), "Length")
    if size < schema.get(f"min{what}", size) or size > schema.get(f"max{what}", size):
        yield f"{place}: {value!r} is beyond {schema.get(f'min{what}')} to {schema.get(f'max{what}')}"


def _faults_of_properties(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], value: Mapping[str, Any], place: str
) -> Iterator[str]:
    for name in value:
        if name not in schema["properties"]:
            yield f"{place}.{name}: there is no such property"
    for name, below in schema["properties"].items():
        if name in value:
            yield from _faults(below, definitions, value[name], f"{place}.{name}")
        elif not _resolve(below, definitions).get("nullable"):
            yield f"{place}.{name}: a value is missing"
