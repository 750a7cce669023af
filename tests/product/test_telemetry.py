"""One trace from the request to each call of Azure, seen from outside: in the file, in the ledger, on the tree."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.host.trace_context import SETTING
from lab.servers import Servers, free_ports
from lab.trace import FILE, Span, describe_trace, read_spans
from tests.product.conftest import SPEED, Lab

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def traced(tmp_path: Path) -> Iterator[Lab]:
    """A lab whose app writes its telemetry to a file."""
    servers = Servers.of(tmp_path, free_ports(), SPEED)
    servers.host.settings |= {"TELEMETRY": f"file:{tmp_path / FILE}", SETTING: "true"}
    servers.start()
    try:
        lab = Lab(servers)
        lab.reset()
        yield lab
    finally:
        servers.stop()


def spans_once_sent(folder: Path, name: str) -> list[Span]:
    """What the file has once a span of this name is in it."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        spans = list(read_spans(folder)) if (folder / FILE).exists() else []
        if any(span.name == name for span in spans):
            return spans
        time.sleep(0.2)
    raise AssertionError(f"no span {name} came")


def metric_names(folder: Path) -> set[str]:
    messages = [json.loads(line) for line in (folder / FILE).read_text().splitlines()]
    scopes = [s for one in messages for r in one.get("resourceMetrics", ()) for s in r["scopeMetrics"]]
    return {metric["name"] for scope in scopes for metric in scope["metrics"]}


def test_a_drill_is_one_trace_from_its_request_to_each_call_of_azure(traced: Lab, tmp_path: Path) -> None:
    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    reply = traced.api("POST", "plans/payroll/drill", {}, headers)
    assert reply.status == 202, reply.body
    run = reply.body["id"]
    assert traced.ended(run)["state"] == "succeeded"
    spans = [span for span in spans_once_sent(tmp_path, "run drill") if span.trace == TRACE]

    def attributes(name: str) -> list[Any]:
        return [span.attributes for span in spans if span.name == name]

    (request,) = attributes("POST start_verb")
    assert (request["hci.started_run"], request["hci.plan"]) == (run, "payroll")
    verbs = ("testFailover", "testFailoverCleanup")
    sent = [call for call in traced.azure("GET", "ledger") if call["verb"] in verbs]
    assert len(sent) == 12
    recorded = {one["az.client_request_id"] for verb in verbs for one in attributes(f"POST {verb}")}
    assert recorded == {call["clientRequestId"] for call in sent}
    vms = [one["hci.vm"] for one in attributes("vm TestFailover")]
    assert sorted(vms) == ["app-01", "app-02", "dc-01", "sql-01", "web-01", "web-02"]
    ids = {span.id for span in spans}
    assert [span.name for span in spans if span.parent not in ids] == ["POST start_verb"]
    assert any("run drill" in line for line in describe_trace(tmp_path, run))
    traced.servers.host.stop()
    assert {"hci.runs.ended", "hci.arm.calls", "hci.arm.duration", "hci.vms.ended"} <= metric_names(tmp_path)
