"""The lab's own calls under /lab: reset, state, ledger, faults, clock and events."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from aiohttp import web

from lab.azure import inbox, scenario_loader, world
from lab.azure.arc import extensions
from lab.azure.arm import activity_log, custom_roles, event_grid, tokens
from lab.azure.compute import virtual_machines
from lab.azure.on_premises import nodes
from lab.azure.simulator.answers import Answer, ArmError, Json, bad_request, not_simulated
from lab.azure.simulator.lab import Lab, to_iso
from lab.azure.site_recovery.sites import source_machines as source_vms
from lab.clock import LabClock

NODE = re.compile(r"/lab/nodes/(?P<name>[^/]+)")
TOPIC = re.compile(r"/eventgrid/topics/(?P<topic>[^/]+)/api/events")
DURATION = re.compile(
    r"P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?",
    re.IGNORECASE,
)


async def answer_call(lab: Lab, request: web.BaseRequest, raw: bytes) -> Answer:
    """Answer a call to /lab; needs no token.

    Raises:
        ArmError: 400 for a wrong body, 501 for a call that is not known.
    """
    lab.catch_up()
    path = request.path.rstrip("/").lower()
    call = f"{request.method} {path}"
    if call in CALLS:
        return CALLS[call](lab, _parse_body(raw))
    if call == "POST /lab/reset":
        return await _reset_lab(lab, _parse_body(raw))
    found = NODE.fullmatch(path)
    if found and request.method == "PUT":
        return Answer(200, nodes.change_node(lab, found["name"], _parse_body(raw)))
    if found and request.method == "GET":
        return Answer(200, nodes.require_node(lab, found["name"]))
    raise not_simulated(call)


async def receive_events(lab: Lab, request: web.BaseRequest, raw: bytes) -> Answer:
    """Take CloudEvents that the product publishes: POST /eventgrid/topics/{topic}/api/events with a key or a token.

    Raises:
        ArmError: 401 without either, 400 for what is no CloudEvent, 501 for another path.
    """
    lab.catch_up()
    found = TOPIC.fullmatch(request.path.rstrip("/"))
    if found is None or request.method != "POST":
        raise not_simulated(f"{request.method} {request.path}")
    if not request.headers.get("aeg-sas-key"):
        tokens.principal_of(request.headers.get("Authorization", ""), (tokens.EVENT_GRID,))
    return event_grid.receive_events(lab, found["topic"], _parse_body(raw))


async def _reset_lab(lab: Lab, body: Any) -> Answer:
    """Fill the simulator with a scenario; answers when its documents are declared to the product."""
    if not isinstance(body, dict) or set(body) - {"scenario", "vms", "clusters", "nodes", "seed"}:
        raise bad_request("InvalidReset", "the body may have scenario, vms, clusters, nodes and seed")
    numbers = {name: body.get(name, 1 if name == "seed" else 0) for name in ("vms", "clusters", "nodes", "seed")}
    for name, number in numbers.items():
        if not isinstance(number, int) or number < 0 or number > 10_000:
            raise bad_request("InvalidReset", f"{name} must be a whole number from 0 to 10000")
    name = body.get("scenario", "default")
    sizes = numbers["vms"], numbers["clusters"], numbers["seed"], numbers["nodes"]
    scenario = scenario_loader.load_scenario(lab, name, *sizes)
    await scenario_loader.declare_documents(lab, scenario["documents"])
    return Answer(200, {"scenario": name} | numbers)


def get_state(lab: Lab, body: Any) -> Answer:  # noqa: ARG001 - a GET has none
    """What there is, what time it is, and how many calls there were."""
    counts = {kind: lab.store.count(kind) for kind in sorted(lab.store.kinds()) if lab.store.count(kind)}
    return Answer(
        200,
        {
            "scenario": lab.store.get("lab", "scenario"),
            "clock": clock_of(lab),
            "inventory": counts,
            "nodes": [_node_summary(lab, node) for node in lab.store.all(nodes.KIND)],
            "azureVms": [{"id": vm["id"], "power": vm["state"]} for vm in lab.store.all(virtual_machines.POWER_KIND)],
            "sourceVms": source_vms.list_summaries(lab),
            "counters": lab.ledger.count_by_status(),
            "throttled": lab.throttle.refused,
            "pending": lab.store.count("agenda"),
        },
    )


def _node_summary(lab: Lab, node: Json) -> Json:
    extension = extensions.find_asr(lab, node["id"])
    state = extension["properties"]["provisioningState"] if extension else None
    return {key: node[key] for key in ("name", "connected", "dra", "boundSite", "hyperV")} | {"extension": state}


def post_event(lab: Lab, body: Any) -> Answer:
    """Let something happen to the extension of a node: {"emit": "extension-failure" | "extension-upgrade", "node"}.

    The first tells once more of a failure; the second is the service installing the extension again by itself, which
    ends as the node lets it.
    """
    if not isinstance(body, dict) or body.get("emit") not in ("extension-failure", "extension-upgrade"):
        raise bad_request("InvalidEvent", 'what can be emitted: {"emit": "extension-failure", "node": <name>}')
    name = str(body.get("node"))
    extension = extensions.find_asr(lab, nodes.require_node(lab, name)["id"])
    if extension is None:
        raise bad_request("InvalidEvent", f"no Site Recovery extension on {name}")
    origin = extensions.SERVICE | {"correlation": lab.new_id("correlation")}
    if body["emit"] == "extension-upgrade":
        given = {"location": extension["location"], "properties": extension["properties"]}
        extensions.install_extension(lab, extension["id"], given, origin)
    else:
        _report_failure(lab, extension, origin)
    return Answer(202, {"correlationId": origin["correlation"]})


def _report_failure(lab: Lab, extension: Json, origin: Json) -> None:
    if extension["properties"]["provisioningState"] != "Failed":
        raise bad_request("InvalidEvent", f"the extension {extension['id']} has not failed")
    message = extension["properties"]["instanceView"]["status"]["message"]
    error = {"code": "VMExtensionProvisioningError", "message": message}
    activity_log.log_ended(lab, origin, extension["id"], extensions.WRITE, error)


def _parse_body(raw: bytes) -> Any:
    try:
        return json.loads(raw or b"{}")
    except ValueError as error:
        raise bad_request("InvalidRequestContent", f"not JSON: {error}") from error


def put_faults(lab: Lab, body: Any) -> Answer:
    """Replace all fault rules."""
    rules, seed = (body, 1) if not isinstance(body, dict) else (body.get("rules"), body.get("seed", 1))
    if not isinstance(rules, list):
        raise bad_request("InvalidFaultRule", "a list of rules is required")
    lab.faults.replace_rules(rules, seed)
    return Answer(200, lab.faults.list_rules())


def put_world(lab: Lab, body: Any) -> Answer:
    """Change what is outside Azure, or what the product may do."""
    return Answer(200, world.change_world(lab, body))


def put_identity(lab: Lab, body: Any) -> Answer:
    """Choose which of its roles the product's identity holds, and which actions it lacks."""
    return Answer(200, custom_roles.choose_rights(lab, body))


