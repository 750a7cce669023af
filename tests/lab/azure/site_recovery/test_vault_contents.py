"""Sites, providers, policies, mappings, machines, events, health and settings of a vault."""

from datetime import timedelta
from typing import Any

import pytest

from lab.azure.site_recovery import events
from lab.azure.site_recovery.api.common import PROVIDERS
from lab.azure.site_recovery.api.times import exact_time, parse_time
from lab.azure.site_recovery.items.host_connection import disconnect_host, register_host
from tests.lab.azure.site_recovery.world import GROUP, SITE, TEST, TO_AZURE, VAULT, Json, World, codes, job_of

POLICY: Json = {
    "instanceType": "HyperVReplicaAzure",
    "recoveryPointHistoryDuration": 2,
    "applicationConsistentSnapshotFrequencyInHours": 1,
    "replicationInterval": 300,
}


async def _providers(world: World) -> dict[str, Json]:
    listed = world.sdk.replication_recovery_services_providers.list(GROUP, VAULT)
    shown = [provider.as_dict()["properties"] async for provider in listed]
    return {each["friendlyName"]: each for each in shown}


async def test_a_site_is_made_ready_from_nothing(world: World) -> None:
    """Site, policy and mapping, as the wizard does it; the container comes by itself, unpaired."""
    await (await world.sdk.replication_fabrics.begin_create(GROUP, VAULT, "hci-02-site", {"properties": {}})).result()
    fabric = (await world.sdk.replication_fabrics.get(GROUP, VAULT, "hci-02-site")).as_dict()["properties"]
    assert (fabric["customDetails"]["instanceType"], fabric["bcdrState"]) == ("HyperVSite", "Valid")
    containers = world.sdk.replication_protection_containers.list_by_replication_fabrics(GROUP, VAULT, "hci-02-site")
    (container,) = [each.as_dict() async for each in containers]
    assert container["name"] == f"cloud_{fabric['internalIdentifier']}"
    assert container["properties"]["pairingStatus"] == "NotPaired"
    policies = world.sdk.replication_policies
    made = await policies.begin_create(GROUP, VAULT, "policy-2h", {"properties": {"providerSpecificInput": POLICY}})
    policy = (await made.result()).as_dict()
    assert policy["properties"]["providerSpecificDetails"]["recoveryPointHistoryDurationInHours"] == 2
    mapping = {
        "policyId": policy["id"],
        "targetProtectionContainerId": "Microsoft Azure",
        "providerSpecificInput": {"instanceType": "HyperVReplicaAzure"},
    }
    mappings = world.sdk.replication_protection_container_mappings
    poller = await mappings.begin_create(GROUP, VAULT, "hci-02-site", container["name"], "map", {"properties": mapping})
    assert (await poller.result()).as_dict()["properties"]["state"] == "Paired"
    again = await world.sdk.replication_protection_containers.get(GROUP, VAULT, "hci-02-site", container["name"])
    assert again.as_dict()["properties"]["pairingStatus"] == "Paired"


@pytest.mark.parametrize(("kind", "status"), [("VMwareV2", 501), ("InMageRcm", 501), ("Nonsense", 400), (7, 400)])
async def test_another_kind_of_fabric_is_not_made_a_hyper_v_site(world: World, kind: Any, status: int) -> None:
    body = {"properties": {"customDetails": {"instanceType": kind}}}
    assert (await world.call("PUT", "/replicationFabrics/other", body))[0] == status
    world.pass_time(minutes=1)
    assert (await world.call("GET", "/replicationFabrics/other"))[0] == 404


