"""`python -m lab trace OPERATION`: the trace of one run as a tree, read from the app's OTLP file."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from lab.servers import LabFailed

FILE = "telemetry.jsonl"
"""In the state folder; a full one becomes FILE.1."""
FOLDED_FROM = 3
"""So many spans of one name under one parent are one line."""
ERROR = 2
SHOWN = ("hci.vm", "hci.code", "http.response.status_code", "az.client_request_id", "hci.state")
type Node = tuple["Span", ...]


class Span(NamedTuple):
    """One span of the file; times are seconds since 1970."""

    trace: str
    id: str
    parent: str
    name: str
    began: float
    ended: float
    attributes: Mapping[str, Any]
    error: str

    @property
    def is_of_run(self) -> bool:
        """Whether its times are those of the durable clock."""
        return self.name.split(" ")[0] in {"run", "phase", "stage", "vm"}


def describe_trace(state: Path, operation: str) -> list[str]:
    """The lines to print.

    Raises:
        LabFailed: there is no file, or nothing of this run in it.
    """
    spans = {span.id: span for span in read_spans(state)}  # who recorded one twice recorded the same
    started = {span.trace for span in spans.values() if span.attributes.get("hci.started_run") == operation}
    traces = started or {span.trace for span in spans.values() if span.attributes.get("hci.run") == operation}
    if not traces:
        raise LabFailed(f"nothing of {operation} is in {state / FILE}: has it begun, in this lab?")
    found = [span for span in spans.values() if span.trace in traces]
    lines = ["run, phase, stage, vm: by the lab's clock; all else: real time"]
    for trace in sorted(traces):
        lines += [f"trace {trace}", *_tree_lines([span for span in found if span.trace == trace])]
    return lines


def read_spans(state: Path) -> Iterator[Span]:
    """Every span of the file and of the one before it; a line that was not written to its end is left out.

    Raises:
        LabFailed: there is no file.
    """
    files = [path for path in (state / f"{FILE}.1", state / FILE) if path.exists()]
    if not files:
        raise LabFailed(f"there is no {state / FILE}: was the lab started with `make lab`?")
    for path in files:
        for line in path.read_text().splitlines():
            try:
                yield from _spans_of(json.loads(line))
            except ValueError:
                continue


def _spans_of(message: Mapping[str, Any]) -> Iterator[Span]:
    for resource in message.get("resourceSpans", ()):
        for scope in resource["scopeSpans"]:
            yield from map(_span_of, scope["spans"])


def _span_of(span: Mapping[str, Any]) -> Span:
    status = span.get("status", {})
    return Span(
        trace=span["traceId"],
        id=span["spanId"],
        parent=span.get("parentSpanId", ""),
        name=span["name"],
        began=int(span["startTimeUnixNano"]) / 1e9,
        ended=int(span["endTimeUnixNano"]) / 1e9,
        attributes={one["key"]: next(iter(one["value"].values())) for one in span.get("attributes", ())},
        error=status.get("message", "failed") if status.get("code") == ERROR else "",
    )


def _tree_lines(spans: Sequence[Span]) -> Iterator[str]:
    children: dict[str, list[Span]] = defaultdict(list)
    known = {span.id for span in spans}
    for span in sorted(spans, key=lambda span: (not span.is_of_run, span.began)):
        children[span.parent if span.parent in known else ""].append(span)
    yield from _branch_lines(children, "", "")


def _branch_lines(children: Mapping[str, Sequence[Span]], parent: str, indent: str) -> Iterator[str]:
    nodes = list(_fold(children.get(parent, ()), children))
    for place, node in enumerate(nodes):
        is_last = place == len(nodes) - 1
        yield f"{indent}{'└─ ' if is_last else '├─ '}{_describe(node)}"
        yield from _branch_lines(
            children, node[0].id if len(node) == 1 else "?", indent + ("   " if is_last else "│  ")
        )


def _fold(spans: Iterable[Span], children: Mapping[str, Sequence[Span]]) -> Iterator[Node]:
    """The spans of one parent: many of one name that all went well are one node, VMs and what failed stand alone."""
    groups: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        groups[_shape(span, children)].append(span)
    for group in groups.values():
        yield from [tuple(group)] if len(group) >= FOLDED_FROM else [(span,) for span in group]


def _shape(span: Span, children: Mapping[str, Sequence[Span]]) -> str:
    """What spans have to have in common to be shown as one: their names, down to the last, and that none failed."""
    if span.is_of_run or span.error:
        return span.id
    below = sorted({_shape(child, children) for child in children.get(span.id, ())})
    is_read = span.attributes.get("http.request.method", "GET") == "GET"
    return f"{span.name}({','.join(below)})" if is_read else span.id


def _describe(node: Node) -> str:
    span = node[0]
    if len(node) > 1:
        took = sum(one.ended - one.began for one in node)
        return f"{span.name}  {len(node)} times, {_duration(took)} in all"
    shown = [str(span.attributes[name]) for name in SHOWN if name in span.attributes]
    at = f"{datetime.fromtimestamp(span.began, UTC):%H:%M:%S}"
    failed = [f"FAILED: {span.error}"] if span.error else []
    return "  ".join([span.name, at, _duration(span.ended - span.began), *shown, *failed])


def _duration(seconds: float) -> str:
    if seconds >= 60:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
