"""Reading a site off the simulated Azure, and what Azure will not show."""

from typing import Any

import pytest

from activities.preflight import read_site
from shared.errors import Transient
from shared.onboarding.contract import ReadSite
from shared.onboarding.preflight.facts import AzureFacts
from tests.activities.lab import Lab
from tests.shared.samples import ISOLATED, SUBSCRIPTION, site

CACHE = f"{SUBSCRIPTION}/resourceGroups/rg-dr/providers/Microsoft.Storage/storageAccounts/stdrcache"


async def read(**declared: Any) -> AzureFacts:
    return await read_site(ReadSite(site=site(**{"cacheStorage": CACHE, **declared})))


async def test_a_site_that_is_set_up_is_read_whole(lab: Lab) -> None:
    facts = await read(drillNetwork={"network": ISOLATED})
    assert facts.cluster
    assert (facts.cluster.location, facts.cluster.nodes) == ("westeurope", ("hci-01-n1", "hci-01-n2", "hci-01-n3"))
    assert [node.extension.provisioning_state if node.extension else "" for node in facts.nodes] == [
        "Succeeded",
        "Failed",
        "Succeeded",
    ]
    assert facts.vault
    assert (facts.vault.site_exists, facts.vault.associated) == (True, True)
    assert [host.host for host in facts.vault.hosts] == ["hci-01-n1", "hci-01-n3"]
    assert facts.vault.policy
    assert facts.vault.policy["replicationInterval"] == 300
    assert facts.account
    assert (facts.account.kind, facts.account.firewall) == ("StorageV2", False)
    assert facts.network
    assert facts.network.subnets == ("apps",)
    assert facts.drill_network
    assert facts.quota
    assert (facts.unread, facts.arc_vms, facts.locks) == ({}, (), ())


async def test_what_is_not_there_is_absent_and_no_error(lab: Lab) -> None:
    lab.reset("bare")
    facts = await read(drillNetwork={"network": ISOLATED})
    assert facts.cluster
    assert (facts.vault, facts.account, facts.drill_network, facts.target_group) == (None, None, None, "")
    assert facts.unread == {}
    assert facts.rights_vault
    assert facts.rights_vault.scope == SUBSCRIPTION


@pytest.mark.parametrize(
    ("verb", "what"),
    [
        ("permissions/read", "rights"),
        ("locks/read", "locks"),
        ("usages/read", "quota"),
        ("virtualNetworks/read", "network"),
        ("storageAccounts/read", "account"),
        ("roleAssignments/read", "roles"),
        ("vaults/read", "vault"),
        ("clusters/read", "cluster"),
    ],
)
async def test_what_azure_refuses_to_show_is_named_and_the_rest_is_read(lab: Lab, verb: str, what: str) -> None:
    body = {"error": {"code": "AuthorizationFailed", "message": "no"}}
    lab.faults({"match": {"verb": verb}, "effect": {"status": 403, "body": body}})
    facts = await read()
    assert facts.unread == {what: "AuthorizationFailed: no"}
    assert facts.nodes


async def test_what_azure_did_not_answer_is_asked_again_by_the_caller(lab: Lab) -> None:
    lab.faults({"match": {"verb": "clusters/read"}, "effect": {"status": 503}})
    with pytest.raises(Transient):
        await read()


async def test_nothing_is_written(lab: Lab) -> None:
    await read()
    assert lab.ledger("runCommands/write") == []
