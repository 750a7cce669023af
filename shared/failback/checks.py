"""What has to be so before a machine comes home: off, without checkpoints, on a node that is well, with room. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from shared.arm_ids import name_of
from shared.failback.source_vms import OFF, SourceVm, SourceVms
from shared.grouping import group_pairs
from shared.messages import Message
from shared.obstacle import Obstacle
from shared.site_recovery.views import ProviderView
from shared.sites.lost_nodes import LOST_REMEDY
from shared.sites.node_health import (
    extension_state,
    is_agent_connected,
    is_extension_well,
    is_provider_of_site,
    providers_on,
)
from shared.sites.nodes import NodeView, same_host
from shared.sites.site import SiteDocument
from shared.wording import list_briefly

_MB_IN_GB = 1024
SOURCE_GONE = "source-gone"
SOURCE_GONE_DETAIL = (
    '{vm} is on no node of {cluster} any more. Either abort, and ask for the failback with "createVm": true, which '
    "makes it again; or make a highly available virtual machine of that name by hand, of the same generation and with "
    "the same disks, and leave it off. Then resume the run: the nodes are read once more, and the failback begins."
)
"""Source: the vendor's guide: manual intervention is needed if the VM was deleted on the cluster after the failover."""


class ReturningVm(Message):
    """A machine that is to come home.

    Attributes:
        provider: ARM id of the provider (host) that had it last, as the vault says.
        mb: Size of its disks; 0 when the vault does not say.
    """

    vm: str
    provider: str = ""
    mb: int = 0


class SiteState(NamedTuple):
    """What one site is like.

    Attributes:
        providers: Every host that the vault knows, of this Hyper-V site and of others.
    """

    site: SiteDocument
    nodes: Sequence[NodeView]
    providers: Sequence[ProviderView]
    sources: SourceVms

    @property
    def cluster_name(self) -> str:
        """The cluster's own name."""
        return name_of(self.site.cluster)


class FailbackTarget(NamedTuple):
    """Where a machine comes home to.

    Attributes:
        needed_gb: GB that its volume must have left; 0 when that is not known.
    """

    returning: ReturningVm
    node: str
    provider: str
    volume: str = ""
    needed_gb: float = 0.0


def host_obstacle(site_state: SiteState, host: str) -> Obstacle | None:
    """Why machines cannot be failed back onto a host; None when they can, and when no host was asked for.

    Source: documented: failback to another cluster is not supported.
    """
    if not host:
        return None
    if not any(same_host(node.name, host) for node in site_state.nodes):
        nodes = ", ".join(node.name for node in site_state.nodes)
        cluster = site_state.cluster_name
        detail = f"{host} is no node of {cluster}: a failback to another cluster is not supported; it has {nodes}"
        return Obstacle(code="another-cluster", detail=detail)
    on_host = providers_on(host, site_state.providers)
    if any(is_provider_of_site(one, site_state.site) for one in on_host):
        return None
    return unregistered_host(host, on_host, site_state.site.hyper_v_site)


def unregistered_host(host: str, providers: Sequence[ProviderView], ours: str) -> Obstacle:
    """What a host lacks that none of its providers belongs to the site's own Hyper-V site for."""
    if not providers:
        return Obstacle(code="provider-missing", detail=f"the vault knows no provider on {host}: repair the node first")
    other_sites = ", ".join(providers[0].sites)
    detail = f"{host} is registered with another Hyper-V site ({other_sites}): choose a host of {ours}"
    return Obstacle(code="other-hyper-v-site", detail=detail)


def check_failback(
    site_state: SiteState, returning: Iterable[ReturningVm], *, create: bool, host: str = ""
) -> tuple[dict[str, str], list[Obstacle]]:
    """Say for each machine what stands in its way, each with its remedy.

    Args:
        site_state: The site, its nodes, and the machines on them.
        returning: The machines of this site.
        create: Whether one that is gone is made again.
        host: The node that it is made on; empty for the one that had it last.

    Returns:
        The provider for each machine that may come home, and the obstacles.
    """
    if obstacle := host_obstacle(site_state, host):
        return {}, [obstacle]
    found = [_find_target(site_state, one, create=create, host=host) for one in returning]
    targets = [one for one in found if isinstance(one, FailbackTarget)]
    obstacles = [one for one in found if isinstance(one, Obstacle)]
    obstacles += [obstacle for target in targets for obstacle in _host_obstacles(site_state, target)]
    obstacles += _space_obstacles(site_state, targets)
    return {target.returning.vm: target.provider for target in targets}, obstacles


