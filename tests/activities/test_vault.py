"""What is read of a vault, and when a job is told to have ended."""

import re
from datetime import UTC, datetime

import pytest

from activities.vault import read_items, read_providers, watch_jobs
from shared.errors import Throttled
from shared.messages import VaultRef
from shared.site_recovery.contract import ReadItems, ReadProviders, WatchJobs
from tests.shared.azure.fake import VAULT, FakeArm, Reply, item, job, listed

REF = VaultRef.from_id(VAULT)
SINCE = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def watch(*jobs: str) -> WatchJobs:
    return WatchJobs(vault=REF, jobs=jobs, since=SINCE)


async def test_items_are_found_by_name_in_any_casing(arm: FakeArm) -> None:
    arm.says("GET", "/replicationProtectedItems", listed(item("dc-01"), item("SQL-01"), item("web-01")))
    seen = await read_items(ReadItems(vault=REF, vms=("sql-01", "WEB-01", "gone")))
    assert [view.vm for view in seen.items] == ["SQL-01", "web-01"]
    assert len((await read_items(ReadItems(vault=REF))).items) == 3


async def test_machines_of_other_kinds_are_not_listed(arm: FakeArm) -> None:
    other = item("esx-01", providerSpecificDetails={"instanceType": "InMageRcm"})
    arm.says("GET", "/replicationProtectedItems", listed(other, item("sql-01")))
    assert [view.vm for view in (await read_items(ReadItems(vault=REF))).items] == ["sql-01"]


async def test_watching_costs_one_list_while_all_still_run(arm: FakeArm) -> None:
    arm.says("GET", "/replicationJobs", listed(job("j1"), job("j2"), job("somebody-elses")))
    assert (await watch_jobs(watch("j1", "J2"))).ended == ()
    assert [one.path for one in arm.asked if one.path != "/msi/token"] == [f"{VAULT}/replicationJobs"]


async def test_a_job_that_is_no_longer_listed_is_read(arm: FakeArm) -> None:
    details = {"protectedItemDetails": [{"testVmName": "sql-01-test"}]}
    arm.says("GET", "/replicationJobs", listed(job("j1")))
    arm.says("GET", "/replicationJobs/j2", Reply(200, job("j2", state="Succeeded", customDetails=details)))
    (end,) = (await watch_jobs(watch("j1", "j2"))).ended
    assert (end.job, end.outcome, end.azure_vm) == ("j2", "succeeded", "sql-01-test")


async def test_a_job_that_has_not_begun_still_runs(arm: FakeArm) -> None:
    null = job("j1", state="NotStarted", scenarioName=None, startTime=None, tasks=None, errors=None)
    arm.says("GET", "/replicationJobs", listed())
    arm.says("GET", "/replicationJobs/j1", Reply(200, null))
    assert (await watch_jobs(watch("j1"))).ended == ()


async def test_a_suspended_job_is_told(arm: FakeArm) -> None:
    waits = job("j1", state="Suspended", stateDescription="WaitingForStopTestFailover")
    arm.says("GET", "/replicationJobs", listed())
    arm.says("GET", "/replicationJobs/j1", Reply(200, waits))
    (end,) = (await watch_jobs(watch("j1"))).ended
    assert (end.outcome, end.state, end.detail) == ("suspended", "Suspended", "WaitingForStopTestFailover")


async def test_a_job_that_cannot_be_read_this_time_still_runs(arm: FakeArm) -> None:
    arm.says("GET", "/replicationJobs", listed())
    arm.says("GET", "/replicationJobs/j1", Reply(503))
    arm.says("GET", "/replicationJobs/j2", Reply(200, job("j2", state="Succeeded")))
    assert [end.job for end in (await watch_jobs(watch("j1", "j2"))).ended] == ["j2"]


async def test_a_vault_that_throttles_reads_is_told(arm: FakeArm) -> None:
    arm.says("GET", "/replicationJobs", listed())
    arm.says("GET", "/replicationJobs/j1", Reply(429))
    with pytest.raises(Throttled):
        await watch_jobs(watch("j1"))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Reply(404, {"error": {"code": "NotFound", "message": "no such job"}}), "NotFound: no such job"),
        (Reply(403, {"error": {"code": "AuthorizationFailed", "message": "no"}}), "AuthorizationFailed: no"),
        (Reply(412), "http-412: Azure answered 412 to GET"),
        (Reply(503), "Azure answered 503 to GET"),
        (Reply(200, raw=b"null"), "cannot be read: it is no object but null"),
        (Reply(200, []), r"cannot be read: it is no object but \[\]"),
        (Reply(200, {"value": [None]}), "its list does not hold objects"),
        (Reply(200, raw=b"<html>"), "it is no JSON but b'<html>'"),
    ],
    ids=["404", "403", "412", "503", "null", "list", "list of null", "html"],
)
async def test_no_answer_about_a_job_says_how_it_ended(arm: FakeArm, answer: Reply, words: str) -> None:
    arm.says("GET", "/replicationJobs", listed())
    arm.says("GET", "/replicationJobs/j1", answer)
    watched = await watch_jobs(watch("j1"))
    (unread,) = watched.unreadable
    assert (watched.ended, unread.job) == ((), "j1")
    assert re.search(words, unread.detail)


def host(name: str, fabric: str, friendly: str = "", **properties: object) -> dict[str, object]:
    about = {"friendlyName": name, "fabricFriendlyName": friendly, "connectionStatus": "Connected", **properties}
    return {
        "id": f"{VAULT}/replicationFabrics/{fabric}/replicationRecoveryServicesProviders/{name}",
        "properties": about,
    }


async def test_hosts_of_a_site_are_found_by_its_name_or_friendly_name(arm: FakeArm) -> None:
    hosts = (host("n1", "abc", "hci-01-site"), host("n2", "HCI-01-site"), host("n3", "other", "other"))
    arm.says("GET", "/replicationRecoveryServicesProviders", listed(*hosts))
    seen = await read_providers(ReadProviders(vault=REF, fabric="hci-01-SITE"))
    assert [one.host for one in seen.providers] == ["n1", "n2"]
    assert len((await read_providers(ReadProviders(vault=REF))).providers) == 3


async def test_a_host_tells_connection_heartbeat_and_the_answers_own_time(arm: FakeArm) -> None:
    gone = host("n2", "f", connectionStatus="NotConnected", lastHeartBeat="0001-01-01T00:00:00")
    beating = host("n1", "f", lastHeartBeat="2026-11-22T10:00:00.1234567Z")
    page = Reply(200, {"value": [beating, gone]}, {"Date": "Sun, 22 Nov 2026 10:00:30 GMT"})
    arm.says("GET", "/replicationRecoveryServicesProviders", page)
    seen = await read_providers(ReadProviders(vault=REF))
    assert seen.at == datetime(2026, 11, 22, 10, 0, 30, tzinfo=UTC)
    assert [(one.connected, one.heartbeat) for one in seen.providers] == [
        (True, datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=UTC)),
        (False, None),
    ]
