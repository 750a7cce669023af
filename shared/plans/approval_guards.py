"""Which approval policies and plans guard a machine, and so ask for approvals before anything is done with it. Pure.

A machine is guarded as what it is, by its vault, its Hyper-V site and its name: whichever plan or site names it.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from shared.documents import CHECKED
from shared.grouping import group_pairs
from shared.messages import VaultRef
from shared.notifications.rule import NotificationRule
from shared.plans.approval_policy import ApprovalPolicy
from shared.plans.approvals import RequiredApprovals
from shared.plans.plan import PlanDocument
from shared.plans.versions import DocumentChange, VersionedDocument
from shared.site_recovery.views import ItemView
from shared.sites.site import SiteDocument

HOME_FIELDS = ("cluster", "vault", "hyper_v_site")
"""Of a site: where its machines are. Whoever changes them takes the machines out of the plans that guard them."""
PARTS_OF_ROUND_TRIP = frozenset({"failover", "commit", "failback", "reprotect"})
SCRIPT_FIELDS = frozenset({"hooks", "probes"})
"""Of a plan: what runs on machines and calls others."""


class Home(NamedTuple):
    """Where machines are: key of the vault, and one name of the Hyper-V site in lower case."""

    vault: str
    fabric: str


class Machine(NamedTuple):
    """A machine as guards know it: every home that it is known under, and its name in lower case."""

    homes: frozenset[Home]
    vm: str

    @property
    def vaults(self) -> frozenset[str]:
        """Keys of the vaults that it may be in."""
        return frozenset(home.vault for home in self.homes)


class Declared(NamedTuple):
    """All that is declared, by name."""

    sites: Mapping[str, SiteDocument]
    plans: Mapping[str, PlanDocument]
    policies: Mapping[str, ApprovalPolicy]


class Guard(NamedTuple):
    """A policy, or a plan that asks for approvals, and what it covers.

    Attributes:
        is_of_plan: Whether a plan asks, for its own machines.
        homes: All machines of these homes.
        machines: These machines.
        vms: Machines of these names anywhere.
    """

    rule: RequiredApprovals
    actions: frozenset[str]
    is_of_plan: bool = False
    homes: frozenset[Home] = frozenset()
    machines: frozenset[tuple[Home, str]] = frozenset()
    vms: frozenset[str] = frozenset()

    def covers(self, machine: Machine) -> bool:
        """Whether the machine is one of those."""
        return (
            machine.vm in self.vms
            or not self.homes.isdisjoint(machine.homes)
            or any((home, machine.vm) in self.machines for home in machine.homes)
        )

    def may_cover(self, machine: Machine) -> bool:
        """Whether it would be if two names stand for one Hyper-V site of the vault, as its own name and id do."""
        vaults = machine.vaults
        return (
            machine.vm in self.vms
            or any(home.vault in vaults for home in self.homes)
            or any(home.vault in vaults and vm == machine.vm for home, vm in self.machines)
        )

    def is_about_home(self, home: Home) -> bool:
        """Whether any of its machines is at home there."""
        return home in self.homes or any(home == one for one, _ in self.machines)


def home_of_site(site: SiteDocument) -> Home:
    """Where a site's machines are, as the site says."""
    return Home(VaultRef.from_id(site.vault).key, site.hyper_v_site.lower())


def machines_at(site: SiteDocument, vms: Iterable[str], items: Iterable[ItemView] = ()) -> list[Machine]:
    """Machines of a site.

    Args:
        items: Of its vault, where they were read: they know each name of their Hyper-V site.
    """
    home = home_of_site(site)
    known = ((item, {name.lower() for name in item.hyper_v_sites}) for item in items)
    names = group_pairs(
        (item.vm.lower(), name)
        for item, fabrics in known
        if VaultRef.from_id(item.id).key == home.vault and home.fabric in fabrics
        for name in fabrics
    )
    return [
        Machine(frozenset(Home(home.vault, name) for name in {home.fabric, *names.get(vm.lower(), ())}), vm.lower())
        for vm in vms
    ]


def machines_in(
    plan: PlanDocument, sites: Mapping[str, SiteDocument], items: Collection[ItemView] = ()
) -> list[Machine]:
    """The machines of a plan, without those of sites that are not declared."""
    named = group_pairs((plan.site_name_of(item), item.vm) for item in plan.items)
    found = ((sites[name], vms) for name, vms in named.items() if name in sites)
    return [machine for site, vms in found for machine in machines_at(site, vms, items)]


def guards_of(declared: Declared) -> tuple[Guard, ...]:
    """Whatever asks for approvals: policies first, then plans."""
    policies = (_guard_of_policy(name, policy, declared) for name, policy in sorted(declared.policies.items()))
    plans = (
        Guard(
            RequiredApprovals.of(f"plan {name}", plan.approvals),
            frozenset(plan.approvals.verbs),
            is_of_plan=True,
            machines=_places(plan, declared.sites),
        )
        for name, plan in sorted(declared.plans.items())
        if plan.approvals
    )
    return (*policies, *plans)


def _guard_of_policy(name: str, policy: ApprovalPolicy, declared: Declared) -> Guard:
    plans = [declared.plans[plan] for plan in policy.covers.plans if plan in declared.plans]
    vms = {vm.lower() for vm in policy.covers.vms}
    named = (place for plan in declared.plans.values() for place in _places(plan, declared.sites) if place[1] in vms)
    return Guard(
        RequiredApprovals.of(f"approval policy {name}", policy),
        frozenset(policy.actions),
        homes=frozenset(home_of_site(declared.sites[site]) for site in policy.covers.sites if site in declared.sites),
        machines=frozenset(place for plan in plans for place in _places(plan, declared.sites)).union(named),
        vms=frozenset(vms),
    )


