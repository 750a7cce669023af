"""What does not fit together is refused before anything is made, and the message names the parameter."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.infra.templates import deploy_main, deploy_roles
from tools.arm.expressions import WrongTemplate

SUBNET = "/subscriptions/s2/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet/subnets/app"
ADOPTED = {
    "existingTopic": "Microsoft.EventGrid/topics",
    "existingSystemTopic": "Microsoft.EventGrid/systemTopics",
    "existingKeyVault": "Microsoft.KeyVault/vaults",
    "existingWorkspace": "Microsoft.OperationalInsights/workspaces",
    "existingEvidenceStorage": "Microsoft.Storage/storageAccounts",
    "existingActionGroup": "Microsoft.Insights/actionGroups",
}
OTHERS = ["my-vault", "https://x.vault.azure.net", "/subscriptions/s", "/subscriptions/s/resourceGroups/rg"]


def adopted(kind: str) -> str:
    return f"/subscriptions/s/resourceGroups/rg/providers/{kind}/theirs"


@pytest.mark.parametrize(
    "given_id", [*OTHERS, *map(adopted, ["Microsoft.Web/sites", "Microsoft.KeyVault/managedHSMs"])]
)
@pytest.mark.parametrize("parameter", ADOPTED)
def test_what_is_no_id_of_its_kind_is_not_adopted(parameter: str, given_id: str) -> None:
    with pytest.raises(WrongTemplate, match=f"{parameter} is no resource id of {ADOPTED[parameter]}"):
        deploy_main(subscribeToFailures=True, alertEmails="a@x.org", **{parameter: given_id})


@pytest.mark.parametrize("parameter", ADOPTED)
def test_an_id_is_taken_however_its_letters_are_written(parameter: str) -> None:
    whole = adopted(ADOPTED[parameter])
    for given_id in (whole, whole.lower(), whole.replace("resourceGroups", "resourcegroups")):
        deploy_main(subscribeToFailures=True, alertEmails="a@x.org", **{parameter: given_id})


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"privateApp": True}, "privateApp"),
        ({"existingIntegrationSubnet": SUBNET, "existingEndpointSubnet": SUBNET}, "existingIntegrationSubnet"),
        ({"dnsZonesGroup": "/subscriptions/s/resourceGroups/rg"}, "dnsZonesGroup"),
        ({"network": "private", "existingIntegrationSubnet": SUBNET}, "existingEndpointSubnet are given together"),
        ({"network": "private", "existingEndpointSubnet": SUBNET}, "existingEndpointSubnet are given together"),
        (
            {"network": "private", "existingIntegrationSubnet": "app", "existingEndpointSubnet": SUBNET},
            "existingIntegrationSubnet is no resource id",
        ),
        ({"network": "private", "dnsZones": "existing"}, "dnsZonesGroup"),
        ({"network": "private", "dnsZones": "existing", "dnsZonesGroup": "rg-dns"}, "dnsZonesGroup"),
        ({"network": "closed"}, "network: 'closed' is not one of"),
        ({"timerSilentAfter": "PT7M"}, "timerSilentAfter: 'PT7M' is not one of"),
        ({"evidenceDays": 0}, "evidenceDays"),
        ({"maximumInstances": 1001}, "maximumInstances"),
        ({"environmentName": ""}, "environmentName"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_name(parameters: dict[str, Any], names: str) -> None:
    with pytest.raises(WrongTemplate, match=names):
        deploy_main(**parameters)


SITE = {"name": "hci-01", "vault": "rg-dr", "targets": ["rg-vms"], "clusters": ["rg-hci"], "networks": ["rg-net"]}


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"vault": "/subscriptions/s/resourceGroups/rg-dr"}, "site hci-01: a resource group is given by its name"),
        ({"vault": ""}, "site hci-01"),
        ({"clusters": ["rg-hci", "/x"]}, "site hci-01"),
        ({"subscription": "production"}, "site hci-01"),
        ({"may": ["everything"]}, r"sites\[0\].may"),
        ({"nodes": []}, r"sites\[0\].nodes: there is no such property"),
    ],
)
def test_a_site_that_is_wrongly_written_is_refused_by_its_name(changes: dict[str, Any], names: str) -> None:
    with pytest.raises(WrongTemplate, match=names):
        deploy_roles(principalId="p", sites=[{**SITE, **changes}])


NAMES = st.sampled_from(["rg-a", "rg-b", "RG-A", "rg-c"])
SITES = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.just("x"),
            "vault": NAMES,
            "targets": st.lists(NAMES, max_size=3),
            "clusters": st.lists(NAMES, max_size=3),
            "networks": st.lists(NAMES, max_size=2),
        },
        optional={
            "may": st.lists(st.sampled_from(["drill", "failover", "prepare", "heal"]), max_size=4),
            "hooks": st.lists(NAMES, max_size=2),
            "subscription": st.sampled_from([f"{number}" * 8 + "-0000-0000-0000-000000000000" for number in (1, 2)]),
        },
    ),
    max_size=5,
)


@given(SITES)
def test_however_sites_share_groups_no_role_is_assigned_twice_and_each_group_has_what_a_site_needs(
    sites: list[dict[str, Any]],
) -> None:
    resources = deploy_roles(principalId="p", sites=sites).resources
    assigned = [each for each in resources if each.type == "Microsoft.Authorization/roleAssignments"]
    places = [
        (each.id.lower().partition("/providers/")[0], each.document["properties"]["roleDefinitionId"])
        for each in assigned
    ]
    assert len(places) == len(set(places))
    groups = {place for place, _ in places}
    for site in sites:
        for group in site["clusters"] if "heal" in site.get("may", ["heal"]) else ():
            assert any(place.endswith(f"/resourcegroups/{group.lower()}") for place in groups)
