"""`python -m lab trace`: a run as a tree, from lines of OTLP that may be cut, doubled or of others."""

import json
from pathlib import Path
from typing import Any

import pytest

from lab.servers import LabFailed
from lab.trace import FILE, describe_trace

TRACE = "0af7651916cd43dd8448eb211c80319c"
AT = 1_795_341_600


def span(number: int, name: str, parent: int = 0, **more: Any) -> dict[str, Any]:
    attributes = more.pop("attributes", {})
    began, took = more.pop("began", AT + number), more.pop("took", 1)
    return {
        "traceId": TRACE,
        "spanId": f"{number:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": name,
        "startTimeUnixNano": str(round(began * 1e9)),
        "endTimeUnixNano": str(round((began + took) * 1e9)),
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()],
        **more,
    }


def write(folder: Path, *spans: dict[str, Any], name: str = FILE, tail: str = "") -> None:
    lines = [json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [one]}]}]}) for one in spans]
    (folder / name).write_text("\n".join([*lines, json.dumps({"resourceMetrics": []}), tail]))


ROOT = span(1, "POST start_verb", attributes={"hci.started_run": "drill-1"})


def test_the_run_comes_first_and_calls_say_their_request_id(tmp_path: Path) -> None:
    call = {"http.response.status_code": "202", "az.client_request_id": "219ea312"}
    write(
        tmp_path,
        ROOT,
        span(2, "start_verbs", 1),
        span(3, "POST testFailover", 2, attributes={**call, "http.request.method": "POST"}, took=0.002),
        span(4, "run drill", 1, attributes={"hci.run": "drill-1", "hci.state": "succeeded"}, took=2820),
        span(5, "vm TestFailover", 4, attributes={"hci.vm": "dc-01"}, took=60),
    )
    assert describe_trace(tmp_path, "drill-1")[1:] == [
        f"trace {TRACE}",
        "└─ POST start_verb  10:00:01  1.0 s",
        "   ├─ run drill  10:00:04  47 min  succeeded",
        "   │  └─ vm TestFailover  10:00:05  1 min  dc-01",
        "   └─ start_verbs  10:00:02  1.0 s",
        "      └─ POST testFailover  10:00:03  2 ms  202  219ea312",
    ]


def test_many_that_went_well_are_one_line_and_what_failed_stands_alone(tmp_path: Path) -> None:
    failed = span(20, "watch_jobs", 1, status={"code": 2, "message": "throttled"})
    changes = [span(30 + at, "POST commit", 1, attributes={"http.request.method": "POST"}) for at in range(4)]
    write(tmp_path, ROOT, *(span(2 + at, "watch_jobs", 1) for at in range(5)), failed, *changes)
    lines = describe_trace(tmp_path, "drill-1")
    assert "   ├─ watch_jobs  5 times, 5.0 s in all" in lines
    assert "   ├─ watch_jobs  10:00:20  1.0 s  FAILED: throttled" in lines
    assert sum("POST commit" in line for line in lines) == 4


def test_a_cut_line_a_doubled_span_and_a_lost_parent_are_borne(tmp_path: Path) -> None:
    orphan = span(9, "seal_evidence_pack", 8)
    write(tmp_path, ROOT, name=f"{FILE}.1")
    write(tmp_path, orphan, orphan, span(2, "read_items", 1), tail='{"resourceSp')
    assert describe_trace(tmp_path, "drill-1")[2:] == [
        "├─ POST start_verb  10:00:01  1.0 s",
        "│  └─ read_items  10:00:02  1.0 s",
        "└─ seal_evidence_pack  10:00:09  1.0 s",
    ]


def test_a_run_whose_start_is_not_there_is_found_by_its_own_spans(tmp_path: Path) -> None:
    write(tmp_path, span(2, "start_verbs", attributes={"hci.run": "drill-1"}))
    assert describe_trace(tmp_path, "drill-1")[-1] == "└─ start_verbs  10:00:02  1.0 s"


def test_a_run_that_nothing_is_known_of_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(LabFailed, match="make lab"):
        describe_trace(tmp_path, "drill-2")
    write(tmp_path, ROOT)
    with pytest.raises(LabFailed, match="nothing of drill-2"):
        describe_trace(tmp_path, "drill-2")
