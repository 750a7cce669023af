"""What has to be so before a machine comes home: off, without checkpoints, on a node that is well, with room. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from shared.activity import Problem
from shared.failback.source_vms import OFF, SourceLook, SourceVm
from shared.messages import Message
from shared.site_recovery.views import ProviderView
from shared.sites.nodes import NodeView, same_host
from shared.sites.site import SiteDocument

_MB_IN_GB = 1024
GONE = "source-gone"
BY_HAND = (
    '{vm} is on no node of {cluster} any more. Either abort, and ask for the failback with "createVm": true, which '
    "makes it again; or make a highly available virtual machine of that name by hand, of the same generation and with "
    "the same disks, and leave it off. Then say resume: the nodes are looked at once more, and the failback begins."
)
"""Source: the vendor's guide: manual intervention is needed if the VM was deleted on the cluster after the failover."""


class Wanted(Message):
    """A machine that is to come home.

    Attributes:
        provider: ARM id of the provider (host) that had it last, as the vault says.
        mb: Size of its disks; 0 when the vault does not say.
    """

    vm: str
    provider: str = ""
    mb: int = 0


class Ground(NamedTuple):
    """What one site is like.

    Attributes:
        providers: Every host that the vault knows, of this Hyper-V site and of others.
    """

    site: SiteDocument
    nodes: Sequence[NodeView]
    providers: Sequence[ProviderView]
    look: SourceLook

    @property
    def cluster(self) -> str:
        """The cluster's own name."""
        return self.site.cluster.rpartition("/")[2]


class Place(NamedTuple):
    """Where a machine comes home to.

    Attributes:
        needs: GB that its volume must have left; 0 when that is not known.
    """

    wanted: Wanted
    node: str
    provider: str
    volume: str = ""
    needs: float = 0.0


def host_problem(ground: Ground, host: str) -> Problem | None:
    """Why machines cannot be failed back onto a host; None when they can, and when no host was asked for.

    Source: documented: failback to another cluster is not supported.
    """
    if not host:
        return None
    if not any(same_host(node.name, host) for node in ground.nodes):
        nodes = ", ".join(node.name for node in ground.nodes)
        detail = (
            f"{host} is no node of {ground.cluster}: a failback to another cluster is not supported; it has {nodes}"
        )
        return Problem(code="another-cluster", detail=detail)
    known = [one for one in ground.providers if same_host(one.host, host)]
    if any(_is_of_site(one, ground.site) for one in known):
        return None
    if known:
        other = ", ".join(known[0].sites)
        detail = (
            f"{host} is registered with another Hyper-V site ({other}): choose a host of {ground.site.hyper_v_site}"
        )
        return Problem(code="other-hyper-v-site", detail=detail)
    return Problem(code="provider-missing", detail=f"the vault knows no provider on {host}: repair the node first")


def _is_of_site(provider: ProviderView, site: SiteDocument) -> bool:
    return site.hyper_v_site.lower() in {name.lower() for name in provider.sites}


def judge(
    ground: Ground, wanted: Iterable[Wanted], *, create: bool, host: str = ""
) -> tuple[dict[str, str], list[Problem]]:
    """Say for each machine what stands in its way, each with its remedy.

    Args:
        ground: The site, its nodes, and what they said.
        wanted: The machines of this site.
        create: Whether one that is gone is made again.
        host: The node that it is made on; empty for the one that had it last.

    Returns:
        The provider for each machine that may come home, and the problems.
    """
    if problem := host_problem(ground, host):
        return {}, [problem]
    found = [_place(ground, one, create=create, host=host) for one in wanted]
    places = [one for one in found if isinstance(one, Place)]
    problems = [one for one in found if isinstance(one, Problem)]
    unwell = [problem for place in places for problem in _of_host(ground, place)]
    problems += [*unwell, *_without_room(ground, places)]
    return {place.wanted.vm: place.provider for place in places}, problems


