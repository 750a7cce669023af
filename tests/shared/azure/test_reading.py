"""Items and jobs as Site Recovery has been recorded to send them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.arm_ids import names_by_type, same_id
from shared.azure.exactly_once import JobSignature, is_alike, is_started_by
from shared.azure.jobs import job_end
from shared.azure.json_fields import parse_utc
from shared.azure.protected_items import current_job, is_hyper_v_to_azure, item_detail, item_view, machine_guid
from tests.shared.azure.fake import item, job

RECORDED = json.loads((Path(__file__).parent / "recorded.json").read_text(encoding="utf-8"))
REQUEST_ID = "7b0f0d2c-0f6e-5b0e-9b53-3f8f2f2d7c11"


def recorded(key: str) -> dict[str, Any]:
    found: dict[str, Any] = RECORDED["bodies"][key]
    return found


def test_an_item_of_2023_is_read_in_full() -> None:
    view = item_view(recorded("v22.rpi.protectedButFinalizing"))
    assert view.vm == "A409-ForAzure-Vm1"
    assert view.scenario == "EnableProtection"
    assert view.allowed_operations == ()
    assert view.rpo == timedelta(seconds=4)
    assert view.last_recovery_point == datetime(2023, 8, 18, 5, 51, 18, 389072, tzinfo=UTC)
    assert view.azure_vm == "CliVM2"
    assert view.target_group.endswith("/resourceGroups/rg1")
    assert current_job(recorded("v22.rpi.protectedButFinalizing")) == "88b6f446-2e34-4660-b1a5-504bf01f5c08"
    assert machine_guid(recorded("v22.rpi.protectedButFinalizing")) == "a5246033-3af5-4905-8889-cfedaeea9540"


def test_an_item_that_says_almost_nothing_is_read_with_defaults() -> None:
    view = item_view({"id": "/x", "properties": {"friendlyName": "sql-01", "allowedOperations": None}})
    assert (view.vm, view.scenario, view.active_location, view.test_failover_state) == (
        "sql-01",
        "None",
        "Primary",
        "None",
    )


def test_what_a_preview_is_judged_by_is_read_as_well() -> None:
    recent = item_detail(recorded("v22.rpi.protectedButFinalizing"))
    assert recent.rpo_at == datetime(2023, 8, 18, 5, 51, 23, 293749, tzinfo=UTC)
    assert "vmm01.contoso.local" in recent.hyper_v_sites
    assert recent.policy == "cli-test-policy-H2A-E2A-1"
    assert recent.host_provider.endswith("/9a54cf2c-9ea0-48ca-82e9-70fbff7771e7")
    bare = item_detail({"id": "/x", "properties": {"friendlyName": "sql-01"}})
    assert (bare.rpo_at, bare.hyper_v_sites, bare.policy, bare.network) == (None, (), "", "")


def test_the_network_is_that_of_the_first_card_that_has_one() -> None:
    cards = [{"recoveryVMNetworkId": None}, {"recoveryVMNetworkId": "/networks/a"}]
    details = {"instanceType": "HyperVReplicaAzure", "selectedRecoveryAzureNetworkId": "/networks/b"}
    assert item_detail(item(providerSpecificDetails={**details, "vmNics": cards})).network == "/networks/a"
    assert item_detail(item(providerSpecificDetails={**details, "vmNics": None})).network == "/networks/b"


def test_an_idle_item_names_no_job() -> None:
    assert current_job(item()) == ""


def test_machines_of_other_kinds_are_not_ours() -> None:
    assert is_hyper_v_to_azure(item())
    assert not is_hyper_v_to_azure(item(providerSpecificDetails={"instanceType": "InMageRcm"}))


def test_a_job_in_its_first_moments_still_runs() -> None:
    null = {"state": "NotStarted", "scenarioName": None, "startTime": None, "tasks": None, "errors": None}
    assert job_end({"name": "j", "properties": null}) is None


@pytest.mark.parametrize("state", ["NotStarted", "InProgress", "Cancelling", "Other", "Unknown", "SomethingNew", None])
def test_a_state_that_is_no_end_is_still_running(state: str | None) -> None:
    assert job_end(job("j", state=state)) is None


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("Succeeded", "succeeded"),
        ("PartiallySucceeded", "succeeded"),
        ("CompletedWithInformation", "succeeded"),
        ("Completed", "succeeded"),
        ("Failed", "failed"),
        ("Cancelled", "failed"),
        ("Aborted", "failed"),
        ("Suspended", "suspended"),
        ("WaitingForManualAction", "suspended"),
    ],
)
def test_an_end_is_known_by_its_state(state: str, outcome: str) -> None:
    end = job_end(job("j", state=state))
    assert end is not None
    assert (end.outcome, end.state) == (outcome, state)


def test_a_failed_job_tells_code_message_and_what_to_do() -> None:
    error = {
        "serviceErrorDetails": {"code": "532", "message": "In progress.", "recommendedAction": "Wait."},
        "providerErrorDetails": None,
        "errorLevel": "Error",
    }
    end = job_end(job("j", state="Failed", errors=[error]))
    assert end is not None
    assert (end.code, end.detail) == ("532", "In progress. Wait.")


def test_what_the_hosts_provider_said_stands_beside_the_services_words() -> None:
    error = {
        "serviceErrorDetails": {"code": "539", "message": "See the provider.", "recommendedAction": None},
        "providerErrorDetails": {"errorCode": 31389, "errorMessage": "Hyper-V failed."},
        "errorLevel": "Error",
    }
    end = job_end(job("j", state="Failed", errors=[error]))
    assert end is not None
    assert (end.code, end.detail) == ("539", "See the provider. Hyper-V failed.")


def test_an_error_of_the_provider_alone_has_its_number() -> None:
    error = {"serviceErrorDetails": None, "providerErrorDetails": {"errorCode": 31389, "errorMessage": "No."}}
    end = job_end(job("j", state="Failed", errors=[error]))
    assert end is not None
    assert (end.code, end.detail) == ("31389", "No.")


def test_a_success_keeps_its_warnings() -> None:
    warning = {"serviceErrorDetails": {"code": "28175", "message": "Renamed."}, "errorLevel": "Warning"}
    end = job_end(job("j", state="Succeeded", errors=[warning]))
    assert end is not None
    assert (end.outcome, end.code, end.warnings) == ("succeeded", "", ("28175: Renamed.",))


def test_a_test_failover_names_the_machine_that_it_made() -> None:
    details = {"protectedItemDetails": [{"friendlyName": "sql-01", "testVmName": "sql-01-test"}]}
    end = job_end(job("j", state="Succeeded", customDetails=details))
    assert end is not None
    assert end.azure_vm == "sql-01-test"


def test_a_failover_names_none() -> None:
    details = {"protectedItemDetails": [{"friendlyName": "sql-01", "testVmName": None}]}
    end = job_end(job("j", state="Succeeded", customDetails=details, endTime="0001-01-01T00:00:00"))
    assert end is not None
    assert (end.azure_vm, end.ended) == ("", None)


def test_a_job_is_ours_by_the_beginning_of_its_activity_id() -> None:
    activity = f"{REQUEST_ID.upper()} ActivityId: 11111111-2222-3333-4444-555555555555"
    assert is_started_by(job("j", activityId=activity), REQUEST_ID)
    assert not is_started_by(job("j", activityId=activity.replace("7B0F", "8B0F")), REQUEST_ID)
    assert not is_started_by(job("j", activityId=None), REQUEST_ID)


SINCE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
LIKE_OURS = {"scenarioName": "TestFailover", "targetObjectId": "GUID-1", "activityId": "something-new"}


@pytest.mark.parametrize(
    ("change", "looks"),
    [
        ({}, True),
        ({"activityId": "a ActivityId: b"}, False),
        ({"scenarioName": "PlannedFailover"}, False),
        ({"targetObjectId": "guid-2"}, False),
        ({"startTime": "2026-11-22T08:59:59Z"}, False),
        ({"startTime": None}, False),
        ({"state": "Failed"}, True),
        ({"state": "Succeeded"}, True),
    ],
)
def test_without_the_known_form_a_job_is_ours_by_what_it_does(change: dict[str, Any], looks: bool) -> None:
    shown = job("j", **{**LIKE_OURS, **change})
    assert is_alike(shown, JobSignature({"TestFailover"}, {"guid-1", "sql-01"}, SINCE)) is looks


@pytest.mark.parametrize("never", ["1753-01-01T01:01:01Z", "0001-01-01T00:00:00", None, "", "8/18/2017 2:05:00 AM"])
def test_what_is_no_time_is_none(never: str | None) -> None:
    assert parse_utc(never) is None


@pytest.mark.parametrize(
    "said", ["2023-08-18T05:51:23.2937497Z", "2023-08-18T05:51:23.293749", "2023-08-18T07:51:23.293749+02:00"]
)
def test_times_become_aware_utc(said: str) -> None:
    assert parse_utc(said) == datetime(2023, 8, 18, 5, 51, 23, 293749, tzinfo=UTC)


names = st.text("abcXYZ019-_.()", min_size=1, max_size=20)


@given(names, names)
def test_an_id_of_any_casing_gives_its_names_in_their_own(group: str, vault: str) -> None:
    said = f"/SUBSCRIPTIONS/s/ResourceGroups/{group}/providers/Microsoft.RecoveryServices/VAULTS/{vault}/"
    assert names_by_type(said)["resourcegroups"] == group
    assert names_by_type(said)["vaults"] == vault
    assert same_id(said, said.lower().rstrip("/"))
