"""The part of the Kusto query language that infra/queries uses: queries can be run on lines that the code wrote.

What is not known here is an error. Times are aware; a value that is missing is None, and text of None is empty, as in
Kusto. `arg_max(x, *)` and joins are not known.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

type Row = dict[str, Any]
type Tables = dict[str, list[Row]]
type Value = Callable[[Row], Any]
"""An expression, of a row."""

_TOKEN = re.compile(
    r'\s*(?:(?P<text>"[^"]*")|(?P<span>\d+[mhd]\b)|(?P<number>\d+)|(?P<name>[A-Za-z_]\w*)|(?P<sign>==|=~|\.\.|[=<>|(),.]))'
)
_SPANS = {"m": "minutes", "h": "hours", "d": "days"}
_AGGREGATES = {"count", "sum", "min", "max", "minif", "arg_max"}


def run_query(text: str, tables: Tables, now: datetime) -> list[Row]:
    """The rows that a query gives.

    Raises:
        ValueError: it uses what is not known here.
    """
    reader = _Reader(text, tables, now)
    rows = reader.read_pipeline()
    if reader.tokens:
        raise ValueError(f"not understood: {reader.tokens[:5]}")
    return rows


class _Reader:
    def __init__(self, text: str, tables: Tables, now: datetime) -> None:
        self.tables, self.now = tables, now
        self.tokens: list[str] = []
        at, text = 0, text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if not found:
                raise ValueError(f"not understood: {text[at : at + 40]!r}")
            self.tokens.append(found.group().strip())
            at = found.end()

    def look(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def take(self, wanted: str = "") -> str:
        if not self.tokens or (wanted and self.tokens[0] != wanted):
            raise ValueError(f"{wanted or 'something'} is missing before {self.tokens[:5]}")
        return self.tokens.pop(0)

    def read_pipeline(self) -> list[Row]:
        rows = self._read_source()
        while self.look() == "|":
            self.take()
            rows = getattr(self, f"_{self.take()}")(rows)
        return rows

    def _read_source(self) -> list[Row]:
        name = self.take()
        if name != "union":
            return [dict(row) for row in self.tables[name]]
        for token in ("isfuzzy", "=", "true"):
            self.take(token)
        rows = []
        while self.look() == "(" or self.look() == ",":
            self.take()
            if self.look() != "(":
                rows += self.read_pipeline()
                self.take(")")
        return rows

    def _where(self, rows: list[Row]) -> list[Row]:
        holds = self.read_or()
        return [row for row in rows if holds(row)]

    def _extend(self, rows: list[Row]) -> list[Row]:
        columns = list(self._read_columns())
        return [{**row, **{name: value(row) for name, value in columns}} for row in rows]

    def _project(self, rows: list[Row]) -> list[Row]:
        columns = list(self._read_columns())
        return [{name: value(row) for name, value in columns} for row in rows]

    def _order(self, rows: list[Row]) -> list[Row]:
        self.take("by")
        value, is_down = self.read_or(), self.take() == "desc"
        return sorted(rows, key=value, reverse=is_down)

    def _render(self, rows: list[Row]) -> list[Row]:
        self.take("timechart")
        return rows

    def _summarize(self, rows: list[Row]) -> list[Row]:
        aggregates = list(self._read_aggregates())
        keys: list[tuple[str, Value]] = []
        if self.look() == "by":
            self.take()
            keys = list(self._read_columns())
        groups: dict[tuple[Any, ...], list[Row]] = {} if keys else {(): []}
        for row in rows:
            groups.setdefault(tuple(value(row) for _, value in keys), []).append(row)
        names = [name for name, _ in keys]
        return [_summary(dict(zip(names, key, strict=True)), held, aggregates) for key, held in groups.items()]

    def _read_columns(self) -> Iterator[tuple[str, Value]]:
        while True:
            name = self.tokens[0]
            if self.tokens[1:2] == ["="]:
                self.take()
                self.take("=")
            elif self.tokens[1:2] == ["("]:
                name = self.tokens[2]  # bin(TimeGenerated, 15m) keeps the column's name
            yield name, self.read_or()
            if self.look() != ",":
                return
            self.take()

    def _read_aggregates(self) -> Iterator[Callable[[Sequence[Row]], Row]]:
        while True:
            name = ""
            if self.tokens[1:2] == ["="]:
                name = self.take()
                self.take("=")
            yield self._read_aggregate(name)
            if self.look() != ",":
                return
            self.take()

    def _read_aggregate(self, name: str) -> Callable[[Sequence[Row]], Row]:
        kind = self.take()
        if kind not in _AGGREGATES:
            raise ValueError(f"the aggregate {kind} is not known here")
        named = self._read_arguments()
        if kind == "arg_max":
            return lambda rows: _arg_max(rows, named)
        return lambda rows: {name: _aggregate(kind, rows, [argument for _, argument in named])}

    def _read_arguments(self) -> list[tuple[str, Value]]:
        """Each with the name of its column, if it is one."""
        self.take("(")
        arguments: list[tuple[str, Value]] = []
        while self.look() != ")":
            arguments.append((self.look(), self.read_or()))
            if self.look() in {",", ".."}:
                self.take()
        self.take(")")
        return arguments

    def read_or(self) -> Value:
        value = self.read_and()
        while self.look() == "or":
            self.take()
            value = _either(value, self.read_and())
        return value

    def read_and(self) -> Value:
        value = self._read_comparison()
        while self.look() == "and":
            self.take()
            value = _both(value, self._read_comparison())
        return value

    def _read_comparison(self) -> Value:
        left, sign = self._read_value(), self.look()
        if sign in {"in", "between"}:
            self.take()
            arguments = [argument for _, argument in self._read_arguments()]
            return _member(left, arguments) if sign == "in" else _within(left, *arguments)
        if sign in _COMPARISONS:
            self.take()
            return _compared(_COMPARISONS[sign], left, self._read_value())
        return left

    def _read_value(self) -> Value:
        token = self.take()
        if token.startswith('"'):
            return _constant(token[1:-1])
        if token in {"true", "false"}:
            return _constant(token == "true")
        if token[-1] in _SPANS and token[:-1].isdigit():
            return _constant(timedelta(**{_SPANS[token[-1]]: int(token[:-1])}))
        if token.isdigit():
            return _constant(int(token))
        if token == "(":
            value = self.read_or()
            self.take(")")
            return value
        if self.look() == "(":
            return self._read_call(token)
        value = _column(token)
        while self.look() == ".":
            self.take()
            value = _member_of(value, self.take())
        return value

    def _read_call(self, name: str) -> Value:
        arguments = [argument for _, argument in self._read_arguments()]
        if name == "ago":
            return lambda row: self.now - arguments[0](row)
        function = _FUNCTIONS[name]
        return lambda row: function(*(argument(row) for argument in arguments))


def _summary(row: Row, held: Sequence[Row], aggregates: Sequence[Callable[[Sequence[Row]], Row]]) -> Row:
    for make in aggregates:
        row |= make(held)
    return row


def _constant(value: Any) -> Value:
    return lambda _row: value


def _column(name: str) -> Value:
    return lambda row: row[name]


def _member_of(value: Value, name: str) -> Value:
    def member(row: Row) -> Any:
        held = value(row)
        return held.get(name) if isinstance(held, dict) else None

    return member


def _either(one: Value, other: Value) -> Value:
    return lambda row: bool(one(row)) or bool(other(row))


def _both(one: Value, other: Value) -> Value:
    return lambda row: bool(one(row)) and bool(other(row))


def _compared(compare: Callable[[Any, Any], bool], one: Value, other: Value) -> Value:
    return lambda row: compare(one(row), other(row))


def _member(value: Value, among: Sequence[Value]) -> Value:
    return lambda row: value(row) in [each(row) for each in among]


def _within(value: Value, low: Value, high: Value) -> Value:
    return lambda row: (held := value(row)) is not None and low(row) <= held <= high(row)


def _aggregate(kind: str, rows: Sequence[Row], arguments: Sequence[Value]) -> Any:
    if kind == "count":
        return len(rows)
    chosen = [row for row in rows if kind != "minif" or arguments[1](row)]
    values = [value for row in chosen if (value := arguments[0](row)) is not None]
    if kind == "sum":
        return sum(values)
    return (max if kind == "max" else min)(values, default=None)


def _arg_max(rows: Sequence[Row], named: Sequence[tuple[str, Value]]) -> Row:
    greatest = max(rows, key=named[0][1])
    return {name: value(greatest) for name, value in named}


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _to_text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def _to_int(value: Any) -> int | None:
    return int(value) if str(value).lstrip("-").isdigit() else None


def _extract(pattern: str, group: int, text: str) -> str:
    found = re.search(pattern, text)
    return found.group(group) if found else ""


def _bin(moment: datetime, size: timedelta) -> datetime:
    start = datetime(2000, 1, 1, tzinfo=UTC)
    return start + (moment - start) // size * size


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda one, other: one is not None and one == other,
    "=~": lambda one, other: str(one).lower() == str(other).lower(),
    ">": lambda one, other: one is not None and one > other,
    "startswith": lambda one, other: str(one).lower().startswith(str(other).lower()),
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "bin": _bin,
    "extract": _extract,
    "hash": hash,
    "iff": lambda condition, holds, otherwise: holds if condition else otherwise,
    "isempty": lambda value: not value,
    "isnotempty": bool,
    "parse_json": _parse,
    "strcat": lambda *parts: "".join(map(_to_text, parts)),
    "strlen": len,
    "substring": lambda text, start: text[start:],
    "tobool": lambda value: value if isinstance(value, bool) else None,
    "todatetime": lambda value: datetime.fromisoformat(value) if value else None,
    "toint": _to_int,
    "tostring": _to_text,
}
