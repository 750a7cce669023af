"""Metrics: what is counted once, what is set to nothing again, and that there is an end to all of it."""

from pathlib import Path

import pytest

from shared.telemetry import metrics
from shared.telemetry.metrics import METRICS
from tests.telemetry import Recorded

PAGE = Path(__file__).parents[3] / "docs/observability.md"


def test_a_key_counts_once_and_is_forgotten_in_the_end(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_REMEMBERED", 2)
    assert [metrics.is_first_time(key) for key in ("a", "a", "b", "c", "a")] == [True, False, True, True, True]
    assert len(metrics._counted) == 2


def test_a_state_that_no_vm_is_in_any_more_is_none(recorded: Recorded) -> None:
    metrics.set_vault_vms("vault-dr", {("Protected", "Normal"): 6})
    metrics.set_vault_vms("vault-dr", {("Protected", "Critical"): 6})
    assert recorded.metric("hci.vms") == {
        (("vault", "vault-dr"), ("state", "Protected"), ("health", "Normal")): 0,
        (("vault", "vault-dr"), ("state", "Protected"), ("health", "Critical")): 6,
    }


def test_kinds_of_which_nothing_is_owed_are_none(recorded: Recorded) -> None:
    metrics.set_obligations(("cleanup", "commit"), {"cleanup": 3}, {"cleanup": 1})
    assert recorded.metric("hci.obligations.open") == {(("kind", "cleanup"),): 3, (("kind", "commit"),): 0}
    assert recorded.metric("hci.obligations.late") == {(("kind", "cleanup"),): 1, (("kind", "commit"),): 0}


def test_who_has_not_seen_a_look_says_nothing_of_its_age(recorded: Recorded) -> None:
    assert recorded.metric("hci.timer.look.age") == {}
    metrics.note_look()
    (age,) = recorded.metric("hci.timer.look.age").values()
    assert age >= 0


def test_calls_have_their_method_operation_and_status(recorded: Recorded) -> None:
    metrics.count_arm_call("POST", "failoverCommit", 202, 0.2)
    metrics.count_arm_call("POST", "failoverCommit", 202, 0.4)
    about = (("method", "POST"), ("operation", "failoverCommit"))
    assert recorded.metric("hci.arm.calls") == {(*about, ("status", 202)): 2}
    assert recorded.metric("hci.arm.duration") == {about: 2}


def test_every_metric_stands_on_the_page_as_it_is() -> None:
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| `hci.")]
    listed = {row[0].strip("`"): row[1:] for row in rows if len(row) == 5}
    made = {
        metric.name: [
            "gauge" if metric.kind == "observed" else metric.kind,
            f"`{metric.unit}`",
            ", ".join(f"`{name}`" for name in metric.attributes) or "none",
            metric.description,
        ]
        for metric in METRICS
    }
    assert listed == made


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_no_metric_has_a_series_for_each_vm_run_or_person(metric: metrics.Metric) -> None:
    assert set(metric.attributes) <= {"kind", "state", "vault", "health", "method", "operation", "status"}
