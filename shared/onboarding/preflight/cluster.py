"""Checks of the cluster: registered, connected, recent enough, with an identity, and Arc-enabled."""

import re
from collections.abc import Iterator

from shared.onboarding.preflight.check import GUIDE, Check, CheckLine, unread_lines
from shared.onboarding.preflight.facts import SiteFacts

OLDEST_VERSION = (20349, 1726)
"""Version 22H2 with the update of May 9, 2023 (KB5026370)."""
_VERSION = re.compile(r"10\.0\.(?P<build>\d+)(?:\.(?P<revision>\d+))?")
CONNECTED = frozenset({"connected", "connectedrecently"})


def check_registration(facts: SiteFacts) -> Iterator[CheckLine]:
    cluster = facts.azure.cluster
    yield from unread_lines(facts, "cluster")
    if cluster is None:
        if "cluster" not in facts.azure.unread:
            yield CheckLine("fail", f"there is no cluster {facts.site.cluster}")
    elif "notyetregistered" in {cluster.status.lower(), cluster.connectivity.lower()}:
        yield CheckLine("fail", f"the cluster's status is {cluster.status}")
    else:
        yield CheckLine("pass", f"registered, status {cluster.status}")


def check_connection(facts: SiteFacts) -> Iterator[CheckLine]:
    if cluster := facts.azure.cluster:
        well = cluster.connectivity.lower() in CONNECTED and cluster.status.lower() in CONNECTED
        partly = cluster.connectivity.lower() == "partiallyconnected"
        detail = f"status {cluster.status}, connectivity {cluster.connectivity}"
        yield CheckLine("pass" if well else "warn" if partly else "fail", detail)
    else:
        yield CheckLine("unknown", "the cluster could not be read")


def check_versions(facts: SiteFacts) -> Iterator[CheckLine]:
    """Of the cluster and of each node; the cluster's own may end with the build."""
    cluster = facts.azure.cluster
    version_by_source = {"the cluster": cluster.version if cluster else ""}
    version_by_source |= {node.name: node.os_version for node in facts.azure.nodes}
    version_by_source |= {host.node: host.os_version for host in facts.hosts.values() if host.os_version}
    for source, version in version_by_source.items():
        yield from check_version(source, version, whole=source != "the cluster")


def check_version(source: str, version: str, *, whole: bool) -> Iterator[CheckLine]:
    found = _VERSION.search(version)
    if found is None:
        yield CheckLine("unknown", f"{source} shows no version that can be read: {version!r}")
    elif int(found["build"]) != OLDEST_VERSION[0]:
        yield CheckLine.judge(int(found["build"]) > OLDEST_VERSION[0], f"{source} runs {version}")
    elif found["revision"]:
        yield CheckLine.judge(int(found["revision"]) >= OLDEST_VERSION[1], f"{source} runs {version}")
    elif whole:
        yield CheckLine("unknown", f"{source} runs {version}; it does not show which update")


def check_identity(facts: SiteFacts) -> Iterator[CheckLine]:
    cluster = facts.azure.cluster
    if cluster is None:
        yield CheckLine("unknown", "the cluster could not be read")
    elif cluster.principal:
        yield CheckLine("pass", f"the cluster's managed identity is {cluster.principal}")
    else:
        yield CheckLine("fail", "the cluster's resource has no managed identity")


def check_arc_nodes(facts: SiteFacts) -> Iterator[CheckLine]:
    yield from unread_lines(facts, "nodes")
    arc_names = {node.name.lower() for node in facts.azure.nodes}
    for name in facts.azure.cluster.nodes if facts.azure.cluster else ():
        if name.lower() in arc_names:
            yield CheckLine("pass", f"{name} is an Arc machine")
        else:
            yield CheckLine("fail", f"{name} is a node of the cluster, but no Arc machine belongs to it")
    if not arc_names:
        yield CheckLine("fail", "no Arc machine names this cluster as its parent")


CHECKS = (
    Check(
        "cluster-registered",
        "The cluster is registered with Azure",
        check_registration,
        "Register the cluster: Register-AzStackHCI -SubscriptionId {subscription} -ComputerName {node}.",
        GUIDE + "#prerequisites-and-planning",
    ),
    Check(
        "cluster-connected",
        "The cluster is connected to Azure",
        check_connection,
        "Let the cluster reach Azure, then run Sync-AzureStackHCI on one of its nodes.",
        GUIDE + "#prerequisites-and-planning",
    ),
    Check(
        "cluster-version",
        "The cluster runs version 22H2 with the update of May 2023, or later",
        check_versions,
        "Install the update of May 2023 (build 20349.1726) or a later one on every node.",
        GUIDE + "#prerequisites-and-planning",
    ),
    Check(
        "cluster-identity",
        "The cluster has a managed identity",
        check_identity,
        "Repair the registration, on a node: Register-AzStackHCI -SubscriptionId {subscription} -ComputerName {node} "
        "-TenantId {tenant} -RepairRegistration",
        GUIDE + "#prerequisites-and-planning",
    ),
    Check(
        "cluster-arc",
        "Every node of the cluster is Arc-enabled",
        check_arc_nodes,
        "Enable Azure Arc on the node: run Register-AzStackHCI again, or Enable-AzureStackHCIArcIntegration.",
        GUIDE + "#prerequisites-and-planning",
    ),
)