async def test_things_are_taken_down_only_in_their_order(world: World) -> None:
    """Machines, mapping, policy, providers, site: each refuses while the next is there."""
    container = world.names()[3]
    base = f"/replicationFabrics/{SITE}"
    mapping = f"{base}/replicationProtectionContainers/{container}/replicationProtectionContainerMappings"
    mapping += "/hci-01-site-policy-24h"
    for path in (mapping, "/replicationPolicies/policy-24h"):
        status, body, _ = await world.call("DELETE", path)
        assert (status, body["error"]["details"][0]["code"]) == (400, "DependenciesExist")
    assert (await world.call("POST", f"{base}/remove"))[0] == 400
    for machine in ("dc-01", "sql-01", "web-01"):
        await world.done("remove", {}, machine)
    providers = [
        f"{base}/replicationRecoveryServicesProviders/{each['name']}" for each in world.lab.store.all(PROVIDERS)
    ]
    for path in (mapping, "/replicationPolicies/policy-24h", *providers, base):
        assert (await world.call("DELETE", path))[0] == 202, path
        world.pass_time(minutes=2)
        assert (await world.call("GET", path))[0] == 404, path


async def test_a_policy_of_the_same_name_with_other_settings_fails(world: World) -> None:
    """15035 in the job; the same settings are taken."""
    body = {"properties": {"providerSpecificInput": POLICY}}
    for settings, code in ((POLICY, None), (POLICY, None), (POLICY | {"recoveryPointHistoryDuration": 4}, "15035")):
        body = {"properties": {"providerSpecificInput": settings}}
        _, _, headers = await world.call("PUT", "/replicationPolicies/policy-2h", body)
        world.pass_time(minutes=1)
        job = await world.job(job_of(headers))
        assert [error["serviceErrorDetails"]["code"] for error in job["errors"]] == ([code] if code else [])


@pytest.mark.parametrize(
    "change",
    [
        {"recoveryPointHistoryDuration": 25},
        {"replicationInterval": 60},
        {"applicationConsistentSnapshotFrequencyInHours": 3},
        {"instanceType": "A2A"},
    ],
)
async def test_a_policy_outside_the_limits_is_400(world: World, change: Json) -> None:
    """At most a day of history; 30, 300 or 900 seconds."""
    body = {"properties": {"providerSpecificInput": POLICY | change}}
    assert (await world.call("PUT", "/replicationPolicies/p", body))[0] == 400


async def test_heartbeats_follow_the_clock_while_a_node_is_connected(world: World) -> None:
    """At most a minute old; they stop when the node is lost."""
    world.pass_time(hours=2)
    assert world.clock.now() - parse_time((await _providers(world))["hci-01-n1"]["lastHeartBeat"]) < timedelta(
        minutes=1
    )
    disconnect_host(world.lab, "hci-01-n1")
    lost_at = world.clock.now()
    world.pass_time(hours=1)
    lost = (await _providers(world))["hci-01-n1"]
    assert (lost["connectionStatus"], parse_time(lost["lastHeartBeat"])) == ("NotConnected", lost_at)
    assert lost["allowedScenarios"] == ["Purge"]


async def test_a_lost_node_is_noticed_only_minutes_later(world: World) -> None:
    """Until then the vault, the provider and the items look well; only the heartbeat grows old."""
    disconnect_host(world.lab, "hci-01-n1")
    lost_at = world.clock.now()
    world.pass_time(minutes=14)
    provider, item = (await _providers(world))["hci-01-n1"], await world.item()
    assert (provider["connectionStatus"], provider["lastHeartBeat"]) == ("Connected", exact_time(lost_at))
    assert (item["replicationHealth"], await _vault_issues(world), _critical_events(world)) == ("Normal", [], [])
    world.pass_time(minutes=7)
    provider, item = (await _providers(world))["hci-01-n1"], await world.item()
    assert (provider["connectionStatus"], item["replicationHealth"]) == ("NotConnected", "Critical")
    assert (await _vault_issues(world), _critical_events(world)) == (["583"], ["SRSDRAHeartbeatMissing"])


async def _vault_issues(world: World) -> list[str]:
    _, body, _ = await world.call("GET", "/replicationVaultHealth")
    return [issue["summaryCode"] for issue in body["properties"]["fabricsHealth"]["issues"]]


def _critical_events(world: World) -> list[str]:
    shown = [event["properties"] for event in world.lab.store.all(events.KIND)]
    return [event["eventCode"] for event in shown if event["severity"] == "Critical"]


