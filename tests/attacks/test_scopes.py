"""A site or a plan that names something outside of ALLOWED_SCOPES, however it is spelt, is refused with its field."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.allowed_scopes import SCOPE_CODE, is_allowed, is_allowed_secret
from shared.azure import arm
from shared.azure.clients import close_azure
from shared.azure.key_vault import read_secret
from shared.errors import Refused
from shared.settings import AzureSettings, Settings, WrongSettings
from tests.shared.azure.fake import Reply, listed, standing
from tests.shared.samples import ISOLATED, PAYROLL, SITE, SUBSCRIPTION, plan, site
from tests.triggers.doors import ALL_ROLES, door
from tests.triggers.hub import Hub
from triggers.http_endpoint import HttpProblem
from triggers.plan_checks import check_plan_document
from triggers.scope_checks import find_plan_scope_errors, find_site_scope_errors, require_allowed

GROUP = f"{SUBSCRIPTION}/resourceGroups/rg-dr"
VAULT = f"{GROUP}/providers/Microsoft.RecoveryServices/vaults/vault-dr"
OTHER = SUBSCRIPTION.replace("1111-1111", "2222-2222")
KEYS = f"{GROUP}/providers/Microsoft.KeyVault/vaults/kv-hooks"
OUTSIDE = [
    f"{SUBSCRIPTION}1/resourceGroups/rg-dr",
    f"{OTHER}/resourceGroups/rg-dr",
    f"{GROUP}-vms",
    f"{GROUP}x/providers/Microsoft.RecoveryServices/vaults/vault-dr",
    f"{GROUP}/../rg-other",
    f"{GROUP}/%2e%2e/rg-other",
    f"{GROUP}/./providers/Microsoft.Storage/storageAccounts/a",
    f"{GROUP}//providers/Microsoft.Storage/storageAccounts/a",
    f"{SUBSCRIPTION}/resourceGroups%2frg-dr",
    f"{SUBSCRIPTION}/resourceGroups/rg-dr%2fproviders",
    f"{SUBSCRIPTION}/resourceGroups/rg-dr%5c..",
    f"{SUBSCRIPTION}/resourceGroups/rg-dr%00",
    f"{GROUP}/providers/Microsoft.Compute/virtualMachines/a%252f..%252fb",
    f"{SUBSCRIPTION}/resourceGroups/rg-dr?x=/",
    f"{SUBSCRIPTION}/resourceGroups/rg-dr#",
    f"{SUBSCRIPTION}/resourceGroups",
    SUBSCRIPTION,
    f"/{GROUP}",
    f"https://management.azure.com{GROUP}",
    f"/providers{GROUP}",
    "/",
    "",
]
INSIDE = [
    GROUP,
    f"{GROUP}/",
    GROUP.removeprefix("/"),
    GROUP.upper(),
    VAULT,
    VAULT.replace("resourceGroups", "RESOURCEGROUPS"),
    f"{VAULT}/replicationFabrics/my%20site",
    f"{VAULT}/providers/Microsoft.Authorization/locks/keep",
]


@pytest.fixture
def scopes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All that the sample site and plan need."""
    groups = ("rg-hci", "rg-dr", "rg-dr-vms", "rg-dr-net")
    held = [f"{SUBSCRIPTION}/resourceGroups/{group}" for group in groups]
    monkeypatch.setenv("ALLOWED_SCOPES", ", ".join(held))
    return held


@pytest.mark.parametrize("arm_id", OUTSIDE)
def test_what_only_looks_like_a_scope_lies_outside(arm_id: str) -> None:
    assert not is_allowed((GROUP,), arm_id)
    assert is_allowed((), arm_id)


@pytest.mark.parametrize("arm_id", INSIDE)
def test_a_scope_holds_itself_and_what_is_below_however_it_is_spelt(arm_id: str) -> None:
    assert is_allowed((GROUP,), arm_id)
    assert is_allowed((f"{GROUP.upper()}/", VAULT), arm_id)


@given(st.text(min_size=1, max_size=12))
def test_a_longer_name_is_another_resource(more: str) -> None:
    if not more.startswith("/"):
        assert not is_allowed((VAULT,), f"{VAULT}{more}")


@given(st.lists(st.sampled_from(["a", "..", ".", "", "%2e%2e", "%2f", "b%2Fc"]), max_size=4))
def test_no_path_leads_out_of_a_scope(steps: list[str]) -> None:
    path = "/".join([VAULT, *steps])
    if is_allowed((VAULT,), path):
        assert set(steps[:-1]) <= {"a"}
        assert not set(steps[-1:]) - {"a", ""}


