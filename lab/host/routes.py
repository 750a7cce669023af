"""Route templates of HTTP triggers, matched as ASP.NET does."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote
from uuid import UUID

PARAMETER = re.compile(
    r"\{(?P<all>\*{0,2})(?P<name>\w+)(?P<constraints>(?::(?:[^{}()=?]|\([^()]*\)|\{[^{}]*\})+)*?)"
    r"(?:=(?P<default>[^{}]*))?(?P<optional>\?)?\}"
)


class BadRoute(ValueError):
    """A template that says nothing we know."""


def _accepts_value(parse: Callable[[str], object]) -> Callable[[str, str], bool]:
    def check(value: str, _argument: str) -> bool:
        try:
            parse(value)
        except ValueError:
            return False
        return True

    return check


def _has_length(value: str, argument: str) -> bool:
    low, _, high = argument.partition(",")
    return int(low) <= len(value) <= int(high or low)


def _is_in_range(value: str, argument: str) -> bool:
    low, _, high = argument.partition(",")
    return _is_int(value, "") and int(low) <= int(value) <= int(high)


_is_int = _accepts_value(int)

CONSTRAINTS: Mapping[str, Callable[[str, str], bool]] = {
    "int": _is_int,
    "long": _is_int,
    "decimal": _accepts_value(float),
    "double": _accepts_value(float),
    "float": _accepts_value(float),
    "guid": _accepts_value(UUID),
    "datetime": _accepts_value(datetime.fromisoformat),
    "bool": lambda value, _: value.lower() in {"true", "false"},
    "alpha": lambda value, _: re.fullmatch("[A-Za-z]*", value) is not None,
    "length": _has_length,
    "minlength": lambda value, argument: len(value) >= int(argument),
    "maxlength": lambda value, argument: len(value) <= int(argument),
    "min": lambda value, argument: _is_int(value, "") and int(value) >= int(argument),
    "max": lambda value, argument: _is_int(value, "") and int(value) <= int(argument),
    "range": _is_in_range,
    "regex": lambda value, argument: re.search(argument, value) is not None,
    "required": lambda value, _: value != "",
}


@dataclass(frozen=True)
class Parameter:
    """A part of a path that varies."""

    name: str
    constraints: tuple[tuple[str, str], ...]
    default: str | None
    optional: bool

    def accepts(self, value: str) -> bool:
        """Whether every constraint holds."""
        return all(CONSTRAINTS[name](value, argument) for name, argument in self.constraints)


class Route:
    """A template such as `plans/{plan}/vms/{count:int?}`; literals match in any casing."""

    def __init__(self, template: str) -> None:
        self.template = template.strip("/")
        self._parameters: list[Parameter] = []
        segments = [segment for segment in self.template.split("/") if segment]
        patterns = [self._segment_pattern(number, segment) for number, segment in enumerate(segments)]
        self._pattern = re.compile("".join(patterns), re.IGNORECASE)

    def match_path(self, path: str) -> dict[str, str] | None:
        """The values of the parameters, or None if the path is not this route's."""
        found = self._pattern.fullmatch(path.strip("/"))
        if found is None:
            return None
        values: dict[str, str] = {}
        for parameter in self._parameters:
            raw = found[parameter.name]
            value = parameter.default if raw is None else unquote(raw)
            if value is None:
                continue
            if not parameter.accepts(value):
                return None
            values[parameter.name] = value
        return values

    def _segment_pattern(self, number: int, segment: str) -> str:
        slash = "/" if number else ""
        parts, end = [], 0
        whole = PARAMETER.fullmatch(segment)
        for found in PARAMETER.finditer(segment):
            parts.append(re.escape(segment[end : found.start()]))
            parts.append(self._read_parameter(found))
            end = found.end()
        expression = "".join(parts) + re.escape(segment[end:])
        if whole and (whole["optional"] or whole["default"] is not None or whole["all"]):
            return f"(?:{slash}{expression})?"
        return slash + expression

    def _read_parameter(self, found: re.Match[str]) -> str:
        parts = re.split(r":(?![^(]*\))", found["constraints"])
        constraints = tuple(_read_constraint(part) for part in parts if part)
        self._parameters.append(Parameter(found["name"], constraints, found["default"], bool(found["optional"])))
        return f"(?P<{found['name']}>{'.*' if found['all'] else '[^/]+?'})"


def _read_constraint(written: str) -> tuple[str, str]:
    name, _, argument = written.partition("(")
    if name.lower() not in CONSTRAINTS:
        raise BadRoute(f"unknown route constraint: {written}")
    return name.lower(), argument.removesuffix(")")
