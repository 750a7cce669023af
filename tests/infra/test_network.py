"""With `network` private nothing of ours is reached from outside, but for what Event Grid must reach."""

from typing import Any

import pytest

from tests.infra.templates import HERE, deploy_main, of_type
from tools.arm.deployment import Resource

SPOKE = "/subscriptions/s2/resourceGroups/rg-network/providers/Microsoft.Network/virtualNetworks/vnet-spoke"
EXISTING = {"existingIntegrationSubnet": f"{SPOKE}/subnets/app", "existingEndpointSubnet": f"{SPOKE}/subnets/endpoints"}


def private(**parameters: Any) -> list[Resource]:
    return deploy_main(network="private", **parameters).resources


def endpoints(resources: list[Resource]) -> set[tuple[str, str]]:
    """The type of what each leads to, and the part."""
    found = set()
    for each in of_type(resources, "Microsoft.Network/privateEndpoints"):
        (connection,) = each["properties"]["privateLinkServiceConnections"]
        target = connection["properties"]["privateLinkServiceId"].split("/")
        assert any(made.id == "/".join(target) for made in resources), "it leads to something that is made"
        found.add((target[-1][:6], connection["properties"]["groupIds"][0]))
    return found


def test_public_makes_no_network() -> None:
    resources = deploy_main().resources
    assert [each.id for each in resources if each.type.startswith("Microsoft.Network/")] == []
    (app,) = of_type(resources, "Microsoft.Web/sites")
    assert "virtualNetworkSubnetId" not in app["properties"]
    assert app["properties"]["publicNetworkAccess"] == "Enabled"


def test_private_has_an_endpoint_for_each_thing_that_it_closes() -> None:
    resources = private()
    assert endpoints(resources) == {
        ("sthost", "blob"),
        ("sthost", "queue"),
        ("sthost", "table"),
        ("stevid", "blob"),
        ("evgt-" + names_token(resources)[:1], "topic"),
        ("kv" + names_token(resources)[:4], "vault"),
    }
    for kind in ("Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults", "Microsoft.EventGrid/topics"):
        for each in of_type(resources, kind):
            assert each["properties"]["publicNetworkAccess"] == "Disabled"
            assert each["properties"].get("networkAcls", {"defaultAction": "Deny"})["defaultAction"] == "Deny"


def names_token(resources: list[Resource]) -> str:
    (app,) = of_type(resources, "Microsoft.Web/sites")
    return str(app["name"].removeprefix("func-"))


def test_the_app_stands_in_a_subnet_that_flex_consumption_takes() -> None:
    resources = private()
    (network,) = of_type(resources, "Microsoft.Network/virtualNetworks")
    subnets = {each["name"]: each["properties"] for each in network["properties"]["subnets"]}
    delegations = [each["properties"]["serviceName"] for each in subnets["app"]["delegations"]]
    assert delegations == ["Microsoft.App/environments"]
    assert "delegations" not in subnets["endpoints"]
    (app,) = of_type(resources, "Microsoft.Web/sites")
    assert app["properties"]["virtualNetworkSubnetId"].endswith(f"/{network['name']}/subnets/app")


@pytest.mark.parametrize("subscribed", [False, True])
@pytest.mark.parametrize("private_app", [False, True])
def test_of_the_app_only_what_event_grid_needs_stays_open(*, private_app: bool, subscribed: bool) -> None:
    resources = private(privateApp=private_app, subscribeToFailures=subscribed)
    (app,) = of_type(resources, "Microsoft.Web/sites")
    config = app["properties"]["siteConfig"]
    assert (("func-" + names_token(resources)[:1], "sites") in endpoints(resources)) == private_app
    if not private_app:
        assert config["ipSecurityRestrictionsDefaultAction"] == "Allow"
        return
    assert config["ipSecurityRestrictionsDefaultAction"] == config["scmIpSecurityRestrictionsDefaultAction"] == "Deny"
    let_in = [each["ipAddress"] for each in config["ipSecurityRestrictions"]]
    assert let_in == (["AzureEventGrid"] if subscribed else [])
    assert app["properties"]["publicNetworkAccess"] == ("Enabled" if subscribed else "Disabled")


def test_a_network_of_your_own_is_used_and_none_is_made() -> None:
    resources = private(**EXISTING)
    assert of_type(resources, "Microsoft.Network/virtualNetworks") == []
    (app,) = of_type(resources, "Microsoft.Web/sites")
    assert app["properties"]["virtualNetworkSubnetId"] == EXISTING["existingIntegrationSubnet"]
    for each in of_type(resources, "Microsoft.Network/privateEndpoints"):
        assert each["properties"]["subnet"]["id"] == EXISTING["existingEndpointSubnet"]
    for each in of_type(resources, "Microsoft.Network/privateDnsZones/virtualNetworkLinks"):
        assert each["properties"]["virtualNetwork"]["id"] == SPOKE


@pytest.mark.parametrize(
    ("zones", "group"),
    [("make", HERE.id), ("existing", "/subscriptions/s3/resourceGroups/rg-dns"), ("policy", None)],
)
def test_names_are_registered_in_zones_of_ours_in_yours_or_by_a_policy(zones: str, group: str | None) -> None:
    resources = private(dnsZones=zones, dnsZonesGroup="/subscriptions/s3/resourceGroups/rg-dns", privateApp=True)
    made = {each["name"] for each in of_type(resources, "Microsoft.Network/privateDnsZones")}
    used = set()
    for each in of_type(resources, "Microsoft.Network/privateEndpoints/privateDnsZoneGroups"):
        (config,) = each["properties"]["privateDnsZoneConfigs"]
        scope, _, name = config["properties"]["privateDnsZoneId"].partition(
            "/providers/Microsoft.Network/privateDnsZones/"
        )
        assert scope == group
        used.add(name)
    names = {
        *(f"privatelink.{part}.core.windows.net" for part in ("blob", "queue", "table")),
        "privatelink.vaultcore.azure.net",
        "privatelink.eventgrid.azure.net",
        "privatelink.azurewebsites.net",
    }
    assert made == (names if zones == "make" else set())
    assert used == (set() if zones == "policy" else names)


def test_what_is_adopted_keeps_its_own_network() -> None:
    theirs = "/subscriptions/s2/resourceGroups/rg-there/providers/Microsoft.KeyVault/vaults/theirs"
    assert all(part != "vault" for _, part in endpoints(private(existingKeyVault=theirs)))
