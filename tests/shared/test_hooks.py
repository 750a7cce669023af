"""What a hook may be: each kind with what it needs and nothing else, and every fault told with its field."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from shared.documents import CHECKED
from shared.plans.hooks import Hook
from shared.plans.plan import PlanDocument
from shared.problem_details import field_errors
from tests.shared.samples import PAYROLL as SAMPLE
from tests.shared.samples import plan

GROUP = "/subscriptions/s1/resourceGroups/rg"
MACHINE = f"{GROUP}/providers/Microsoft.HybridCompute/machines/n1"
RUNBOOK = f"{GROUP}/providers/Microsoft.Automation/automationAccounts/aa-dr/runbooks/Switch-Dns"
GOOD: dict[str, dict[str, Any]] = {
    "http": {"name": "h", "url": "https://example.org/hook"},
    "run-command": {
        "name": "h",
        "kind": "run-command",
        "machine": MACHINE,
        "script": "exit 0",
        "parameters": {"A": "1"},
    },
    "runbook": {"name": "h", "kind": "runbook", "runbook": RUNBOOK, "parameters": {"A": "1"}, "runOn": "workers"},
    "manual": {"name": "h", "kind": "manual", "instructions": "Look."},
}
PAYROLL: dict[str, Any] = dict(SAMPLE)
EMPTY: dict[str, Any] = {"url": "", "machine": "", "script": " ", "runbook": "", "instructions": "", "kind": "http"}


def faults(**hook: Any) -> dict[str, str]:
    """What is wrong, by field of the plan."""
    with pytest.raises(ValidationError) as caught:
        PlanDocument.model_validate({**PAYROLL, "hooks": {"failover": {"before": [hook]}}})
    return {one.field.removeprefix("hooks.failover.before[0]."): one.detail for one in field_errors(caught.value)}


@pytest.mark.parametrize("kind", GOOD)
def test_a_hook_of_each_kind_is_read_back_as_it_was_written(kind: str) -> None:
    read = plan(hooks={"failover": {"before": [GOOD[kind]]}, "failback": {"after": [GOOD[kind]]}})
    assert read.hooks.failover.before == read.hooks.failback.after == (Hook.model_validate(GOOD[kind]),)
    assert PlanDocument.model_validate(read.model_dump(mode="json"), context=CHECKED) == read
    assert PlanDocument.model_validate_json(read.model_dump_json(by_alias=True)) == read


@pytest.mark.parametrize(
    ("kind", "lacks"),
    [("http", {"url"}), ("run-command", {"machine", "script"}), ("runbook", {"runbook"}), ("manual", {"instructions"})],
)
def test_what_a_kind_needs_is_asked_for_by_its_field(kind: str, lacks: set[str]) -> None:
    assert set(faults(name="h", kind=kind)) == lacks
    assert set(faults(name="h", **EMPTY | {"kind": kind})) == lacks


def test_what_belongs_to_another_kind_is_refused() -> None:
    other = {"script": "exit 0", "parameters": {"A": "1"}, "runOn": "workers", "instructions": "x", "machine": MACHINE}
    told = faults(**GOOD["http"], **other, runbook=RUNBOOK)
    assert set(told) == {*other, "runbook"}
    assert told["script"] == "a hook of kind http has no script"
    assert set(faults(**GOOD["manual"], url="https://example.org/hook")) == {"url"}


def test_every_mistake_is_told_at_once() -> None:
    told = faults(name="?", kind="run-command", machine="n1", url="https://x.example/?sig=1", deadline="PT0S")
    assert set(told) == {"name", "machine", "script", "url", "deadline"}
    assert "Microsoft.HybridCompute/machines/{name}" in told["machine"]
    assert set(faults(name="h", kind="fax", url="https://x.example/")) == {"kind"}


@pytest.mark.parametrize(
    ("field", "value"),
    [("runbook", RUNBOOK.replace("/runbooks/Switch-Dns", "")), ("runbook", f"{RUNBOOK}/draft"), ("runbook", MACHINE)],
)
def test_only_the_id_of_a_runbook_names_a_runbook(field: str, value: str) -> None:
    assert "automationAccounts/{name}/runbooks/{name}" in faults(**GOOD["runbook"] | {field: value})[field]


def test_a_run_command_takes_no_longer_than_azure_lets_it() -> None:
    assert "90 minutes" in faults(**GOOD["run-command"], deadline="PT2H")["deadline"]
    assert Hook.model_validate({**GOOD["runbook"], "deadline": "PT2H"}).deadline == timedelta(hours=2)


@pytest.mark.parametrize("name", ["AdminPassword", "sasToken", "api_key"])
def test_a_parameter_that_is_a_secret_by_its_name_is_refused(name: str) -> None:
    told = faults(**GOOD["runbook"] | {"parameters": {"Zone": "a", name: "x"}})
    assert set(told) == {f"parameters.{name}"}


def test_a_drill_may_have_hooks_of_every_kind() -> None:
    settings: dict[str, Any] = PAYROLL["drill"]
    drill = {**settings, "hooks": {"before": list(GOOD.values()), "afterCleanup": [GOOD["manual"]]}}
    read = plan(drill=drill)
    assert read.drill
    assert [hook.kind for hook in read.drill.hooks.before] == list(GOOD)


def test_a_plan_without_hooks_keeps_its_digest() -> None:
    assert plan(hooks={}).digest == plan().digest
