"""Broken answers of thirty kinds on the way out and home: what the verbs, their jobs and their items are answered.

Real activities against the simulated Azure, in virtual time. Each kind goes the whole way once: to each verb's request,
or to a look that its run takes, it is answered at a place that is drawn by the kind's name. KINDS=all goes the way with
all kinds and several draws for each, which takes minutes; else one or two of each sort go it.
"""

import os
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from orchestrators.verbs.drill import cleanup, drill
from orchestrators.verbs.failback import failback, reprotect
from orchestrators.verbs.failover import commit, failover
from shared.operations.kinds import Kind
from shared.plans.plan import PlanDocument
from shared.recovery.operation import Operation, options_for
from shared.site_recovery.verb_options import VerbOptions
from tests.activities.lab import Lab, running
from tests.deep import cases
from tests.driver import Orchestrator, Result
from tests.failures import failure_texts
from tests.orchestrators.azure_bench import NETWORKS, AzureBench, site
from tests.orchestrators.owed import owed_by_kind
from tests.shared.azure.fake import point_at

VMS = ("dc-01", "sql-01")
DRAWS = int(os.environ.get("DRAWS", "1"))
"""How often each kind is tried, at other places each time."""
PLAN = PlanDocument.model_validate(
    {
        "site": "hci-01",
        "commit": "manual",
        "items": [{"vm": VMS[0]}, {"vm": VMS[1], "after": [VMS[0]]}],
        "drill": {"network": f"{NETWORKS}/vnet-drill"},
    }
)
VERBS = {"testFailover", "testFailoverCleanup", "plannedFailover", "failoverCommit", "reProtect"}


class Leg(NamedTuple):
    """One operation of the way, and the verb in it that something is answered to."""

    name: str
    runbook: Orchestrator
    kind: Kind
    verb: str


WAY = (
    Leg("drill", drill, "drill", "testFailover"),
    Leg("drill-2", drill, "drill", "testFailoverCleanup"),
    Leg("failover", failover, "failover", "plannedFailover"),
    Leg("commit", commit, "commit", "failoverCommit"),
    Leg("failback", failback, "failback", "plannedFailover"),
    Leg("commit-2", commit, "commit", "failoverCommit"),
    Leg("reprotect", reprotect, "reprotect", "reProtect"),
)
SENT = [
    ("testFailover", 2),
    ("testFailoverCleanup", 2),
    ("plannedFailover", 2),
    ("failoverCommit", 2),
    ("reProtect", 1),
]


def status(code: int, error: str = "", **headers: str) -> dict[str, Any]:
    text = f'{{"error": {{"code": "{error}", "message": "in Azure\'s words"}}}}' if error else ""
    return {"raw": {"status": code, "text": text, "headers": headers}}


def body(text: str, content_type: str = "application/json", encoding: str = "utf-8") -> dict[str, Any]:
    return {"raw": {"text": text, "type": content_type, "encoding": encoding}}


