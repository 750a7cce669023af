"""Documents mean what they say: no true that is one second, no infinite link, no list that takes a minute to read."""

from typing import Any

import pytest
from pydantic import ValidationError

from shared.plans.plan import PlanDocument
from shared.problem_details import field_errors
from shared.replication.settings import ReplicationRequest
from shared.sites.site import SiteDocument
from tests.shared.samples import PAYROLL, SITE

VM = "sql-01"
NOT_A_NUMBER: tuple[Any, ...] = (True, False, "5", 3.5, None, [], {})
NOT_A_DURATION: tuple[Any, ...] = (True, 1, 3.5, 0, [], {}, "2h", "")
PROBED = {"vm": VM, "probes": [{"port": 443}]}


def with_at(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """The document with a value in one place; what is not there yet is made."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        return [with_at(one, rest, value) if at == step else one for at, one in enumerate(document)]
    below = (document or {}).get(step)
    return {**(document or {}), step: with_at(below, rest, value)}


def wrong_fields(model: Any, document: Any) -> list[str]:
    with pytest.raises(ValidationError) as refusal:
        model.model_validate(document)
    return [error.field for error in field_errors(refusal.value)]


@pytest.mark.parametrize("value", NOT_A_NUMBER, ids=repr)
@pytest.mark.parametrize(
    ("model", "path"),
    [
        (PlanDocument, ("items", 0, "probes", 0, "port")),
        (PlanDocument, ("maxStarts",)),
        (PlanDocument, ("approvals", "count")),
        (SiteDocument, ("healingRules", "maxAttempts")),
    ],
    ids=lambda one: one.__name__ if isinstance(one, type) else ".".join(map(str, one)),
)
def test_a_count_is_a_whole_number(model: Any, path: tuple[str | int, ...], value: Any) -> None:
    document = {**PAYROLL, "items": [PROBED]} if model is PlanDocument else SITE
    shown = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in path).removeprefix(".")
    assert wrong_fields(model, with_at(document, path, value)) == [shown]


@pytest.mark.parametrize("value", NOT_A_DURATION, ids=repr)
@pytest.mark.parametrize(
    ("model", "path"),
    [
        (PlanDocument, ("patience",)),
        (PlanDocument, ("drill", "timeToLive")),
        (PlanDocument, ("items", 0, "probes", 0, "deadline")),
        (SiteDocument, ("orphanAfter",)),
        (SiteDocument, ("healingRules", "pause")),
        (SiteDocument, ("capacity", "copyWithin")),
    ],
    ids=lambda one: one.__name__ if isinstance(one, type) else ".".join(map(str, one)),
)
def test_a_duration_is_written_as_one(model: Any, path: tuple[str | int, ...], value: Any) -> None:
    document = {**PAYROLL, "items": [PROBED]} if model is PlanDocument else SITE
    shown = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in path).removeprefix(".")
    assert wrong_fields(model, with_at(document, path, value)) == [shown]


@pytest.mark.parametrize("value", [float("inf"), float("nan"), True, "100"], ids=repr)
def test_a_speed_is_a_number(value: Any) -> None:
    assert wrong_fields(SiteDocument, with_at(SITE, ("capacity", "linkMbps"), value)) == ["capacity.linkMbps"]
    assert wrong_fields(SiteDocument, with_at(SITE, ("capacity", "churn"), {"vm": value})) == ["capacity.churn.vm"]


def test_a_probe_is_no_larger_than_a_hook_and_a_vm_has_not_thousands_of_them() -> None:
    script = {"kind": "run-command", "script": "x" * 40_000}
    assert wrong_fields(PlanDocument, {**PAYROLL, "items": [{"vm": VM, "probes": [script]}]}) == [
        "items[0].probes[0].script"
    ]
    many = {"vm": VM, "probes": [{"port": 443}] * 21}
    assert wrong_fields(PlanDocument, {**PAYROLL, "items": [many]}) == ["items[0].probes"]


def test_each_name_that_comes_again_is_named_once_however_many_there_are() -> None:
    """Comparing each with each would take half a minute."""
    names = [f"vm-{number}" for number in range(10_000)]
    SiteDocument.model_validate({**SITE, "vms": names})
    assert wrong_fields(SiteDocument, {**SITE, "vms": [*names, "VM-7"]}) == ["vms[10000]"]
    assert len(wrong_fields(SiteDocument, {**SITE, "vms": ["vm"] * 10_000})) == 9_999


def test_a_vm_is_asked_for_once() -> None:
    request = {"vms": ["web-01", {"vm": "app-01"}, "WEB-01", {"vm": "app-01"}]}
    assert wrong_fields(ReplicationRequest, request) == ["vms[2]", "vms[3]"]
