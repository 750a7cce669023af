"""What is to be prepared for a site, and what is missing of it."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.onboarding.preparation import (
    NEEDS,
    Preparation,
    PreparedIds,
    StepState,
    extension_settings,
    foreign_settings,
    new_preparation,
    next_step,
    registration_gaps,
    resource_groups_of,
    why_blocked,
)
from shared.site_recovery.views import ProviderView
from shared.sites.defaults import cache_storage_of, replication_policy_of
from shared.sites.nodes import ExtensionView
from tests.orchestrators.azure_bench import NETWORKS, SUB, site

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
IDS = PreparedIds(site="0fa1", policy=f"{site().vault}/replicationPolicies/policy-24h")


def host(name: str = "n1", *, connected: bool = True, minutes: int | None = 1) -> ProviderView:
    beat = None if minutes is None else NOW - timedelta(minutes=minutes)
    return ProviderView(id=f"/providers/{name}", host=name, connected=connected, heartbeat=beat)


def test_the_isolated_network_is_prepared_only_where_it_is_asked_for() -> None:
    assert "drill-network" in {step.id for step in new_preparation(site(), NOW).steps}
    assert "drill-network" not in {step.id for step in new_preparation(site(drillNetwork=None), NOW).steps}


def test_steps_come_after_what_they_need() -> None:
    order = [step.id for step in new_preparation(site(), NOW).steps]
    assert all(order.index(need) < order.index(step) for step, needs in NEEDS.items() for need in needs)


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ("failed", "not done, because the step 'Replication policy' failed"),
        ("differs", "not done, because the step 'Replication policy' is not as declared"),
        ("kept", ""),
    ],
)
def test_a_policy_that_is_not_the_declared_one_is_not_associated(policy: StepState, says: str) -> None:
    run: Preparation = new_preparation(site(), NOW).with_step_ended("site", "kept").with_step_ended("policy", policy)
    assert why_blocked(run, "association") == says


def test_the_extension_goes_on_although_an_existing_policy_differs() -> None:
    run = (
        new_preparation(site(), NOW)
        .with_step_ended("site", "kept")
        .with_step_ended("policy", "differs")
        .with_step_ended("roles", "kept")
    )
    assert why_blocked(run, "extension") == ""


def test_steps_are_done_in_order_until_none_is_left() -> None:
    run = new_preparation(site(drillNetwork=None), NOW)
    seen = []
    while step := next_step(run):
        seen.append(step.id)
        run = run.with_step_ended(step.id, "kept")
    assert seen == [step.id for step in run.steps]
    assert not run.changed


def test_a_cache_account_without_a_name_is_named_after_its_vault_and_always_the_same() -> None:
    account = cache_storage_of(site())
    assert account.lower() == cache_storage_of(site(vault=site().vault.upper())).lower()
    assert account.rsplit("/", 1)[-1].isalnum()
    assert len(account.rsplit("/", 1)[-1]) <= 24
    named = f"{SUB}/resourceGroups/rg-store/providers/Microsoft.Storage/storageAccounts/stdrcache"
    assert cache_storage_of(site(cacheStorage=named)) == named


def test_each_resource_group_is_made_once() -> None:
    network = NETWORKS.replace("rg-dr-net", "RG-DR")
    wanted = resource_groups_of(site(drillNetwork={"network": f"{network}/vnet-drill"}))
    assert [group.rsplit("/", 1)[-1] for group in wanted] == ["RG-DR", "rg-dr-vms"]


def test_a_policy_that_is_only_named_is_made_with_the_usual_settings() -> None:
    assert replication_policy_of(site(policy="gold")).name == "gold"
    assert replication_policy_of(site(policy="")).name == "hci-01-site-policy"
    assert replication_policy_of(site()).app_consistent_hours == 1


def test_an_extension_for_another_site_is_not_ours() -> None:
    settings = extension_settings(site(), IDS)
    there = ExtensionView(id="/e", name="AzureSiteRecovery", provisioning_state="Succeeded", settings=dict(settings))
    assert foreign_settings(there, settings) == ""
    other = there.model_copy(update={"settings": {**settings, "SiteName": "other-site"}})
    assert foreign_settings(other, settings) == "SiteName is other-site, not hci-01-site"
    assert foreign_settings(there.model_copy(update={"settings": {}}), settings) == ""


@pytest.mark.parametrize(
    ("hosts", "failed", "gaps"),
    [
        ([host("n1"), host("N2.contoso.local")], {}, []),
        ([host("n1")], {}, ["the vault has no provider of n2"]),
        ([host("n1"), host("n2", connected=False)], {}, ["the provider of n2 is not connected"]),
        ([host("n1"), host("n2", minutes=31)], {}, ["the provider of n2 has sent no heartbeat for 0:30:00"]),
        ([host("n1"), host("n2", minutes=None)], {}, ["the provider of n2 has sent no heartbeat for 0:30:00"]),
        ([host("n1"), host("n2")], {"n2": "583"}, ["the registration job of n2 failed: 583"]),
        ([host("n1"), host("n2", connected=False), host("n2")], {"n9": "583"}, []),
    ],
)
def test_a_node_is_registered_when_its_provider_is_fresh_and_its_job_agrees(
    hosts: list[ProviderView], failed: dict[str, str], gaps: list[str]
) -> None:
    assert list(registration_gaps(["n1", "n2"], hosts, failed, NOW)) == gaps
