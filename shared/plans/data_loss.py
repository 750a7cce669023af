"""How much of the newest data a failover loses: from which moment that counts, and from which data on. Pure.

What is lost was written between the newest data in Azure and the moment when the source is last known to have written:

1. `outageAt`: when a person says that the source was lost.
2. `lastHeartbeat`: the last heartbeat of the VM's host, which is not connected to the vault any more.
3. `decision`: the failover was asked for, and nothing is known of the source: what is lost is this much at most.
4. `failoverStart`: the VM's own failover began, and its host was still connected.

A planned failover has the source shut down and `synchronised`, so that nothing is lost. Nor does a drill lose anything:
of it the age of its data counts, at `testFailoverStart`.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from shared.grouping import group_pairs
from shared.messages import Message
from shared.site_recovery.loss_moments import LossCountedFrom
from shared.site_recovery.views import ItemView, ProviderView
from shared.sites.node_health import HEARTBEAT_FRESH_FOR
from shared.wording import format_duration


class SourceLastSeen(Message):
    """Until when the sources of some VMs are known to have written.

    Attributes:
        at: None for "decision", which is when the run began.
        vms: Empty for all of the run.
    """

    counted_from: Literal["outageAt", "lastHeartbeat", "decision"]
    at: datetime | None = None
    vms: tuple[str, ...] = ()


class LossMoment(NamedTuple):
    """To which moment the loss of one VM counts; `at` is None for one that the run itself decides."""

    counted_from: LossCountedFrom
    at: datetime | None = None


STILL_CONNECTED = LossMoment("failoverStart")


def find_loss_moment(view: ItemView, host: ProviderView | None, outage_at: datetime | None) -> LossMoment:
    """To which moment an unplanned failover of a VM counts its loss.

    Data in Azure that is newer than its host's last heartbeat shows that the VM wrote on another host.

    Args:
        host: The host that has the VM, as the vault knows it.
        outage_at: What a person says.
    """
    if outage_at:
        return LossMoment("outageAt", outage_at)
    if host is None or host.heartbeat is None:
        return STILL_CONNECTED if host and host.connected else LossMoment("decision")
    if host.connected:
        return STILL_CONNECTED
    newest = max(filter(None, (replicated_until(view.rpo, view.rpo_at), view.last_recovery_point)), default=None)
    if newest and newest > host.heartbeat + HEARTBEAT_FRESH_FOR:
        return LossMoment("decision")
    return LossMoment("lastHeartbeat", host.heartbeat)


def group_loss_moments(moments: Iterable[tuple[str, LossMoment]]) -> tuple[SourceLastSeen, ...]:
    """The moments by VM, as an operation keeps them: each once, with its VMs where these are not all."""
    vms_by_moment = group_pairs((moment, vm) for vm, moment in moments)
    if len(vms_by_moment) == 1:
        vms_by_moment = {moment: [] for moment in vms_by_moment}
    return tuple(
        SourceLastSeen.model_validate({**moment._asdict(), "vms": tuple(vms)})
        for moment, vms in vms_by_moment.items()
        if moment.counted_from != STILL_CONNECTED.counted_from
    )


def replicated_until(rpo: timedelta | None, rpo_at: datetime | None) -> datetime | None:
    """The age of the newest data in Azure, as the vault measured it last; None when it never did."""
    return None if rpo is None or rpo_at is None else rpo_at - rpo


def lost_data(moment: datetime, data_until: datetime | None) -> timedelta | None:
    """How much was written until this moment that is newer than the data in Azure; None when that is not known."""
    return None if data_until is None else max(moment - data_until, timedelta(0))


def describe_loss(vm: str, loss: timedelta, moment: LossMoment) -> str:
    """What would be lost, and to which moment that counts."""
    lost = f"{format_duration(loss)} of {vm}'s newest data would be lost"
    match moment.counted_from:
        case "outageAt":
            return f"{lost}, counted to the outage at {_time_text(moment.at)}"
        case "lastHeartbeat":
            return f"{lost}, counted to the last heartbeat of its host at {_time_text(moment.at)}"
        case "decision":
            return f"at most {lost}, counted to now: when the source was lost is not known. State it as outageAt"
        case _:
            return f"{lost}, counted to now: its host is connected to the vault"


def _time_text(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else ""
