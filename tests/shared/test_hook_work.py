"""What hooks may have left in Azure is found by the run's plan alone."""

from shared.plans.hooks import Hook
from shared.plans.plan import PlanDocument
from shared.recovery.hook_work import list_hook_work

MACHINE = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.HybridCompute/machines/tools"
RUNBOOK = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Automation/automationAccounts/aa/runbooks/dns"
SCRIPT = {"name": "dns", "kind": "run-command", "machine": MACHINE, "script": "exit 0"}
BY_HAND = {"name": "look", "kind": "manual", "instructions": "look"}
PLAN = PlanDocument.model_validate(
    {
        "site": "hci-01",
        "items": [{"vm": "dc-01"}],
        "hooks": {"failover": {"before": [BY_HAND, SCRIPT]}, "failback": {"after": [SCRIPT]}},
        "drill": {
            "network": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v",
            "hooks": {"afterCleanup": [{"name": "told", "kind": "runbook", "runbook": RUNBOOK}]},
        },
    }
)


def test_each_script_and_runbook_of_any_moment_is_found_under_the_name_it_was_given() -> None:
    found = {(work.id, work.kind, work.target) for work in list_hook_work("run-1", PLAN)}
    assert found == {
        ("run-1:failover:before:1", "run-command", MACHINE),
        ("run-1:failback:after:0", "run-command", MACHINE),
        ("run-1:drill:after-cleanup:0", "runbook", RUNBOOK),
    }
    assert Hook.model_validate(SCRIPT).target == MACHINE