async def test_a_node_that_is_back_before_it_was_missed_was_never_lost(world: World) -> None:
    disconnect_host(world.lab, "hci-01-n1", minutes=10)
    world.pass_time(minutes=40)
    assert (await _providers(world))["hci-01-n1"]["connectionStatus"] == "Connected"
    assert _critical_events(world) == []


async def test_a_node_that_is_lost_again_is_noticed_from_then(world: World) -> None:
    """What was to be noticed of the first loss is not taken for the second."""
    disconnect_host(world.lab, "hci-01-n1", minutes=1)
    world.pass_time(minutes=10)
    disconnect_host(world.lab, "hci-01-n1")
    world.pass_time(minutes=14)
    assert (await _providers(world))["hci-01-n1"]["connectionStatus"] == "Connected"
    world.pass_time(minutes=7)
    assert (await _providers(world))["hci-01-n1"]["connectionStatus"] == "NotConnected"


@pytest.mark.parametrize("minutes", [1, 30])
async def test_what_needs_a_lost_host_fails_when_that_has_not_answered(world: World, minutes: int) -> None:
    """583 after minutes while the loss is not known, and after seconds once it is."""
    disconnect_host(world.lab, "hci-01-n1")
    world.pass_time(minutes=minutes)
    name = await world.start("plannedFailover", TO_AZURE)
    world.pass_time(seconds=40)
    assert (await world.job(name))["state"] == ("InProgress" if minutes == 1 else "Failed")
    world.pass_time(minutes=6)
    assert codes(await world.job(name)) == ["583"]


async def test_a_node_that_registers_is_connected_with_a_fresh_heartbeat(world: World) -> None:
    """One provider a node: the node without one gets it, and a site that no vault has changes nothing."""
    assert set(await _providers(world)) == {"hci-01-n1", "hci-01-n3"}
    register_host(world.lab, {"name": "hci-01-n2", "id": None}, "another-site")
    assert "hci-01-n2" not in await _providers(world)
    world.pass_time(minutes=10)
    register_host(world.lab, {"name": "hci-01-n2", "id": None}, world.fabric["siteId"])
    provider = (await _providers(world))["hci-01-n2"]
    assert provider["connectionStatus"] == "Connected"
    assert parse_time(provider["lastHeartBeat"]) == world.clock.now()
    world.pass_time(minutes=1)
    found = [job.as_dict()["properties"] async for job in world.sdk.replication_jobs.list(GROUP, VAULT)]
    assert [(job["scenarioName"], job["targetObjectName"]) for job in found] == [("RegisterDra", "hci-01-n2")]


async def test_a_lost_node_stops_the_replication_of_its_machines_until_it_is_back(world: World) -> None:
    """No new points and Critical health; then points again."""
    disconnect_host(world.lab, "hci-01-n1", minutes=60)
    world.pass_time(minutes=50)
    item = await world.item()
    assert item["replicationHealth"] == "Critical"
    assert [error["errorCode"] for error in item["healthErrors"]] == ["583", "161011"]
    stale = item["providerSpecificDetails"]["lastRecoveryPointReceived"]
    world.pass_time(minutes=20)
    item = await world.item()
    assert item["replicationHealth"] == "Normal"
    assert item["providerSpecificDetails"]["lastRecoveryPointReceived"] > stale


async def test_a_provider_that_is_lost_cannot_be_refreshed(world: World) -> None:
    """583; a connected one can."""
    disconnect_host(world.lab, "hci-01-n3")
    outcomes = []
    for provider in world.lab.store.all(PROVIDERS):
        path = f"/replicationFabrics/{SITE}/replicationRecoveryServicesProviders/{provider['name']}/refreshProvider"
        _, _, headers = await world.call("POST", path)
        world.pass_time(minutes=6)
        outcomes.append((await world.job(job_of(headers)))["state"])
    assert outcomes == ["Succeeded", "Failed"]