PASSING: dict[str, dict[str, Any]] = {
    "204": status(204),
    "302": status(302, Location="https://login.example.org/"),
    "401": status(401),
    "404": status(404, "ResourceNotFound"),
    "409 Conflict": status(409, "Conflict"),
    "409 without words": status(409),
    "412": status(412, "PreconditionFailed"),
    "429 for days": status(429, **{"Retry-After": "1000000"}),
    "429 negative": status(429, **{"Retry-After": "-5"}),
    "429 until a date": status(429, **{"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}),
    "429 garbage": status(429, **{"Retry-After": "soon"}),
    "500": status(500, "InternalServerError"),
    "502 html": {"raw": {"status": 502, "text": "<html>Bad gateway</html>", "type": "text/html"}},
    "503": status(503),
    "504": status(504),
    "null": body("null"),
    "[]": body("[]"),
    "empty text": body('""'),
    "text": body('"x"'),
    "{}": body("{}"),
    "value null": body('{"value": null}'),
    "value [null]": body('{"value": [null]}'),
    "cut": body('{"id": "/subscriptions/1", "na'),
    "html": body("<html>Sign in</html>", "text/html"),
    "wrong type": body("[1]", "application/octet-stream"),
    "bom": body("null", encoding="utf-8-sig"),
    "wrong charset": body('{"name": "é"}', "application/json; charset=ascii", "utf-16"),
    "dropped before": {"reset": "before"},
    "dropped after": {"reset": "after"},
    "lost after": {"lose": 503},
}
"""What says nothing for good: answered once or twice it changes nothing but the time."""
FINAL: dict[str, dict[str, Any]] = {
    "400": status(400, "BadRequest"),
    "403": status(403, "AuthorizationFailed"),
    "409 ScopeLocked": status(409, "ScopeLocked"),
}
"""What says no."""
SAMPLE = ("302", "404", "409 Conflict", "429 for days", "502 html", "null", "cut", "dropped after")
"""One of each sort."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
def bench(server: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureBench]:
    server.reset()
    point_at(server.base, "lab-identity", monkeypatch)
    bench = AzureBench(server)
    yield bench
    bench.close()


def done(bench: AzureBench, leg: Leg, run: str = "") -> Result:
    run = run or leg.name
    operation = Operation(
        id=run,
        kind=leg.kind,
        plan="small",
        requested_by="ann",
        digest=PLAN.digest,
        document=PLAN,
        sites={"hci-01": site()},
        options=options_for(leg.kind, VerbOptions(), PLAN),
    )
    result = bench.driver.run(leg.runbook, operation.model_dump(mode="json"), run)
    assert result.output["state"] in {"succeeded", "failed"}, result.output
    return result


def went(bench: AzureBench, legs: tuple[Leg, ...]) -> None:
    """The way up to a leg, without any trouble."""
    for leg in legs:
        assert done(bench, leg).output["state"] == "succeeded"


def sent(bench: AzureBench) -> Counter[tuple[str, str]]:
    return Counter(call for call in bench.lab.mutations() if call[0] in VERBS)


def owed(bench: AzureBench) -> dict[str, list[str]]:
    """The VMs that owe something, by what they owe."""
    return {kind: entry["vms"] for kind, entry in owed_by_kind(bench.driver.states).items()}


def require_nothing_forgotten(bench: AzureBench) -> None:
    """What the vault shows of a machine that is not at rest is owed for it."""
    obligations = owed(bench)
    for vm in VMS:
        shown = bench.item(vm)["properties"]
        if "TestFailoverCleanup" in shown["allowedOperations"]:
            assert "cleanup" in obligations, (vm, obligations)
        if shown["activeLocation"] != "Primary":
            assert "reprotect" in obligations, (vm, obligations)
        if "Commit" in shown["allowedOperations"] and shown["activeLocation"] != "Primary":
            assert vm in obligations["commit"], (vm, obligations)


def rule(place: str, leg: Leg, effect: dict[str, Any]) -> dict[str, Any]:
    """What is answered so, and how often: in the place that is drawn."""
    matches: dict[str, dict[str, Any]] = {
        "verb": {"method": "POST", "verb": leg.verb, "item": VMS[0], "times": 1},
        "verb twice": {"method": "POST", "verb": leg.verb, "item": VMS[0], "times": 2},
        "verb after it was taken": {"method": "POST", "verb": leg.verb, "item": VMS[0], "times": 1},
        "job": {"method": "GET", "path": "*/replicationJobs/*", "times": 1},
        "job for long": {"method": "GET", "path": "*/replicationJobs/*", "times": 6},
        "list of jobs": {"method": "GET", "path": "*/replicationJobs", "times": 3},
        "item": {"method": "GET", "path": "*/replicationProtectedItems/*", "times": 1},
        "list of items": {"method": "GET", "path": "*/replicationProtectedItems", "nth": 2},
    }
    if place == "verb after it was taken" and "raw" in effect:
        effect = {"raw": {**effect["raw"], "worked": True}}
    return {"match": matches[place], "effect": effect}


PLACES = (
    "verb",
    "verb twice",
    "verb after it was taken",
    "job",
    "job for long",
    "list of jobs",
    "item",
    "list of items",
)


@pytest.mark.parametrize("draw", range(DRAWS))
@pytest.mark.parametrize("kind", cases(PASSING, SAMPLE))
def test_an_answer_that_passes_changes_nothing_on_the_way_out_and_home(bench: AzureBench, kind: str, draw: int) -> None:
    chance = random.Random(f"{kind}/{draw}")
    for leg in WAY:
        place = chance.choice(PLACES)
        bench.lab.faults(rule(place, leg, PASSING[kind]))
        result = done(bench, leg)
        assert result.output["state"] == "succeeded", (leg.name, place, failure_texts(result.output))
        require_nothing_forgotten(bench)
    assert sent(bench) == Counter({(verb, vm): times for verb, times in SENT for vm in VMS})
    assert owed(bench) == {}


PAIRS = [(kind, leg) for leg in WAY for kind in FINAL]
SAMPLE_PAIRS = [("400", WAY[0]), ("409 ScopeLocked", WAY[2]), ("403", WAY[4]), ("400", WAY[6])]


@pytest.mark.parametrize(("kind", "leg"), cases(PAIRS, SAMPLE_PAIRS, lambda pair: f"{pair[0]}-{pair[1].name}"))
def test_an_answer_that_says_no_is_final_and_named(bench: AzureBench, kind: str, leg: Leg) -> None:
    went(bench, WAY[: WAY.index(leg)])
    before = sent(bench)
    bench.lab.faults({"match": {"method": "POST", "verb": leg.verb, "item": VMS[0]}, "effect": FINAL[kind]})
    result = done(bench, leg)
    code = FINAL[kind]["raw"]["text"].split('"')[5]
    assert result.output["state"] == "failed"
    assert any(code in failure for failure in failure_texts(result.output)), failure_texts(result.output)
    assert sent(bench)[leg.verb, VMS[0]] == before[leg.verb, VMS[0]]
    require_nothing_forgotten(bench)


LASTING = ("409 Conflict", "412", "404", "503", "null", "302", "html", "429 garbage", "dropped before")
LASTING_SAMPLE = (0, 2)


@pytest.mark.parametrize("at", cases(range(len(LASTING)), LASTING_SAMPLE))
def test_a_verb_that_is_never_taken_ends_its_run_with_the_answer_that_was_got(bench: AzureBench, at: int) -> None:
    kind, leg = LASTING[at], WAY[at % len(WAY)]
    went(bench, WAY[: WAY.index(leg)])
    before = sent(bench)
    bench.lab.faults({"match": {"method": "POST", "verb": leg.verb, "item": VMS[0]}, "effect": PASSING[kind]})
    result = done(bench, leg)
    assert result.output["state"] == "failed"
    words = {
        "null": "named no job",
        "html": "named no job",
        "dropped before": "did not answer",
        "409 Conflict": "Conflict",
    }
    named = words.get(kind, {"412": "PreconditionFailed", "404": "ResourceNotFound"}.get(kind, kind.split()[0]))
    assert any(named in failure for failure in failure_texts(result.output)), failure_texts(result.output)
    assert sent(bench)[leg.verb, VMS[0]] == before[leg.verb, VMS[0]]
    require_nothing_forgotten(bench)


@pytest.mark.parametrize("leg", cases(WAY, WAY[::3], lambda leg: leg.name))
def test_where_no_job_can_be_read_any_more_the_items_say_that_all_went_well(bench: AzureBench, leg: Leg) -> None:
    went(bench, WAY[: WAY.index(leg)])
    kind = (
        "404" if leg.kind == "drill" else random.Random(leg.name).choice(["404", "412", "403", "500", "null", "html"])
    )
    bench.lab.faults(unreadable_jobs(kind))
    result = done(bench, leg)
    assert result.output["state"] == "succeeded", (kind, failure_texts(result.output))
    assert {count for (verb, _), count in sent(bench).items() if verb == leg.verb} <= {1, 2}
    require_nothing_forgotten(bench)


def unreadable_jobs(kind: str) -> dict[str, Any]:
    return {"match": {"method": "GET", "path": "*/replicationJobs/*"}, "effect": {**PASSING, **FINAL}[kind]}


@pytest.mark.parametrize("kind", cases(["403", "null"], {"403"}))
def test_a_cleanup_is_not_sent_while_nobody_can_tell_whether_it_was(bench: AzureBench, kind: str) -> None:
    """While it is up, an item names the job that it is busy with: only that job itself says whose it is."""
    bench.lab.faults(unreadable_jobs(kind))
    result = done(bench, WAY[0])
    assert result.output["state"] == "failed"
    words = {"403": "AuthorizationFailed", "null": "cannot be read"}[kind]
    assert any(words in failure for failure in failure_texts(result.output)), failure_texts(result.output)
    assert sent(bench) == Counter({("testFailover", vm): 1 for vm in VMS})
    require_nothing_forgotten(bench)
    bench.lab.faults()
    assert done(bench, Leg("cleanup", cleanup, "cleanup", "")).output["state"] == "succeeded"
    assert owed(bench) == {}


def test_a_cleanup_of_its_own_is_done_when_its_drill_could_not(bench: AzureBench) -> None:
    """What a drill owes after its cleanup was never taken is done by the next one."""
    bench.lab.faults({"match": {"verb": "testFailoverCleanup", "item": VMS[0]}, "effect": PASSING["409 Conflict"]})
    assert done(bench, WAY[0]).output["state"] == "failed"
    assert "cleanup" in owed(bench)
    bench.lab.faults()
    assert done(bench, Leg("cleanup", cleanup, "cleanup", "")).output["state"] == "succeeded"
    assert owed(bench) == {}
