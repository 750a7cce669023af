"""The lab's own calls under /lab: reset, state, ledger, faults, clock and events."""

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aiohttp import web

from lab.azure.answers import Answer, ArmError, Json, bad_request, not_simulated
from lab.azure.lab import iso
from lab.clock import LabClock

if TYPE_CHECKING:
    from lab.azure.server import Server

DURATION = re.compile(
    r"P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?",
    re.IGNORECASE,
)


async def handle(server: "Server", request: web.BaseRequest, raw: bytes) -> Answer:
    """Answer a call to /lab; needs no token.

    Raises:
        ArmError: 400 for a wrong body, 501 for a call that is not known.
    """
    server.step()
    call = f"{request.method} {request.path.rstrip('/')}"
    match call:
        case "GET /lab/ledger":
            return Answer(200, server.lab.ledger.entries())
        case "GET /lab/faults":
            return Answer(200, server.lab.faults.rules())
        case "PUT /lab/faults":
            return _put_faults(server, _body(raw))
        case "GET /lab/clock":
            return Answer(200, clock_of(server))
        case "POST /lab/clock":
            return _post_clock(server, _body(raw))
    raise not_simulated(call)


async def receive_events(server: "Server", request: web.BaseRequest, raw: bytes) -> Answer:
    """CloudEvents that the product publishes to a topic."""
    raise not_simulated("Event Grid topics")


def _body(raw: bytes) -> Any:
    try:
        return json.loads(raw or b"{}")
    except ValueError as error:
        raise bad_request("InvalidRequestContent", f"not JSON: {error}") from error


def _put_faults(server: "Server", body: Any) -> Answer:
    rules, seed = (body, 1) if isinstance(body, list) else (body.get("rules"), body.get("seed", 1))
    if not isinstance(rules, list):
        raise bad_request("InvalidFaultRule", "a list of rules is required")
    server.lab.faults.replace(rules, seed)
    return Answer(200, server.lab.faults.rules())


def clock_of(server: "Server") -> Json:
    """{now, speed}: the simulated instant, and simulated seconds a real one (0 for a clock that is driven by hand)."""
    clock = server.lab.clock
    return {"now": iso(clock.now()), "speed": clock.speed if isinstance(clock, LabClock) else 0}


def _post_clock(server: "Server", body: Json) -> Answer:
    clock = server.lab.clock
    if not isinstance(body, dict) or not {"speed", "advance"} & set(body):
        raise bad_request("InvalidClock", "speed or advance is required")
    if "speed" in body:
        if not isinstance(clock, LabClock):
            raise bad_request("InvalidClock", "this clock is driven by hand: advance it")
        if not isinstance(body["speed"], int | float) or body["speed"] < 0:
            raise bad_request("InvalidClock", "speed must be 0 or more simulated seconds a second")
        clock.set_speed(float(body["speed"]))
    if "advance" in body:
        clock.advance(duration(body["advance"]))
    server.step()
    return Answer(200, clock_of(server))


def duration(value: object) -> timedelta:
    """A duration given as seconds or as ISO 8601 ("PT10M").

    Raises:
        ArmError: 400 for anything else, or a negative one.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return timedelta(seconds=value)
    found = DURATION.fullmatch(value) if isinstance(value, str) and len(value) > 1 else None
    if not found:
        raise ArmError(400, "InvalidDuration", f"not a duration: {value!r} (seconds, or ISO 8601 as PT10M)")
    return timedelta(**{unit: float(count) for unit, count in found.groupdict().items() if count})