def _place(ground: Ground, one: Wanted, *, create: bool, host: str) -> Place | Problem:
    there = ground.look.of(one.vm)
    if len(there) > 1:
        nodes = " and ".join(sorted(source.node for source in there))
        detail = f"there is a {one.vm} on {nodes}: remove or rename the one that is not to be overwritten"
        return Problem(vm=one.vm, code="source-ambiguous", detail=detail)
    if there:
        return _of_source(one.vm, there[0], host) or _where_it_is(ground, one, there[0])
    if ground.look.silent:
        unheard = "; ".join(ground.look.unheard)
        detail = f"{one.vm} was not found, and may be where nobody answered ({unheard}): bring these nodes back"
        return Problem(vm=one.vm, code="source-unread", detail=detail)
    if not create:
        return Problem(vm=one.vm, code=GONE, detail=BY_HAND.format(vm=one.vm, cluster=ground.cluster), by_hand=True)
    return _where_it_is_made(ground, one, host)


def _of_source(vm: str, source: SourceVm, host: str) -> Problem | None:
    """What is wrong with the machine itself."""
    where = f"{vm} on {source.node}"
    if source.state != OFF:
        detail = f"{where} is {source.state}, and must be off: turn it off there (Stop-VM), and leave it off"
        return Problem(vm=vm, code="source-running", detail=detail)
    if source.checkpoints:
        detail = (
            f"{where} has {source.checkpoints} checkpoints: remove them (Remove-VMSnapshot), and let them be merged"
        )
        return Problem(vm=vm, code="source-checkpoints", detail=detail)
    if host and not same_host(source.node, host):
        detail = f"{where} is not on {host}: move it there first, or leave the host out"
        return Problem(vm=vm, code="source-on-another-host", detail=detail)
    return None


def _where_it_is(ground: Ground, one: Wanted, source: SourceVm) -> Place:
    volume = source.disks[0].volume if source.disks else ""
    grows = sum(max(disk.size - disk.file, 0) for disk in source.disks)
    return Place(one, source.node, _provider_on(ground, source.node), volume, grows)


def _where_it_is_made(ground: Ground, one: Wanted, host: str) -> Place | Problem:
    last = next((each.host for each in ground.providers if each.id.lower() == one.provider.lower()), "")
    node = next((node.name for node in ground.nodes if same_host(node.name, host or last)), "")
    if not node:
        known = last or "the vault does not say"
        detail = f"{one.vm} cannot be made where it was last ({known}): name a host of {ground.cluster}"
        return Problem(vm=one.vm, code="host-needed", detail=detail)
    return Place(one, node, _provider_on(ground, node), ground.look.home.get(node, ""), one.mb / _MB_IN_GB)


def _provider_on(ground: Ground, node: str) -> str:
    here = (one for one in ground.providers if same_host(one.host, node) and _is_of_site(one, ground.site))
    return next((one.id for one in here), "")


def _of_host(ground: Ground, place: Place) -> Iterator[Problem]:
    """What is wrong with the node that gets the machine."""
    vm, node = place.wanted.vm, next(one for one in ground.nodes if one.name == place.node)
    state = node.extension.provisioning_state if node.extension else "missing"
    if node.status.lower() != "connected" or state != "Succeeded":
        detail = f"{node.name}, which gets {vm}, is not well (agent {node.status}, extension {state}): repair it first"
        yield Problem(vm=vm, code="node-unwell", detail=detail)
    provider = next((one for one in ground.providers if one.id == place.provider), None)
    if provider is None or not provider.connected:
        detail = f"the vault hears of no provider on {node.name}, which gets {vm}: see that the service dra runs there"
        yield Problem(vm=vm, code="provider-not-connected", detail=detail)


def _without_room(ground: Ground, places: Sequence[Place]) -> Iterator[Problem]:
    """The machines whose volume may become full: what their files may still grow by, or all of one that is made."""
    needs: dict[str, list[Place]] = {}
    for place in places:
        if place.volume and place.needs:
            needs.setdefault(place.volume, []).append(place)
    free = _free(ground.look.room)
    for volume, those in needs.items():
        needed = sum(place.needs for place in those)
        if volume in free and free[volume] < needed:
            names = ", ".join(place.wanted.vm for place in those)
            left = f"volume {volume} on {those[0].node} has {free[volume]:.0f} GB left"
            detail = f"{left}, and {names} may need {needed:.0f}: make room"
            yield from (Problem(vm=place.wanted.vm, code="too-little-space", detail=detail) for place in those)


def _free(room: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """By volume: a cluster's volumes are seen by all of its nodes."""
    free: dict[str, float] = {}
    for volumes in room.values():
        for volume, left in volumes.items():
            free[volume] = min(left, free.get(volume, left))
    return free