def get_identity(lab: Lab, body: Any) -> Answer:  # noqa: ARG001 - a GET has none
    """The roles that the product's identity holds, and the actions that it lacks."""
    return Answer(200, custom_roles.held_rights(lab))


def clock_of(lab: Lab) -> Json:
    """{now, speed}: the simulated instant, and simulated seconds a real one (0 for a clock that is driven by hand)."""
    clock = lab.clock
    return {"now": to_iso(clock.now()), "speed": clock.speed if isinstance(clock, LabClock) else 0}


def post_clock(lab: Lab, body: Any) -> Answer:
    """Set the speed of the clock, or let it jump ahead."""
    clock = lab.clock
    if not isinstance(body, dict) or not {"speed", "advance"} & set(body):
        raise bad_request("InvalidClock", "speed or advance is required")
    if "speed" in body:
        if not isinstance(clock, LabClock):
            raise bad_request("InvalidClock", "this clock is driven by hand: advance it")
        if not isinstance(body["speed"], int | float) or body["speed"] < 0:
            raise bad_request("InvalidClock", "speed must be 0 or more simulated seconds a second")
        clock.set_speed(float(body["speed"]))
    if "advance" in body:
        clock.advance(parse_duration(body["advance"]))
    lab.catch_up()
    return Answer(200, clock_of(lab))


def parse_duration(value: object) -> timedelta:
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


def get_ledger(lab: Lab, body: Any) -> Answer:  # noqa: ARG001 - a GET has none
    """Every mutating call that was accepted, in order."""
    return Answer(200, lab.ledger.list_entries())


def get_faults(lab: Lab, body: Any) -> Answer:  # noqa: ARG001 - a GET has none
    """The fault rules, with how often each fired."""
    return Answer(200, lab.faults.list_rules())


def get_clock(lab: Lab, body: Any) -> Answer:  # noqa: ARG001 - a GET has none
    """The simulated instant and the speed."""
    return Answer(200, clock_of(lab))


def get_events(lab: Lab, body: Any) -> Answer:  # noqa: ARG001 - a GET has none
    """What Event Grid delivered and received."""
    return Answer(200, event_grid.list_events(lab))


def get_inbox(lab: Lab, body: Any) -> Answer:  # noqa: ARG001 - a GET has none
    """The notifications of the product that have arrived."""
    return Answer(200, inbox.list_messages(lab))


def get_inbox_page(lab: Lab, body: Any) -> Answer:  # noqa: ARG001 - a GET has none
    """The same for people."""
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    return Answer(200, inbox.inbox_page(lab), headers)


CALLS: dict[str, Callable[[Lab, Any], Answer]] = {
    "GET /lab/state": get_state,
    "GET /lab/ledger": get_ledger,
    "GET /lab/faults": get_faults,
    "PUT /lab/faults": put_faults,
    "PUT /lab/world": put_world,
    "GET /lab/identity": get_identity,
    "PUT /lab/identity": put_identity,
    "GET /lab/clock": get_clock,
    "POST /lab/clock": post_clock,
    "GET /lab/events": get_events,
    "POST /lab/events": post_event,
    "GET /lab/inbox": get_inbox,
    "GET /lab/inbox.html": get_inbox_page,
}
