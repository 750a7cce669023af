"""Recorded runs as files: what happened, and what the runbook asked for each time it was dispatched.

A generation's events are kept once; an episode is a cut through them. JSON that travels may gain fields, and loses or
changes none: so values are compared as far as they were recorded.
"""

import base64
import gzip
import json
from collections.abc import Iterator, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any, NamedTuple

import durabletask.internal.orchestrator_service_pb2 as pb

from tests.driver import Episode, Orchestrator, execute
from tests.histories.released import RECORDS
from tests.release import RELEASE

PREPARED = RECORDS / RELEASE
"""Where runs of the release that is being prepared are recorded."""


class Dispatch(NamedTuple):
    """One dispatch as it was recorded."""

    before: list[pb.HistoryEvent]
    new: list[pb.HistoryEvent]
    asked: list[dict[str, Any]]


def dump(instance: str, episodes: Sequence[Episode]) -> str:
    """A recorded run as text: one line a generation, so that files differ where runs do."""
    lines = [json.dumps({"instance": instance})]
    for one in _generations(episodes):
        events = [*one[-1].before, *one[-1].new]
        cuts = [[len(episode.before), len(episode.new)] for episode in one]
        asked = [[told(action) for action in episode.actions] for episode in one]
        body = pb.OrchestratorRequest(pastEvents=events).SerializeToString(deterministic=True)
        lines.append(json.dumps({"events": _pack(body), "cuts": cuts, "asked": _pack(json.dumps(asked).encode())}))
    return "\n".join(lines) + "\n"


def _generations(episodes: Sequence[Episode]) -> list[list[Episode]]:
    """An episode without a past begins a generation."""
    found: list[list[Episode]] = []
    for episode in episodes:
        if not episode.before:
            found.append([])
        found[-1].append(episode)
    return found


def _pack(raw: bytes) -> str:
    return base64.b64encode(gzip.compress(raw, mtime=0)).decode()


def _unpack(text: str) -> bytes:
    return gzip.decompress(base64.b64decode(text))


def load(path: Path) -> tuple[str, list[Dispatch]]:
    """A recorded run: the id of the instance, and its dispatches in order."""
    first, *lines = path.read_text().splitlines()
    return str(json.loads(first)["instance"]), [one for line in lines for one in _dispatches(json.loads(line))]


def runbook_of(run: Sequence[Dispatch]) -> str:
    """The name under which the engine began it."""
    return next(str(event.executionStarted.name) for event in run[0].new if event.HasField("executionStarted"))


def _dispatches(generation: dict[str, Any]) -> Iterator[Dispatch]:
    request = pb.OrchestratorRequest()
    request.ParseFromString(_unpack(generation["events"]))
    events, asked = list(request.pastEvents), json.loads(_unpack(generation["asked"]))
    for (before, new), actions in zip(generation["cuts"], asked, strict=True):
        yield Dispatch(events[:before], events[before : before + new], actions)


def told(action: pb.OrchestratorAction) -> dict[str, Any]:
    """What an action asks for, without what the library may spell otherwise in another version."""
    kind = action.WhichOneof("orchestratorActionType")
    match kind:
        case "scheduleTask":
            facts = {"name": action.scheduleTask.name, "input": _json(action.scheduleTask.input.value)}
        case "createTimer":
            facts = {"at": action.createTimer.fireAt.ToDatetime(UTC).isoformat()}
        case "sendEntityMessage":
            called = action.sendEntityMessage.entityOperationCalled
            facts = {"name": f"{called.targetInstanceId.value} {called.operation}", "input": _json(called.input.value)}
        case "completeOrchestration":
            done = action.completeOrchestration
            facts = {"name": str(done.orchestrationStatus), "input": _json(done.result.value)}
        case other:
            raise ValueError(f"no runbook asked for {other} before")
    return {"id": action.id, "kind": kind, **facts}


def _json(text: str) -> Any:
    return json.loads(text) if text else None


def differences(orchestrator: Orchestrator, instance: str, run: Sequence[Dispatch]) -> Iterator[str]:
    """Where the runbook asks for something else today, dispatch by dispatch; nothing when it still replays."""
    for number, one in enumerate(run):
        now = [told(action) for action in execute(orchestrator, instance, one.before, one.new).actions]
        if [(a["id"], a["kind"], a.get("name")) for a in now] != [
            (a["id"], a["kind"], a.get("name")) for a in one.asked
        ]:
            yield f"dispatch {number}: asks for {_names(now)}, not {_names(one.asked)}"
        else:
            yield from (f"dispatch {number}: {wrong}" for wrong in _unlike(one.asked, now, ""))


def _named(actions: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(action["id"], action["kind"], action.get("name")) for action in actions]


def _names(actions: Sequence[dict[str, Any]]) -> str:
    return ", ".join(f"{action['kind']} {action.get('name', '')}".strip() for action in actions) or "nothing"


def _unlike(then: Any, now: Any, where: str) -> Iterator[str]:
    """Recorded values that are others now; what is new beside them does no harm."""
    if isinstance(then, dict) and isinstance(now, dict):
        for key, value in then.items():
            yield from _unlike(value, now.get(key), f"{where}.{key}")
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for at, (one, other) in enumerate(zip(then, now, strict=True)):
            yield from _unlike(one, other, f"{where}[{at}]")
    elif then != now:
        yield f"{where} is {json.dumps(now)[:100]}, and was {json.dumps(then)[:100]}"
