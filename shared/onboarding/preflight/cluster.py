"""Checks of the cluster: registered, connected, recent enough, with an identity, and Arc-enabled."""

import re
from collections.abc import Iterator

from shared.onboarding.preflight.check import GUIDE, Check, Line, unseen
from shared.onboarding.preflight.facts import Seen

OLDEST = (20349, 1726)
"""Version 22H2 with the update of May 9, 2023 (KB5026370)."""
_VERSION = re.compile(r"10\.0\.(?P<build>\d+)(?:\.(?P<revision>\d+))?")
CONNECTED = frozenset({"connected", "connectedrecently"})


def _registered(seen: Seen) -> Iterator[Line]:
    cluster = seen.azure.cluster
    yield from unseen(seen, "cluster")
    if cluster is None:
        if "cluster" not in seen.azure.unseen:
            yield Line("fail", f"there is no cluster {seen.site.cluster}")
    elif "notyetregistered" in {cluster.status.lower(), cluster.connectivity.lower()}:
        yield Line("fail", f"the cluster's status is {cluster.status}")
    else:
        yield Line("pass", f"registered, status {cluster.status}")


def _connected(seen: Seen) -> Iterator[Line]:
    if cluster := seen.azure.cluster:
        well = cluster.connectivity.lower() in CONNECTED and cluster.status.lower() in CONNECTED
        partly = cluster.connectivity.lower() == "partiallyconnected"
        said = f"status {cluster.status}, connectivity {cluster.connectivity}"
        yield Line("pass" if well else "warn" if partly else "fail", said)
    else:
        yield Line("unknown", "the cluster was not seen")


def _version(seen: Seen) -> Iterator[Line]:
    """Both the cluster and its nodes say it; the cluster's word may end with the build."""
    cluster = seen.azure.cluster
    said = {"the cluster": cluster.version if cluster else ""}
    said |= {node.name: node.os_version for node in seen.azure.nodes}
    said |= {host.node: host.os_version for host in seen.hosts.values() if host.os_version}
    for who, version in said.items():
        yield from _one_version(who, version, whole=who != "the cluster")


def _one_version(who: str, version: str, *, whole: bool) -> Iterator[Line]:
    found = _VERSION.search(version)
    if found is None:
        yield Line("unknown", f"{who} says no version that can be read: {version!r}")
    elif int(found["build"]) != OLDEST[0]:
        yield Line("pass" if int(found["build"]) > OLDEST[0] else "fail", f"{who} runs {version}")
    elif found["revision"]:
        yield Line("pass" if int(found["revision"]) >= OLDEST[1] else "fail", f"{who} runs {version}")
    elif whole:
        yield Line("unknown", f"{who} runs {version}; which update, it does not say")


def _identity(seen: Seen) -> Iterator[Line]:
    cluster = seen.azure.cluster
    if cluster is None:
        yield Line("unknown", "the cluster was not seen")
    elif cluster.principal:
        yield Line("pass", f"the cluster's managed identity is {cluster.principal}")
    else:
        yield Line("fail", "the cluster's resource has no managed identity")


def _arc(seen: Seen) -> Iterator[Line]:
    yield from unseen(seen, "nodes")
    known = {node.name.lower() for node in seen.azure.nodes}
    for name in seen.azure.cluster.nodes if seen.azure.cluster else ():
        if name.lower() in known:
            yield Line("pass", f"{name} is an Arc machine")
        else:
            yield Line("fail", f"{name} is a node of the cluster, but no Arc machine belongs to it")
    if not known:
        yield Line("fail", "no Arc machine names this cluster as its parent")


CHECKS = (
    Check(
        "cluster-registered",
        "The cluster is registered with Azure",
        _registered,
        "Register the cluster: Register-AzStackHCI -SubscriptionId {subscription} -ComputerName {node}.",
        GUIDE + "#prerequisites-and-planning",
    ),
    Check(
        "cluster-connected",
        "The cluster is connected to Azure",
        _connected,
        "Let the cluster reach Azure, then run Sync-AzureStackHCI on one of its nodes.",
        GUIDE + "#prerequisites-and-planning",
    ),
    Check(
        "cluster-version",
        "The cluster runs version 22H2 with the update of May 2023, or later",
        _version,
        "Install the update of May 2023 (build 20349.1726) or a later one on every node.",
        GUIDE + "#prerequisites-and-planning",
    ),
    Check(
        "cluster-identity",
        "The cluster has a managed identity",
        _identity,
        "Repair the registration, on a node: Register-AzStackHCI -SubscriptionId {subscription} -ComputerName {node} "
        "-TenantId {tenant} -RepairRegistration",
        GUIDE + "#prerequisites-and-planning",
    ),
    Check(
        "cluster-arc",
        "Every node of the cluster is Arc-enabled",
        _arc,
        "Enable Azure Arc on the node: run Register-AzStackHCI again, or Enable-AzureStackHCIArcIntegration.",
        GUIDE + "#prerequisites-and-planning",
    ),
)
