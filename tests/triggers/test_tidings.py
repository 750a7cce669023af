"""What an event tells of a node: any casing, any deed, and nothing at all from what only looks like one."""

from datetime import UTC, datetime
from typing import Any

import azure.functions as func
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggers.azure_events import FailureEvent, IgnoredEvent, parse_either_schema, parse_failure_event

AT = datetime(2027, 3, 1, tzinfo=UTC)
SUB = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups"
MACHINE = f"{SUB}/rg-hci-arc/providers/Microsoft.HybridCompute/machines/hci-01-n2"
CLUSTER = f"{SUB}/rg-hci/providers/Microsoft.AzureStackHCI/clusters/hci-01"
FAILED = "Microsoft.Resources.ResourceWriteFailure"
CAUSE = "b96dc54c-03d2-559f-9bcb-313643564c0e"


def parse(subject: str, event_type: str = FAILED, data: Any = None) -> FailureEvent | IgnoredEvent:
    return parse_failure_event(event_type, subject, AT, {"correlationId": CAUSE} if data is None else data)


@pytest.mark.parametrize("deed", ["Write", "Delete", "Action"])
def test_every_failure_of_an_extension_is_heard(deed: str) -> None:
    seen = parse(f"{MACHINE}/extensions/AzureSiteRecovery", f"Microsoft.Resources.Resource{deed}Failure")
    assert seen == FailureEvent("extension", MACHINE, "AzureSiteRecovery", CAUSE, AT)


@pytest.mark.parametrize(
    ("subject", "kind", "about", "name"),
    [
        (f"{MACHINE}/extensions/asr".upper(), "extension", MACHINE.upper(), "ASR"),
        (f"{MACHINE}/runcommands/sync".lower(), "run-command", MACHINE.lower(), "sync"),
        (f"{CLUSTER}/arcSettings/default/extensions/asr", "cluster-extension", CLUSTER, "asr"),
    ],
)
def test_machines_run_commands_and_clusters_are_told_apart_in_any_casing(
    subject: str, kind: str, about: str, name: str
) -> None:
    seen = parse(subject)
    assert isinstance(seen, FailureEvent)
    assert (seen.kind, seen.resource_id, seen.name) == (kind, about, name)
    assert seen.subscription_id == "11111111-1111-1111-1111-111111111111"


@pytest.mark.parametrize(
    ("event_type", "subject", "at", "outcome"),
    [
        ("Microsoft.Resources.ResourceWriteSuccess", f"{MACHINE}/extensions/x", AT, "not-a-failure"),
        (FAILED, MACHINE, AT, "other-resource"),
        (FAILED, f"{MACHINE}/extensions/x/y", AT, "other-resource"),
        (FAILED, f"{MACHINE}/extensions/", AT, "other-resource"),
        (FAILED, f"{SUB}/rg/providers/Microsoft.Compute/virtualMachines/vm/extensions/x", AT, "other-resource"),
        (FAILED, "x" * 1_000_000, AT, "malformed"),
        (FAILED, None, AT, "malformed"),
        (FAILED, {"deep": [1]}, AT, "malformed"),
        (None, f"{MACHINE}/extensions/x", AT, "malformed"),
        (7, f"{MACHINE}/extensions/x", AT, "malformed"),
        (FAILED, f"{MACHINE}/extensions/x", None, "malformed"),
        (FAILED, f"{MACHINE}/extensions/x", datetime(2027, 3, 1), "malformed"),  # noqa: DTZ001 - that is the point
    ],
)
def test_everything_else_is_let_pass_with_a_word(
    event_type: Any, subject: Any, at: datetime | None, outcome: Any
) -> None:
    assert parse_failure_event(event_type, subject, at, {}) == IgnoredEvent(outcome)


def test_both_schemas_of_event_grid_say_the_same() -> None:
    subject = f"{MACHINE}/extensions/AzureSiteRecovery"
    data: dict[str, object] = {"correlationId": CAUSE}
    own = func.EventGridEvent(
        id="e", topic="t", subject=subject, event_type=FAILED, event_time=AT, data=data, data_version="2"
    )
    cloud = func.CloudEvent(
        id="e", source="t", type=FAILED, specversion="1.0", data=data, time=AT, subject=subject, dataschema="#"
    )
    failure = FailureEvent("extension", MACHINE, "AzureSiteRecovery", CAUSE, AT)
    assert parse_either_schema(own) == parse_either_schema(cloud) == failure
    assert parse_either_schema("neither") == IgnoredEvent("malformed")


@pytest.mark.parametrize("data", [{}, [], "text", {"correlationId": "x' or 1 eq 1"}, {"correlationId": "a" * 65}])
def test_what_is_no_correlation_id_is_dropped(data: Any) -> None:
    seen = parse(f"{MACHINE}/extensions/x", data=data)
    assert isinstance(seen, FailureEvent)
    assert seen.correlation_id == ""


@given(st.one_of(st.none(), st.text(), st.integers()), st.one_of(st.none(), st.text(), st.lists(st.text())), st.text())
def test_no_event_makes_it_fail(event_type: Any, subject: Any, data: Any) -> None:
    assert isinstance(parse_failure_event(event_type, subject, AT, data), IgnoredEvent)
