"""What speaks against a verb beyond what Site Recovery refuses, VM by VM: one check each for health, data, host, drift.

A concern makes the plan unready, and a person may override it with a reason; a warning is only shown.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from shared.arm_ids import name_of, same_id
from shared.obstacle import Obstacle
from shared.plans.data_loss import LossMoment, describe_loss, find_loss_moment, lost_data, replicated_until
from shared.plans.plan import PlanDocument, PlanItem
from shared.plans.preview_kinds import KindRule
from shared.replication.health import replication_lag
from shared.site_recovery.views import ItemDetail, ProviderView
from shared.sites.site import SiteDocument
from shared.wording import format_duration

type Weight = Literal["concern", "warning"]
type WeightedObstacle = tuple[Weight, Obstacle]


class CheckedVm(NamedTuple):
    """A VM that a verb would do something with.

    Attributes:
        rule: Of the kind of operation.
        is_drill: Whether that is a drill.
        host: The host that has the VM, as the vault knows it.
        at: When Azure answered.
        outage_at: When the source was lost, where the request says so.
    """

    plan: PlanDocument
    rule: KindRule
    is_drill: bool
    item: PlanItem
    view: ItemDetail
    site: SiteDocument
    host: ProviderView | None
    at: datetime
    outage_at: datetime | None = None

    @property
    def is_host_lost(self) -> bool:
        """Whether the host that has the VM does not answer the vault."""
        return self.view.host_provider != "" and not (self.host and self.host.connected)

    @property
    def loss_moment(self) -> LossMoment:
        """To which moment an unplanned failover would count its loss."""
        return find_loss_moment(self.view, self.host, self.outage_at)

    @property
    def data_until(self) -> datetime | None:
        """How far its data is in Azure."""
        return replicated_until(self.view.rpo, self.view.rpo_at) or self.view.last_recovery_point

    @property
    def data_loss(self) -> timedelta | None:
        """What an unplanned failover would lose now."""
        return lost_data(self.loss_moment.at or self.at, self.data_until)


def _note(vm: CheckedVm, weight: Weight, code: str, detail: str) -> WeightedObstacle:
    return weight, Obstacle(vm=vm.view.vm, code=code, detail=detail)


def check_health(vm: CheckedVm) -> Iterator[WeightedObstacle]:
    """How well it replicates; that it does not is what an unplanned failover from a lost host is for."""
    health = vm.view.replication_health
    if (vm.rule.fails_over or vm.is_drill) and health in {"Critical", "Warning"}:
        expected = vm.is_host_lost and vm.rule.loses_data
        weight: Weight = "concern" if health == "Critical" and vm.rule.fails_over and not expected else "warning"
        yield _note(vm, weight, f"replication-{health.lower()}", f"the replication of {vm.view.vm} is {health}")


def check_data_at_risk(vm: CheckedVm) -> Iterator[WeightedObstacle]:
    """How far it is behind; an unplanned failover loses what is not replicated, a planned one loses nothing."""
    if vm.rule.loses_data and vm.outage_at and vm.data_until and vm.data_until > vm.outage_at:
        detail = f"the data of {vm.view.vm} in Azure is from {vm.data_until:%Y-%m-%d %H:%M} UTC, after outageAt"
        yield _note(vm, "warning", "outage-before-data", detail)
    target = vm.plan.targets.rpo if vm.plan.targets else None
    if target is None or not (vm.rule.fails_over or vm.is_drill):
        return
    lag = vm.data_loss if vm.rule.loses_data else replication_lag(vm.view, vm.at)
    if lag is None:
        yield _note(vm, "warning", "rpo-unknown", f"how far {vm.view.vm} is behind is not known")
    elif lag > target:
        risk = f"{format_duration(lag)} of {vm.view.vm}'s newest data is not in Azure yet"
        risk = describe_loss(vm.view.vm, lag, vm.loss_moment) if vm.rule.loses_data else risk
        weight: Weight = "concern" if vm.rule.loses_data else "warning"
        yield _note(vm, weight, "behind-target", f"{risk}; the plan's target is {format_duration(target)}")


def check_host(vm: CheckedVm) -> Iterator[WeightedObstacle]:
    """A host that is lost, where the verb needs it or would like to have it."""
    if not vm.is_host_lost or not (vm.rule.needs_host or vm.rule.fails_over):
        return
    name = vm.host.host if vm.host else name_of(vm.view.host_provider)
    detail = f"the host of {vm.view.vm} ({name}) is not connected to the vault"
    if vm.rule.needs_host:
        yield _note(vm, "concern", "host-not-connected", detail)
    else:
        yield _note(
            vm, "warning", "host-not-connected", f"{detail}: the VM cannot be shut down, and may still run there"
        )


def check_drift(vm: CheckedVm) -> Iterator[WeightedObstacle]:
    """Where the protected item is set up other than its site says: a failover goes by the item."""
    view, site, fails_over = vm.view, vm.site, vm.rule.fails_over
    if not (fails_over or vm.is_drill):
        return
    weight: Weight = "concern" if fails_over else "warning"
    if view.target_group and not same_id(view.target_group, site.target_resource_group):
        yield _drift_note(vm, weight, "other-target-group", view.target_group, site.target_resource_group)
    own_network = vm.item.network or not view.network
    if fails_over and not own_network and site.network and not same_id(view.network, site.network):
        yield _drift_note(vm, weight, "other-network", view.network, site.network)
    if view.policy and site.policy_name and not same_id(view.policy, site.policy_name):
        yield _drift_note(vm, "warning", "other-policy", view.policy, site.policy_name)


def check_network(vm: CheckedVm) -> Iterator[WeightedObstacle]:
    """Whether a failover connects it to any network: a VM without one runs in Azure and is reached by nobody."""
    if not (vm.rule.fails_over or vm.is_drill) or vm.item.network or vm.view.network:
        return
    weight: Weight = "concern" if vm.rule.fails_over else "warning"
    would = (
        "a failover connects" if vm.rule.fails_over else "this drill has its own network, and a failover would connect"
    )
    remedy = f"update its replication with {vm.site.network or 'a network'}, or name one in the plan"
    yield _note(vm, weight, "no-network", f"{would} {vm.view.vm} to no network: {remedy}")


def _drift_note(vm: CheckedVm, weight: Weight, code: str, found: str, declared: str) -> WeightedObstacle:
    return _note(vm, weight, code, f"{vm.view.vm} has {found}, and its site says {declared}")


CHECKS: tuple[Callable[[CheckedVm], Iterator[WeightedObstacle]], ...] = (
    check_health,
    check_data_at_risk,
    check_host,
    check_drift,
    check_network,
)
