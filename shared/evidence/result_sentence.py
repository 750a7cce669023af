"""What came of a run, or how it stands, in one sentence: what a reader of its report wants to know first. Pure."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from shared.evidence.report_sections import obstacle_text, plain_text
from shared.evidence.time_line import parse_time
from shared.wording import and_more, format_duration, list_briefly

SHOWN_VMS = 3
NO_COUNT = frozenset({"preflight", "verify", "prepare", "repair", "mirror", "change"})
"""Runs that are not about VMs."""


def describe_result(operation: Mapping[str, Any]) -> str:
    """One sentence, and a second one where something is owed."""
    sentence = _describe_end(operation) if operation["state"] in ENDED_STATES else _describe_progress(operation)
    owed = [one for one in operation.get("obligations", ()) if one.get("owner") == operation["id"]]
    kinds = list_briefly(list(dict.fromkeys(one["kind"] for one in owed)))
    return f"{sentence} Still owed: {kinds}." if owed else sentence


ENDED_STATES = frozenset({"succeeded", "failed", "aborted"})


def _describe_progress(operation: Mapping[str, Any]) -> str:
    progress = operation.get("progress") or {}
    noun = "steps" if operation["kind"] == "prepare" else "VMs"
    count = f"{progress['completed']} of {progress['total']} {noun} done" if progress else "under way"
    if operation["state"] == "waiting":
        return f"Waiting for a person ({count}): {_without_stop(operation.get('waitingForText') or 'a decision')}."
    awaited = operation.get("waitingForText")
    return f"Not ended: {count}{f', waiting for {_without_stop(awaited)}' if awaited else ''}."


def _describe_end(operation: Mapping[str, Any]) -> str:
    obstacles, failures = operation.get("obstacles", ()), operation.get("failures", ())
    if obstacles:
        return f"Refused, and nothing was changed: {_first_of(obstacles)}."
    ending = {"succeeded": "Succeeded", "failed": "Failed", "aborted": "Aborted by a person"}[operation["state"]]
    parts = [ending, _count_text(operation), _time_text(operation)]
    head = " ".join(filter(None, (f"{ending}:" if parts[1] else ending, *parts[1:])))
    if operation.get("verdict"):
        return f"{head}. {operation['verdict']}"
    reason = f"; {_first_of(failures)}" if failures else ""
    return f"{head}{reason}."


def _count_text(operation: Mapping[str, Any]) -> str:
    items: Sequence[Mapping[str, Any]] = operation.get("items", ())
    if not items or operation["kind"] in NO_COUNT:
        return ""
    bad = [item["vm"] for item in items if item["state"] not in {"done", "kept"}]
    text = f"{len(items) - len(bad)} of {len(items)} VMs done"
    return f"{text}, not {list_briefly(bad, SHOWN_VMS)}" if bad else text


def _time_text(operation: Mapping[str, Any]) -> str:
    began, ended = parse_time(operation.get("startedAt")), parse_time(operation.get("endedAt"))
    return f"in {format_duration(max(ended - began, timedelta(0)))}" if began and ended else ""


def _first_of(reasons: Sequence[Mapping[str, Any] | str]) -> str:
    first = obstacle_text(reasons[0]) if isinstance(reasons[0], Mapping) else plain_text(reasons[0])
    return f"{_without_stop(first)}{and_more(len(reasons) - 1)}"


def _without_stop(text: str) -> str:
    return text.rstrip(". ")