def test_the_samples_lie_within_and_nothing_is_limited_without_the_setting(
    scopes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    require_allowed({"hci-01": site()}, plan())
    monkeypatch.delenv("ALLOWED_SCOPES")
    require_allowed({"hci-01": site(vault=VAULT.replace(SUBSCRIPTION, OTHER))}, plan())
    assert scopes


FIELDS = [
    ("cluster", SITE["cluster"].replace("rg-hci", "rg-hci-2")),
    ("vault", VAULT.replace(SUBSCRIPTION, OTHER)),
    ("vault", VAULT.replace("rg-dr/", "rg-dr2/")),
    ("targetResourceGroup", f"{SUBSCRIPTION}/resourceGroups/rg-dr-vms2"),
    ("network", SITE["network"].replace("rg-dr-net", "rg-dr-nets")),
    ("cacheStorage", f"{SUBSCRIPTION}/resourceGroups/rg-other/providers/Microsoft.Storage/storageAccounts/stcache"),
]


@pytest.mark.parametrize(("field", "value"), FIELDS)
def test_each_field_of_a_site_is_looked_at(scopes: list[str], field: str, value: str) -> None:
    errors = find_site_scope_errors(site(**{field: value}))
    named = [error.field for error in errors]
    assert field in named
    assert {error.obstacle.code for error in errors if error.obstacle} == {SCOPE_CODE}
    assert value in errors[named.index(field)].detail
    with pytest.raises(HttpProblem) as refusal:
        require_allowed({"hci-01": site(**{field: value})})
    assert refusal.value.status == 400
    assert f"sites.hci-01.{field}" in [error.field for error in refusal.value.errors]
    assert scopes


def test_the_drill_network_of_a_site_and_the_account_that_prepare_would_name_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALLOWED_SCOPES", VAULT)
    outside = {error.field for error in find_site_scope_errors(site(drillNetwork={"network": ISOLATED}))}
    assert outside >= {"drillNetwork.network", "cacheStorage", "cluster", "network", "targetResourceGroup"}
    assert "vault" not in outside


MACHINE = f"{SUBSCRIPTION}/resourceGroups/rg-tools/providers/Microsoft.HybridCompute/machines/admin-01"
RUNBOOK = f"{SUBSCRIPTION}/resourceGroups/rg-tools/providers/Microsoft.Automation/automationAccounts/aa/runbooks/dns"


def with_hook(**hook: Any) -> dict[str, Any]:
    return PAYROLL | {"hooks": {"failover": {"before": [{"name": "dns", **hook}]}}}


PLANS = [
    ("drill.network", PAYROLL | {"drill": {"network": ISOLATED.replace("rg-dr-net", "rg-dr-net2")}}),
    ("items[0].network", PAYROLL | {"items": [{"vm": "dc-01", "network": ISOLATED.replace(SUBSCRIPTION, OTHER)}]}),
    ("hooks.failover.before[0].machine", with_hook(kind="run-command", machine=MACHINE, script="exit 0")),
    ("hooks.failover.before[0].runbook", with_hook(kind="runbook", runbook=RUNBOOK)),
    (
        "hooks.failover.before[0].parameters.Password",
        with_hook(
            kind="runbook", runbook=RUNBOOK.replace("rg-tools", "rg-dr"), parameters={"Password": "@kv:kv-other/admin"}
        ),
    ),
]


@pytest.mark.parametrize(("field", "document"), PLANS)
def test_each_field_of_a_plan_is_looked_at_when_it_is_declared_and_before_it_begins(
    scopes: list[str], field: str, document: dict[str, Any]
) -> None:
    _, errors = check_plan_document("payroll", json.dumps(document).encode(), {"hci-01": site()}, {})
    assert [error.field for error in errors if error.obstacle and error.obstacle.code == SCOPE_CODE] == [field]
    declared = plan(**document)
    with pytest.raises(HttpProblem, match="ALLOWED_SCOPES"):
        require_allowed({}, declared)
    assert scopes


def test_an_id_that_is_only_handed_on_to_a_script_is_nobody_s_business(scopes: list[str]) -> None:
    runbook = RUNBOOK.replace("rg-tools", "rg-dr")
    declared = plan(**with_hook(kind="runbook", runbook=runbook, parameters={"Zone": MACHINE}))
    assert find_plan_scope_errors(declared) == []
    assert scopes


@pytest.mark.parametrize(
    ("reference", "allowed"),
    [
        ("@kv:kv-hooks/admin", True),
        ("@kv:KV-Hooks/admin", True),
        ("@kv:https://kv-hooks.vault.azure.net/secrets/admin", True),
        ("@kv:kv-hooks2/admin", False),
        ("@kv:kv-hook/admin", False),
        ("@kv:https://kv-hooks.vault.azure.cn/secrets/admin", False),
        ("@kv:https://kv-hooks.evil.example/secrets/admin", False),
        ("@kv:../kv-hooks/admin", False),
        ("@kv:", False),
    ],
)
def test_a_key_vault_is_allowed_by_its_own_id_alone(reference: str, allowed: bool) -> None:
    assert is_allowed_secret((KEYS,), reference, "vault.azure.net") is allowed
    assert not is_allowed_secret((GROUP, VAULT), reference, "vault.azure.net")


def test_a_star_is_a_decision_and_allows_everything() -> None:
    for star in ("*", " * "):
        assert AzureSettings.from_environment({"ALLOWED_SCOPES": star}).allowed_scopes == ()


@pytest.mark.parametrize(
    "wrong", ["rg-dr", "/", f"{GROUP}/..", f"{GROUP}/providers/x", f"{GROUP},nonsense", f"*,{GROUP}", "**"]
)
def test_a_setting_that_is_no_list_of_scopes_is_told(wrong: str) -> None:
    with pytest.raises(WrongSettings, match="ALLOWED_SCOPES"):
        Settings.from_environment({"ALLOWED_SCOPES": wrong})


async def test_nothing_outside_is_changed_even_by_a_run_that_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting may have been tightened since."""
    async with standing(monkeypatch) as fake:
        monkeypatch.setenv("ALLOWED_SCOPES", GROUP)
        await close_azure()
        for method in ("GET", "PUT", "DELETE", "POST"):
            fake.works(method, "", lambda _: Reply(200, {"id": "x"}))
        fake.says("GET", "/locks", listed())
        for outside in (
            f"{GROUP}-2/providers/Microsoft.X/y/z",
            f"{OTHER}/resourceGroups/rg-dr",
            f"{GROUP}/%2e%2e/rg-2",
        ):
            for ask in (
                arm.put_resource(outside, "2024-01-01", {}, "r"),
                arm.delete_resource(outside, "2024-01-01", "r"),
                arm.post_action(outside, "start", "2024-01-01", "r"),
            ):
                with pytest.raises(Refused, match=SCOPE_CODE):
                    await ask
        await arm.put_resource(VAULT, "2024-01-01", {}, "r")
        await arm.find_resource(f"{GROUP}-2/providers/Microsoft.X/y/z", "2024-01-01")
        assert [one.path for one in fake.asked if one.method != "GET"] == [VAULT]


async def test_no_secret_is_read_from_a_key_vault_that_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async with standing(monkeypatch) as fake:
        monkeypatch.setenv("ALLOWED_SCOPES", f"{GROUP},{KEYS}")
        await close_azure()
        fake.says("GET", "/secrets/admin", Reply(200, {"value": "s3cret"}))
        assert await read_secret("@kv:kv-hooks/admin") == "s3cret"
        with pytest.raises(Refused, match=SCOPE_CODE):
            await read_secret("@kv:kv-other/admin")
        assert len(fake.sent("GET", "/secrets/admin")) == 1


BEGINNING = (
    *("start_verb", "start_preflight", "start_verify", "start_prepare", "start_replication"),
    *("repair_node", "change_recovery_plan"),
)
"""What begins something with a site or a plan."""


@pytest.mark.parametrize(
    ("name", "preview"),
    [("put_site", False), *((name, preview) for name in BEGINNING for preview in (False, True))],
)
async def test_what_is_no_longer_allowed_is_neither_declared_nor_previewed_nor_begun(
    name: str, preview: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY_ROLES", ALL_ROLES)
    monkeypatch.setenv("ALLOWED_SCOPES", GROUP.replace("rg-dr", "rg-elsewhere"))
    hub = Hub()
    answer = await (door(name).answer_preview(hub) if preview else door(name).answer(hub, key="one"))
    body = answer.require_problem(400)
    assert SCOPE_CODE in {error.get("code") for error in body["errors"]}
    assert all(error["field"] for error in body["errors"])
    assert hub.count("schedule_new_orchestration") == 0
