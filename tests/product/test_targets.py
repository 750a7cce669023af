"""What only a failover would use is looked at when a plan is declared, previewed and judged ready."""

from typing import Any

import pytest

from tests.product.conftest import Lab

ITEM: dict[str, Any] = {"vm": "app-01"}
ACCOUNT = (
    "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-dr/providers/Microsoft.Automation"
    "/automationAccounts/aa-dr/runbooks"
)
MISSING = {"name": "dns", "kind": "runbook", "runbook": f"{ACCOUNT}/No-Such"}
THERE = {**MISSING, "runbook": f"{ACCOUNT}/Switch-Dns", "parameters": {"zone": "contoso.com"}}
MACHINES = ACCOUNT.partition("/rg-dr/")[0] + "/rg-hci-arc/providers/Microsoft.HybridCompute/machines"
SCRIPT = {"name": "stop", "kind": "run-command", "script": "exit 0"}


@pytest.fixture
def lab(lab: Lab) -> Lab:
    lab.reset()
    return lab


def plan(lab: Lab, **changes: Any) -> dict[str, Any]:
    payroll = lab.api("GET", "plans/payroll").body
    return {
        "site": "hci-01",
        "items": [ITEM],
        "commit": "manual",
        "drill": {"network": payroll["drill"]["network"]},
    } | changes


def test_a_plan_with_a_size_that_does_not_exist_is_not_declared(lab: Lab) -> None:
    answer = lab.api("PUT", "plans/sz", plan(lab, items=[{**ITEM, "size": "Standard_Nonsense"}]))
    assert answer.status == 400
    (error,) = answer.body["errors"]
    assert (error["field"], "Standard_D2s_v5" in error["detail"]) == ("items[0].size", True)
    assert lab.api("GET", "plans/sz").status == 404
    assert lab.api("PUT", "plans/sz", plan(lab, items=[{**ITEM, "size": "standard_d4s_v5"}])).status == 201


@pytest.mark.parametrize(
    ("field", "hooks"),
    [
        ("hooks.failover.after[0].runbook", {"hooks": {"failover": {"after": [MISSING]}}}),
        ("hooks.failback.before[1].runbook", {"hooks": {"failback": {"before": [THERE, {**MISSING, "name": "b"}]}}}),
    ],
)
def test_a_plan_with_a_runbook_that_does_not_exist_is_not_declared(lab: Lab, field: str, hooks: Any) -> None:
    answer = lab.api("PUT", "plans/rb", plan(lab, **hooks))
    assert (answer.status, [error["field"] for error in answer.body["errors"]]) == (400, [field])
    assert lab.api("PUT", "plans/rb", plan(lab, hooks={"failover": {"after": [THERE]}})).status == 201


@pytest.mark.parametrize(
    ("field", "hook"),
    [
        ("runbook", {**MISSING, "runbook": f"{ACCOUNT}/Draft-Only"}),
        ("parameters", {**THERE, "parameters": {}}),
        ("parameters", {**THERE, "parameters": {"Zone": "contoso.com", "Colour": "blue"}}),
        ("machine", {**SCRIPT, "machine": f"{MACHINES}/nobody"}),
        ("machine", {**SCRIPT, "machine": f"{MACHINES}/hci-01-n1"}),
    ],
)
def test_a_hook_that_cannot_do_what_it_is_there_for_is_not_declared(lab: Lab, field: str, hook: Any) -> None:
    answer = lab.api("PUT", "plans/rb", plan(lab, hooks={"failback": {"after": [hook]}}))
    fields = [error["field"] for error in answer.body["errors"]]
    assert (answer.status, fields) == (400, [f"hooks.failback.after[0].{field}"])
    there = {**SCRIPT, "machine": f"{MACHINES}/jump-01"}
    assert lab.api("PUT", "plans/rb", plan(lab, hooks={"failback": {"after": [there]}})).status == 201


def test_a_drill_s_runbook_that_does_not_exist_is_found_as_well(lab: Lab) -> None:
    document = plan(lab)
    document["drill"]["hooks"] = {"afterCleanup": [MISSING]}
    answer = lab.api("PUT", "plans/rb", document)
    assert [error["field"] for error in answer.body["errors"]] == ["drill.hooks.afterCleanup[0].runbook"]


def test_a_runbook_that_went_away_makes_the_failover_not_ready(lab: Lab) -> None:
    assert lab.api("PUT", "plans/rb", plan(lab, hooks={"failover": {"after": [THERE]}})).status == 201
    assert lab.api("GET", "plans/rb/readiness").body["verbs"]["planned-failover"]["blockers"] == []
    fault = {"match": {"method": "GET", "path": "*/runbooks/Switch-Dns"}, "effect": {"status": 404}}
    lab.azure("PUT", "faults", [fault])
    blockers = lab.api("GET", "plans/rb/readiness").body["verbs"]["planned-failover"]["blockers"]
    assert [blocker["code"] for blocker in blockers] == ["runbook-missing"]
    preview = lab.api("POST", "plans/rb/failover?preview=true", {"type": "planned"}).body
    assert [blocker["code"] for blocker in preview["blockers"]] == ["runbook-missing"]
    lab.azure("PUT", "faults", [])