def _find_target(
    site_state: SiteState, returning: ReturningVm, *, create: bool, host: str
) -> FailbackTarget | Obstacle:
    sources = site_state.sources.find_vms(returning.vm)
    if len(sources) > 1:
        nodes = " and ".join(sorted(source.node for source in sources))
        detail = f"there is a {returning.vm} on {nodes}: remove or rename the one that is not to be overwritten"
        return Obstacle(vm=returning.vm, code="source-ambiguous", detail=detail)
    if sources:
        source = sources[0]
        volume = source.disks[0].volume if source.disks else ""
        growth = sum(max(disk.size - disk.file, 0) for disk in source.disks)
        target = FailbackTarget(returning, source.node, _provider_on(site_state, source.node), volume, growth)
        return _source_obstacle(returning.vm, source, host) or target
    if site_state.sources.silent:
        silent_nodes = "; ".join(site_state.sources.silent_nodes)
        where = f"may be on a node that did not answer ({silent_nodes})"
        detail = f"{returning.vm} was not found, and {where}: bring these nodes back. {LOST_REMEDY}"
        return Obstacle(vm=returning.vm, code="source-unread", detail=detail)
    if not create:
        return Obstacle(
            vm=returning.vm,
            code=SOURCE_GONE,
            detail=SOURCE_GONE_DETAIL.format(vm=returning.vm, cluster=site_state.cluster_name),
            by_hand=True,
        )
    return _target_for_new_vm(site_state, returning, host)


def _source_obstacle(vm: str, source: SourceVm, host: str) -> Obstacle | None:
    """What is wrong with the machine itself."""
    where = f"{vm} on {source.node}"
    if source.state != OFF:
        detail = f"{where} is {source.state}, and must be off: turn it off there (Stop-VM), and leave it off"
        return Obstacle(vm=vm, code="source-running", detail=detail)
    if parts := source.unread_parts:
        detail = (
            f"{where} could not be read whole ({list_briefly(parts, separator='; ')}): see that no backup or merge "
            "uses its disks and that they are all there, then ask again"
        )
        return Obstacle(vm=vm, code="source-disks-unread", detail=detail)
    if source.checkpoints:
        detail = (
            f"{where} has {source.checkpoints} checkpoints: remove them (Remove-VMSnapshot), and let them be merged"
        )
        return Obstacle(vm=vm, code="source-checkpoints", detail=detail)
    if host and not same_host(source.node, host):
        detail = f"{where} is not on {host}: move it there first, or leave the host out"
        return Obstacle(vm=vm, code="source-on-another-host", detail=detail)
    return None


def _target_for_new_vm(site_state: SiteState, returning: ReturningVm, host: str) -> FailbackTarget | Obstacle:
    last_host = next((each.host for each in site_state.providers if each.id.lower() == returning.provider.lower()), "")
    node = next((node.name for node in site_state.nodes if same_host(node.name, host or last_host)), "")
    if not node:
        last_known = last_host or "unknown to the vault"
        detail = (
            f"{returning.vm} cannot be made where it was last ({last_known}): name a host of {site_state.cluster_name}"
        )
        return Obstacle(vm=returning.vm, code="host-needed", detail=detail)
    if reason := site_state.sources.home_unread.get(node):
        detail = (
            f"{returning.vm} would be made on {node}, and the volume that new machines come to there could not be read "
            f"({reason}): correct the host's VirtualHardDiskPath (Set-VMHost)"
        )
        return Obstacle(vm=returning.vm, code="host-volume-unread", detail=detail)
    return FailbackTarget(
        returning, node, _provider_on(site_state, node), site_state.sources.home.get(node, ""), returning.mb / _MB_IN_GB
    )


def _provider_on(site_state: SiteState, node: str) -> str:
    on_node = providers_on(node, site_state.providers)
    return next((one.id for one in on_node if is_provider_of_site(one, site_state.site)), "")


def _host_obstacles(site_state: SiteState, target: FailbackTarget) -> Iterator[Obstacle]:
    """What is wrong with the node that gets the machine."""
    vm, node = target.returning.vm, next(one for one in site_state.nodes if one.name == target.node)
    if not is_agent_connected(node) or not is_extension_well(node.extension):
        state = f"agent {node.status}, extension {extension_state(node.extension)}"
        detail = f"{node.name}, which gets {vm}, is not well ({state}): repair it first"
        yield Obstacle(vm=vm, code="node-unwell", detail=detail)
    provider = next((one for one in site_state.providers if one.id == target.provider), None)
    if provider is None or not provider.connected:
        detail = (
            f"the vault has no connected provider on {node.name}, which gets {vm}: see that the service dra runs there"
        )
        yield Obstacle(vm=vm, code="provider-not-connected", detail=detail)


def least_free_space(rooms: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """GB left of each volume by the node that says least: a cluster's volumes are seen by all of its nodes."""
    free = group_pairs((volume, left) for node_volumes in rooms for volume, left in node_volumes.items())
    return {volume: min(seen) for volume, seen in free.items()}


def _space_obstacles(site_state: SiteState, targets: Sequence[FailbackTarget]) -> Iterator[Obstacle]:
    """The machines whose volume may become full: what their files may still grow by, or all of one that is made."""
    free = least_free_space(site_state.sources.room.values())
    by_volume = group_pairs((target.volume, target) for target in targets if target.volume and target.needed_gb)
    for volume, on_volume in by_volume.items():
        needed = sum(place.needed_gb for place in on_volume)
        if volume in free and free[volume] < needed:
            names = ", ".join(place.returning.vm for place in on_volume)
            have = f"volume {volume} on {on_volume[0].node} has {free[volume]:.0f} GB left"
            detail = f"{have}, and {names} may need {needed:.0f}: make room"
            yield from (Obstacle(vm=place.returning.vm, code="too-little-space", detail=detail) for place in on_volume)
