"""Which guards ask for approvals: a machine is guarded as what it is, whichever plan or site names it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.plans.approval_guards import (
    Declared,
    actions_of_run,
    find_required,
    find_required_for_change,
    guards_of,
    is_undecided,
    machines_at,
    machines_in,
)
from shared.plans.approval_policy import GUARDED_ACTIONS, ApprovalPolicy
from shared.plans.plan import PlanDocument
from shared.plans.versions import DocumentChange, VersionedDocument
from shared.site_recovery.views import ItemView
from shared.sites.site import SiteDocument
from tests.people import object_id_of
from tests.shared.samples import site

BOB = object_id_of("bob")
GUARDED = "sql-01"
VAULT = site().vault
FABRIC = site().hyper_v_site


def plan_of(vms: list[str], at: str = "hci-01", **changes: Any) -> PlanDocument:
    return PlanDocument.model_validate({"site": at, "items": [{"vm": vm} for vm in vms], **changes})


def policy(**covers: Any) -> ApprovalPolicy:
    return ApprovalPolicy.model_validate({"covers": covers, "approvers": [BOB]})


def sources(declared: Declared, plan: PlanDocument, kind: str = "failover", items: Any = ()) -> list[str]:
    machines = machines_in(plan, declared.sites, items)
    return [rule.source for rule in find_required(guards_of(declared), actions_of_run(kind, plan), machines)]


def other_site(**changes: Any) -> SiteDocument:
    return SiteDocument.model_validate(site().model_dump(mode="json", by_alias=True) | changes)


SITES = {"hci-01": site(), "alias": site(), "elsewhere": other_site(hyperVSite="another-site")}
COVERS = [{"vms": [GUARDED]}, {"vms": [GUARDED.upper()]}, {"sites": ["hci-01"]}, {"plans": ["payroll"]}]


@pytest.mark.parametrize("covers", COVERS, ids=lambda covers: next(iter(covers)))
@pytest.mark.parametrize("kind", ["failover", "commit", "cancel", "change-point", "failback", "reprotect", "roundtrip"])
@pytest.mark.parametrize("vm", [GUARDED, GUARDED.upper()])
@pytest.mark.parametrize("at", ["hci-01", "alias"])
def test_no_other_plan_or_site_goes_round_a_policy(covers: dict[str, Any], kind: str, vm: str, at: str) -> None:
    payroll, twin = plan_of([GUARDED, "web-01"]), plan_of([vm, "app-09"], at)
    declared = Declared(SITES, {"payroll": payroll, "twin": twin}, {"production": policy(**covers)})
    assert sources(declared, twin, kind) == ["approval policy production"]


@pytest.mark.parametrize("at", ["hci-01", "alias"])
def test_what_a_plan_asks_approvals_for_needs_them_in_every_plan(at: str) -> None:
    guarded = plan_of([GUARDED], approvals={"approvers": [BOB]})
    twin = plan_of([GUARDED.upper(), "web-01"], at)
    declared = Declared(SITES, {"guarded": guarded, "twin": twin}, {})
    assert sources(declared, twin) == ["plan guarded"]
    assert sources(declared, twin.with_vms({"web-01"})) == []
    assert sources(declared, twin, "drill") == []


def test_a_failover_that_is_made_final_by_itself_needs_what_its_commit_needs() -> None:
    only_commit = ApprovalPolicy.model_validate({"covers": {"vms": [GUARDED]}, "actions": ["commit"]})
    declared = Declared(SITES, {}, {"p": only_commit})
    assert sources(declared, plan_of([GUARDED])) == []
    assert sources(declared, plan_of([GUARDED], commit="automatic")) == ["approval policy p"]
    assert sources(declared, plan_of([GUARDED]), "roundtrip") == ["approval policy p"]


def test_a_policy_of_one_site_does_not_ask_for_another_site_of_the_same_vault() -> None:
    declared = Declared(SITES, {}, {"p": policy(sites=["hci-01"])})
    assert sources(declared, plan_of([GUARDED], "elsewhere")) == []


def test_two_names_of_one_hyper_v_site_are_one_once_the_vault_has_said_so() -> None:
    """A site may call it by its friendly name, or by the name that is in the ids of the vault."""
    sites = {"hci-01": site(), "alias": other_site(hyperVSite="hci-01-site-f00d")}
    twin = plan_of([GUARDED], "alias")
    item = ItemView.model_validate(
        {
            "id": f"{VAULT}/replicationFabrics/hci-01-site-f00d/replicationProtectionContainers/c"
            "/replicationProtectedItems/i",
            "vm": GUARDED,
            "hyper_v_site": FABRIC,
            "protection_state": "Protected",
        }
    )
    for covers in COVERS:
        declared = Declared(sites, {"payroll": plan_of([GUARDED])}, {"p": policy(**covers)})
        machines = machines_in(twin, sites)
        if "vms" not in covers:
            assert is_undecided(guards_of(declared), {"failover"}, machines)
        assert sources(declared, twin, items=[item]) == ["approval policy p"]


def change_of(kind: Any, name: str, new: Any) -> DocumentChange:
    if new is None:
        return DocumentChange(document_kind=kind, name=name, action="remove")
    document = new.model_dump(mode="json", by_alias=True)
    return DocumentChange(document_kind=kind, name=name, action="put", document=document, digest=new.digest)


def asked_for_change(declared: Declared, kind: Any, name: str, old: Any, new: Any) -> list[str]:
    current = VersionedDocument(document=old.model_dump(mode="json", by_alias=True), version=1, digest=old.digest)
    return [rule.source for rule in find_required_for_change(declared, change_of(kind, name, new), current)]


def test_changing_or_withdrawing_a_policy_needs_the_policy_as_it_is() -> None:
    old, looser = policy(vms=[GUARDED]), ApprovalPolicy.model_validate({"covers": {"vms": ["x"]}})
    declared = Declared(SITES, {}, {"production": old})
    for new in (looser, None):
        assert asked_for_change(declared, "approval-policy", "production", old, new) == ["approval policy production"]
    assert asked_for_change(declared, "approval-policy", "production", old, old) == []


@pytest.mark.parametrize("covers", COVERS, ids=lambda covers: next(iter(covers)))
def test_changing_a_plan_with_guarded_machines_needs_the_policy(covers: dict[str, Any]) -> None:
    old = plan_of([GUARDED, "web-01"])
    declared = Declared(SITES, {"payroll": old}, {"p": policy(**covers)})
    for new in (plan_of(["web-01"]), plan_of([GUARDED, "web-01"], maxStarts=1), None):
        assert asked_for_change(declared, "plan", "payroll", old, new) == ["approval policy p"]


def test_a_machine_that_is_added_to_a_plan_brings_its_guard_along() -> None:
    old = plan_of(["web-01"])
    declared = Declared(SITES, {"payroll": old}, {"p": policy(vms=[GUARDED])})
    assert asked_for_change(declared, "plan", "payroll", old, plan_of(["web-01", GUARDED])) == ["approval policy p"]


def test_a_plan_that_asks_for_approvals_needs_them_to_be_changed_at_all() -> None:
    old = plan_of([GUARDED], approvals={"approvers": [BOB]})
    declared = Declared(SITES, {"payroll": old}, {})
    looser = plan_of([GUARDED])
    for new in (looser, plan_of(["web-01"], approvals={"approvers": [BOB]}), None):
        assert asked_for_change(declared, "plan", "payroll", old, new) == ["plan payroll"]
    assert asked_for_change(declared, "plan", "payroll", looser, old) == []


def test_hooks_and_scripts_are_guarded_apart_from_the_rest_of_a_plan() -> None:
    only_hooks = ApprovalPolicy.model_validate({"covers": {"vms": [GUARDED]}, "actions": ["hooks"]})
    script = {"kind": "run-command", "script": "exit 0"}
    old = plan_of([GUARDED])
    scripted = PlanDocument.model_validate({"site": "hci-01", "items": [{"vm": GUARDED, "probes": [script]}]})
    declared = Declared(SITES, {"payroll": old}, {"p": only_hooks})
    assert asked_for_change(declared, "plan", "payroll", old, plan_of([GUARDED], maxStarts=1)) == []
    assert asked_for_change(declared, "plan", "payroll", old, scripted) == ["approval policy p"]
    assert asked_for_change(declared, "plan", "payroll", scripted, old) == ["approval policy p"]


@pytest.mark.parametrize("covers", COVERS, ids=lambda covers: next(iter(covers)))
def test_changing_the_site_of_guarded_machines_needs_the_policy(covers: dict[str, Any]) -> None:
    old, plans = site(), {"payroll": plan_of([GUARDED])}
    declared = Declared(SITES, plans, {"p": policy(**covers)})
    for new in (other_site(hyperVSite="new-site"), other_site(healing=False), None):
        assert asked_for_change(declared, "site", "hci-01", old, new) == ["approval policy p"]


def test_a_site_that_takes_machines_out_of_a_plan_with_approvals_needs_them() -> None:
    guarded = plan_of([GUARDED], approvals={"approvers": [BOB]})
    declared = Declared(SITES, {"guarded": guarded}, {})
    assert asked_for_change(declared, "site", "hci-01", site(), other_site(hyperVSite="new")) == ["plan guarded"]
    assert asked_for_change(declared, "site", "hci-01", site(), other_site(healing=False)) == []


names = st.sampled_from(["sql-01", "web-01", "app-01", "dc-01", "SQL-01"])


@given(
    guarded=st.sets(names, min_size=1),
    touched=st.lists(names, min_size=1, unique_by=str.lower),
    action=st.sampled_from(GUARDED_ACTIONS),
    asked=st.sampled_from(GUARDED_ACTIONS),
)
def test_a_policy_asks_exactly_for_its_machines_and_its_actions(
    guarded: set[str], touched: list[str], action: Any, asked: Any
) -> None:
    rule = ApprovalPolicy.model_validate({"covers": {"vms": sorted(guarded)}, "actions": [action]})
    declared = Declared(SITES, {}, {"p": rule})
    found = find_required(guards_of(declared), {asked}, machines_at(site(), touched))
    meets = {vm.lower() for vm in guarded} & {vm.lower() for vm in touched}
    assert bool(found) == (bool(meets) and action == asked)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"covers": {}}, "covers"),
        ({}, "covers"),
        ({"covers": {"vms": ["a"]}, "actions": []}, "actions"),
        ({"covers": {"vms": ["a"]}, "actions": ["everything"]}, "actions"),
        ({"covers": {"vms": ["a"]}, "approvers": ["bob"]}, "approvers"),
        ({"covers": {"vms": ["a"]}, "count": 2, "approvers": [BOB]}, "count"),
        ({"covers": {"vms": ["a"]}, "count": 0}, "count"),
        ({"covers": {"sites": ["No Name"]}}, "covers"),
    ],
)
def test_a_policy_that_would_guard_nothing_or_nobody_could_meet_is_refused(document: Any, field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ApprovalPolicy.model_validate(document)
    assert field in {str(error["loc"][0]) for error in caught.value.errors()}


RULES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["approval policy elsewhere", "approval policy production", "plan orders"]),
    ({"covers": {"sites": ["hci-01"]}}, ["approval policy production", "plan orders"]),
    ({"covers": {"sites": ["elsewhere"]}}, ["approval policy elsewhere"]),
    ({"covers": {"plans": ["payroll"]}}, ["approval policy production"]),
    ({"covers": {"plans": ["orders"]}}, ["approval policy production", "plan orders"]),
    ({"covers": {"plans": ["far"]}}, ["approval policy elsewhere"]),
    ({"covers": {"plans": ["gone"]}}, []),
    ({"occasions": ["failed"]}, []),
]


@pytest.mark.parametrize("action", ["put", "remove"])
@pytest.mark.parametrize(("rule", "asked"), RULES)
def test_who_would_hear_no_more_of_approvals_has_to_approve_that(
    rule: dict[str, Any], asked: list[str], action: Any
) -> None:
    declared = Declared(
        SITES,
        {"payroll": plan_of([GUARDED]), "orders": plan_of(["web-09"], approvals={"count": 1})}
        | {"far": plan_of(["web-10"], "elsewhere")},
        {"production": policy(sites=["hci-01"]), "elsewhere": policy(sites=["elsewhere"])},
    )
    document = {"channels": [{"kind": "teams", "url": "@kv:kv-dr/teams-url"}], **rule}
    current = VersionedDocument(document=document, version=1, digest="d1")
    change = DocumentChange(
        document_kind="notification-rule", name="all", action=action, document={}, digest="d2", by="ann"
    )
    assert sorted(one.source for one in find_required_for_change(declared, change, current)) == asked
    assert find_required_for_change(declared, change, None) == ()
