"""What a site may say."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from shared.problem_details import field_errors
from tests.shared.samples import ISOLATED, PRODUCTION, SITE, SUBSCRIPTION, site

ACCOUNTS = f"{SUBSCRIPTION}/resourceGroups/rg-dr/providers/Microsoft.Storage/storageAccounts"


def test_a_site_is_read_as_it_was_written() -> None:
    read = site()
    assert (read.hyper_v_site, read.vault_name, read.extension, read.healing) == (
        "hci-01-site",
        "vault-dr",
        "AzureSiteRecovery",
        True,
    )


def test_ids_are_taken_in_any_casing_and_with_a_slash_at_their_end() -> None:
    assert site(network=PRODUCTION.upper() + "/").network == PRODUCTION.upper()


def test_what_may_be_left_out_may_be_empty() -> None:
    assert site(network="", subnet="", policy="").network == ""


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("cluster", "hci-01", "/subscriptions/{id}/resourceGroups/{name}/providers/Microsoft.AzureStackHCI"),
        ("cluster", SITE["vault"], "must be the ARM id of an Azure Stack HCI cluster"),
        ("vault", f"{SITE['vault']}/replicationFabrics/x", "must be the ARM id of a Recovery Services vault"),
        ("vault", SITE["vault"].replace("rg-dr", ".."), "must be the ARM id of a Recovery Services vault"),
        ("vault", SITE["vault"].replace("vault-dr", "v?x=1"), "must be the ARM id of a Recovery Services vault"),
        ("targetResourceGroup", f"{SUBSCRIPTION}/resourceGroups/", "must be the ARM id of a resource group"),
        ("network", f"{PRODUCTION}/subnets/apps", "must be the ARM id of a virtual network"),
        ("hyperVSite", "", "match pattern"),
        ("region", "west europe", "match pattern"),
        ("hyperVsite", "x", "is not known here"),
    ],
)
def test_a_wrong_field_is_named_and_says_what_was_expected(field: str, value: str, says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        site(**{field: value})
    [error] = field_errors(caught.value)
    assert error.field == field
    assert says in error.detail


def test_all_that_is_wrong_is_told_at_once() -> None:
    wrong: dict[str, Any] = {"cluster": "x", "vault": "y", "region": ""}
    with pytest.raises(ValidationError) as caught:
        site(**wrong)
    assert [error.field for error in field_errors(caught.value)] == list(wrong)


def test_another_content_has_another_digest() -> None:
    assert site().digest == site(healing=True).digest
    assert site().digest != site(healing=False).digest


def test_a_policy_is_a_name_or_settings_with_limits() -> None:
    assert (site().policy_name, site().policy_settings) == ("policy-24h", None)
    read = site(policy={"name": "fast", "recoveryPointHours": 6, "appConsistentHours": 1, "intervalSeconds": 30})
    assert read.policy_name == "fast"
    assert read.policy_settings is not None
    assert read.policy_settings.interval == timedelta(seconds=30)


def test_a_site_reads_back_what_it_said() -> None:
    said = site(
        policy={"name": "fast"},
        drillNetwork={"network": ISOLATED},
        capacity={"linkMbps": 200, "defaultChurn": 0.1, "churn": {"SQL-01": 2}, "copyWithin": "P2D"},
        install="cluster",
        naming={"azureVm": "dr-{vm}"},
        vms=["sql-01"],
    )
    assert type(said).model_validate(said.model_dump(mode="json", by_alias=True)) == said
    assert said.capacity.churn_of("sql-01") == 2
    assert said.capacity.churn_of("web-01") == 0.1
    assert said.naming.azure_name_of("sql-01") == "dr-sql-01"


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"policy": {"name": "p", "intervalSeconds": 60}}, "policy.intervalSeconds", "30 or 300"),
        ({"policy": {"name": "p", "recoveryPointHours": 25}}, "policy.recoveryPointHours", "must be at most 24"),
        ({"policy": {"name": "p", "recoveryPointHours": 2}}, "policy.appConsistentHours", "further apart"),
        ({"policy": "a/b"}, "policy", "match pattern"),
        ({"network": ""}, "subnet", "needs its network"),
        ({"drillNetwork": {"network": PRODUCTION.upper()}}, "drillNetwork.network", "not an isolated one"),
        ({"drillNetwork": {"network": ISOLATED, "addressPrefix": "10.0.0.1/24"}}, "drillNetwork.addressPrefix", "host"),
        ({"drillNetwork": {"network": ISOLATED, "addressPrefix": "10.0.0.0/30"}}, "drillNetwork.addressPrefix", "/29"),
        ({"cacheStorage": PRODUCTION}, "cacheStorage", "must be the ARM id of a storage account"),
        ({"cacheStorage": f"{ACCOUNTS}/Not-A-Name"}, "cacheStorage", "3 to 24"),
        ({"naming": {"azureVm": "dr"}}, "naming.azureVm", "contains {vm} once"),
        ({"vms": ["sql-01", "SQL-01"]}, "vms[1]", "SQL-01 is already vms[0]"),
        ({"capacity": {"linkMbps": 0}}, "capacity.linkMbps", "must be more than 0"),
    ],
)
def test_what_cannot_work_is_told_before_azure_is_asked(changes: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        site(**changes)
    wrong = {error.field: error.detail for error in field_errors(caught.value)}
    assert says in wrong[field]
