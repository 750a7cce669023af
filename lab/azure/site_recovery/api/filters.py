"""$filter of Site Recovery's lists: `Key eq 'value'` joined by `and` and `or`, with parentheses."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from lab.azure.simulator.answers import Json, bad_request
from lab.azure.site_recovery.api.times import parse_time

type Test = Callable[[Json], bool]
type Keys = Mapping[str, Callable[[Json, str], bool]]

_TOKEN = re.compile(r"\s*(\(|\)|'(?:[^']|'')*'|[^\s()']+)")
_EQUALS = "eq"


def parse_filter(text: str | None, keys: Keys) -> Test:
    """A test made of a filter; `keys` says how each key compares a record with a value, names in lower case.

    Raises:
        ArmError: 400 for a filter that cannot be understood or names a key that is not known.
    """
    if not text or not text.strip():
        return lambda _: True
    tokens = _TOKEN.findall(text)
    test, rest = _parse_alternatives(tokens, keys)
    if rest:
        raise _filter_error(f"unexpected {rest[0]}")
    return test


def _parse_alternatives(tokens: list[str], keys: Keys) -> tuple[Test, list[str]]:
    test, rest = _parse_conjunction(tokens, keys)
    while rest and rest[0].lower() == "or":
        other, rest = _parse_conjunction(rest[1:], keys)
        test = _either(test, other)
    return test, rest


def _parse_conjunction(tokens: list[str], keys: Keys) -> tuple[Test, list[str]]:
    test, rest = _parse_comparison(tokens, keys)
    while rest and rest[0].lower() == "and":
        other, rest = _parse_comparison(rest[1:], keys)
        test = _both(test, other)
    return test, rest


def _parse_comparison(tokens: list[str], keys: Keys) -> tuple[Test, list[str]]:
    if tokens and tokens[0] == "(":
        test, rest = _parse_alternatives(tokens[1:], keys)
        if not rest or rest[0] != ")":
            raise _filter_error("a parenthesis is not closed")
        return test, rest[1:]
    if len(tokens) < 3 or tokens[1].lower() != _EQUALS:
        raise _filter_error("Key eq 'value' is expected")
    key, value = tokens[0].lower(), tokens[2].strip("'").replace("''", "'")
    if key not in keys:
        raise _filter_error(f"unknown key {tokens[0]}")
    return _compare(keys[key], value), tokens[3:]


def _compare(key: Callable[[Json, str], bool], value: str) -> Test:
    return lambda record: key(record, value)


def _either(one: Test, other: Test) -> Test:
    return lambda record: one(record) or other(record)


def _both(one: Test, other: Test) -> Test:
    return lambda record: one(record) and other(record)


def filter_time(text: str) -> datetime:
    """A time in a filter: as Site Recovery writes times, or "8/18/2017 2:05:00 AM".

    Raises:
        ArmError: 400 for anything else.
    """
    try:
        if "/" in text:
            return datetime.strptime(text, "%m/%d/%Y %I:%M:%S %p").replace(tzinfo=UTC)
        return parse_time(text)
    except ValueError as error:
        raise _filter_error(f"not a time: {text}") from error


def _filter_error(what: str) -> Exception:
    return bad_request("BadRequest", f"The filter is not valid: {what}.")
