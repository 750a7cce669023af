"""What Azure Monitor's own exporter makes of our spans and metrics has all that the queries of the page ask for."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.monitor.opentelemetry.exporter import AzureMonitorTraceExporter

from activities.run_spans import record_run
from shared.azure.vault import Vault
from shared.messages import VaultRef
from shared.operations.run_timeline import RunTimeline, VmSpan
from shared.telemetry.exporters import AZURE_QUIET
from shared.telemetry.metrics import METRICS
from shared.telemetry.spans import note_started_run, start_activity_span, start_span
from tests.shared.azure.fake import ITEM, VAULT, FakeArm, Reply, accepted, standing
from tests.telemetry import Recorded

PAGE = (Path(__file__).parents[3] / "docs/observability.md").read_text()
QUERIES = re.findall(r"```kusto\n(.*?)```", PAGE, re.DOTALL)
AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
VM = VmSpan(vm="sql-01", verb="Commit", began=AT, ended=AT + timedelta(minutes=3))
TIMELINE = RunTimeline(
    run="r",
    kind="commit",
    subject="plans/p",
    state="succeeded",
    began=AT,
    ended=VM.ended,
    states={"done": 1},
    vms=(VM,),
)


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in AZURE_QUIET:
        monkeypatch.setenv(f"APPLICATIONINSIGHTS_{name}", "true")
    key = "InstrumentationKey=11111111-1111-1111-1111-111111111111"
    exporter = AzureMonitorTraceExporter(connection_string=key, disable_offline_storage=True)
    yield exporter
    exporter.shutdown()


async def test_each_attribute_that_a_query_asks_for_is_there(
    recorded: Recorded, exporter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with standing(monkeypatch) as arm:
        await commit_in_a_run(arm)
    rows = [exporter._span_to_envelope(span).data.base_data.as_dict() for span in recorded.spans]
    assert {row["kind"] for row in rows} == {"RemoteDependencyData"}
    properties = {name for row in rows for name in row["properties"]}
    asked = {name for query in QUERIES if "customMetrics" not in query for name in dimensions_of(query)}
    assert {"hci.run", "hci.started_run", "hci.vm", "hci.call", "az.client_request_id"} == asked
    assert asked <= properties
    (call,) = (row for row in rows if "hci.call" in row["properties"])
    assert (call["resultCode"], call["success"]) == ("429", False)
    assert call["data"].endswith(f"{ITEM}/failoverCommit")
    (run,) = (row for row in rows if row["name"] == "run commit")
    assert run["duration"] == "0.00:03:00.000"


async def commit_in_a_run(arm: FakeArm) -> None:
    arm.says("POST", "/failoverCommit", Reply(429, headers={**(accepted("j").headers or {}), "Retry-After": "1"}))
    with start_span("POST start_verb"):
        note_started_run("r")
        with start_activity_span("publish_event", {"hci.run": "r"}):
            record_run(TIMELINE)
            with pytest.raises(Exception, match="429"):
                await Vault(VaultRef.from_id(VAULT)).start_verb("Commit", ITEM, None, "id")


def dimensions_of(query: str) -> list[str]:
    return re.findall(r'customDimensions\["([^"]+)"\]', query)


def test_each_query_of_a_metric_names_one_with_the_attributes_that_it_has() -> None:
    attributes = {metric.name: set(metric.attributes) for metric in METRICS}
    asked = [query for query in QUERIES if "customMetrics" in query]
    assert len(asked) == 5
    for query in asked:
        (name,) = re.findall(r'name == "([^"]+)"', query)
        assert set(dimensions_of(query)) <= attributes[name]