async def test_the_last_page_of_machines_links_to_an_empty_one(world: World) -> None:
    """The SDK goes through both and gives each machine once."""
    container = world.names()[3]
    listed = world.sdk.replication_protectable_items.list_by_replication_protection_containers(
        GROUP, VAULT, SITE, container
    )
    assert [machine.as_dict()["properties"]["friendlyName"] async for machine in listed] == [
        "dc-01",
        "sql-01",
        "web-01",
    ]
    path = f"/replicationFabrics/{SITE}/replicationProtectionContainers/{container}/replicationProtectableItems"
    _, page, _ = await world.call("GET", path)
    assert len(page["value"]) == 3
    _, last, _ = await world.call("GET", page["nextLink"])
    assert last == {"value": [], "nextLink": None}


async def test_what_goes_wrong_is_an_event(world: World) -> None:
    """A lost agent and a failed job; the filter chooses."""
    disconnect_host(world.lab, "hci-01-n1")
    world.lab.faults.replace_rules([{"match": {}, "effect": {"job": {"fail": "499"}}}])
    await world.done("testFailover", TEST)
    listed = world.sdk.replication_events.list(GROUP, VAULT, filter="Severity eq 'Critical'")
    shown = [event.as_dict() async for event in listed]
    assert [event["properties"]["description"] for event in shown] == [
        "Azure Site Recovery Provider is not connected",  # noticed later than the job failed
        "TestFailover - Failed",
    ]
    assert shown[0]["properties"]["healthErrors"][0]["errorCode"] == "583"
    one = await world.sdk.replication_events.get(GROUP, VAULT, shown[1]["name"])
    assert one.as_dict()["properties"]["affectedObjectFriendlyName"] == "sql-01"
    none = world.sdk.replication_events.list(GROUP, VAULT, filter="EventType eq 'VmHealth'")
    assert [event async for event in none] == []


async def test_the_health_of_the_vault_counts_its_items(world: World) -> None:
    """And can be counted again."""
    await world.done("testFailover", TEST)
    poller = await world.sdk.replication_vault_health.begin_refresh(GROUP, VAULT)
    await poller.result()
    health = (await world.sdk.replication_vault_health.get(GROUP, VAULT)).as_dict()["properties"]
    counts = health["protectedItemsHealth"]["categorizedResourceCounts"]
    assert counts["testFailoverWaitingProtectedItemsCount"] == 1
    assert counts["protectedItemsTestFailoverWarningCount"] == 2


async def test_alert_settings_answer_at_once(world: World) -> None:
    """200 with what was sent."""
    sent = {"sendToOwners": "Send", "customEmailAddresses": ["ops@contoso.com"], "locale": "en_US"}
    settings = world.sdk.replication_alert_settings
    kept = await settings.create(GROUP, VAULT, "defaultAlertSetting", {"properties": sent})
    assert kept.as_dict()["properties"] == sent
    assert [each.as_dict()["name"] async for each in settings.list(GROUP, VAULT)] == ["defaultAlertSetting"]


async def test_what_a_hyper_v_site_has_not_is_an_empty_list(world: World) -> None:
    """Networks and their mappings."""
    assert [each async for each in world.sdk.replication_networks.list(GROUP, VAULT)] == []
    assert [each async for each in world.sdk.replication_network_mappings.list(GROUP, VAULT)] == []


async def test_what_is_not_simulated_is_a_loud_501(world: World) -> None:
    """Never an empty 200."""
    status, body, _ = await world.call("GET", "/replicationMigrationItems")
    assert (status, body["error"]["code"]) == (501, "NotSimulated")


async def test_a_site_of_a_thousand_machines_is_listed_whole() -> None:
    """One page, each with its own state."""
    machines = [{"name": f"vm-{number:04}", "node": "hci-01-n1"} for number in range(1000)]
    async with World(machines) as world:
        _, body, _ = await world.call("GET", "/replicationProtectedItems")
        assert (len(body["value"]), body["nextLink"]) == (1000, None)