def _places(plan: PlanDocument, sites: Mapping[str, SiteDocument]) -> frozenset[tuple[Home, str]]:
    return frozenset((home, machine.vm) for machine in machines_in(plan, sites) for home in machine.homes)


def covered_vms(declared: Declared, name: str) -> list[str]:
    """The VMs of plans that a policy covers, as plans write them, each once."""
    guard = _guard_of_policy(name, declared.policies[name], declared)
    written = {
        item.vm.lower(): item.vm
        for plan in declared.plans.values()
        for item in plan.items
        if plan.site_name_of(item) in declared.sites
        and any(map(guard.covers, machines_at(declared.sites[plan.site_name_of(item)], [item.vm])))
    }
    return sorted(written.values(), key=str.lower)


def actions_of_run(kind: str, plan: PlanDocument) -> frozenset[str]:
    """What a run of this kind does of that which can be guarded: a round trip does all of its parts."""
    if kind == "roundtrip":
        return PARTS_OF_ROUND_TRIP | {kind}
    is_made_final = kind == "failover" and plan.commit == "automatic"
    return frozenset({kind, "commit"} if is_made_final else {kind})


def find_required(
    guards: Iterable[Guard], actions: Collection[str], machines: Collection[Machine]
) -> tuple[RequiredApprovals, ...]:
    """Whose approvals are needed before these actions reach these machines."""
    asked = (guard for guard in guards if not guard.actions.isdisjoint(actions))
    return tuple(guard.rule for guard in asked if any(map(guard.covers, machines)))


def is_undecided(guards: Iterable[Guard], actions: Collection[str], machines: Collection[Machine]) -> bool:
    """Whether the vault has to say by which names their Hyper-V sites go before it is known who guards them."""
    asked = [guard for guard in guards if not guard.actions.isdisjoint(actions)]
    return any(guard.may_cover(one) and not guard.covers(one) for guard in asked for one in machines)


def find_required_for_change(
    declared: Declared, change: DocumentChange, current: VersionedDocument | None
) -> tuple[RequiredApprovals, ...]:
    """Whose approvals are needed before a document is declared anew, or withdrawn.

    What is declared for the first time needs none: it guards, or is guarded as what it names is.
    """
    if current is None or (change.action == "put" and change.digest == current.digest):
        return ()
    if change.document_kind == "approval-policy":
        policy = ApprovalPolicy.model_validate(current.document)
        return (RequiredApprovals.of(f"approval policy {change.name}", policy),)
    if change.document_kind == "notification-rule":
        return _required_for_rule(declared, NotificationRule.model_validate(current.document, context=CHECKED))
    if change.document_kind == "plan":
        return _required_for_plan(declared, change, current)
    return _required_for_site(declared, change, current)


def _required_for_plan(
    declared: Declared, change: DocumentChange, current: VersionedDocument
) -> tuple[RequiredApprovals, ...]:
    versions = [PlanDocument.model_validate(current.document, context=CHECKED)]
    if change.action == "put":
        versions.append(PlanDocument.model_validate(change.document, context=CHECKED))
    machines = [machine for plan in versions for machine in machines_in(plan, declared.sites)]
    scripts = [_scripts_in(plan.model_dump(mode="json", by_alias=True)) for plan in versions]
    actions = {"plan", "hooks"} if len(versions) == 1 or scripts[0] != scripts[1] else {"plan"}
    own = versions[0].approvals
    asked = [guard for guard in guards_of(declared) if not guard.is_of_plan]
    found = find_required(asked, actions, machines)
    return (*found, RequiredApprovals.of(f"plan {change.name}", own)) if own else found


def _scripts_in(document: Any) -> list[Any]:
    """All hooks and probes in a document, wherever they stand."""
    if isinstance(document, list):
        return [found for one in document for found in _scripts_in(one)]
    if not isinstance(document, dict):
        return []
    own = [(name, value) for name, value in sorted(document.items()) if name in SCRIPT_FIELDS and value]
    others = (one for name, one in sorted(document.items()) if name not in SCRIPT_FIELDS)
    return own + [found for one in others for found in _scripts_in(one)]


def _required_for_site(
    declared: Declared, change: DocumentChange, current: VersionedDocument
) -> tuple[RequiredApprovals, ...]:
    site = SiteDocument.model_validate(current.document)
    home = home_of_site(site)
    new = SiteDocument.model_validate(change.document) if change.action == "put" else None
    is_moved = new is None or any(getattr(site, name) != getattr(new, name) for name in HOME_FIELDS)
    asked = (guard for guard in guards_of(declared) if guard.is_about_home(home))
    return tuple(guard.rule for guard in asked if "site" in guard.actions or (is_moved and guard.is_of_plan))


def _required_for_rule(declared: Declared, rule: NotificationRule) -> tuple[RequiredApprovals, ...]:
    """Of whoever would not hear any more that their approval is waited for; a rule that never told them is free."""
    if not rule.tells_approvers:
        return ()
    guards = guards_of(declared)
    if rule.covers is None:
        return tuple(guard.rule for guard in guards)
    homes = [home_of_site(declared.sites[site]) for site in rule.covers.sites if site in declared.sites]
    plans = [declared.plans[plan] for plan in rule.covers.plans if plan in declared.plans]
    machines = [machine for plan in plans for machine in machines_in(plan, declared.sites)]
    return tuple(
        guard.rule
        for guard in guards
        if (guard.vms and homes) or any(map(guard.is_about_home, homes)) or any(map(guard.covers, machines))
    )
