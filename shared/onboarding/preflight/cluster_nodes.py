"""Checks of the nodes: their agent, Hyper-V, what they are bound to, what may keep the extension out."""

import re
from collections.abc import Iterator

from shared.healing.classifier import classify
from shared.onboarding.preflight.check import GUIDE, Check, Line, unseen
from shared.onboarding.preflight.facts import NodeFacts, Seen
from shared.onboarding.preparation import FRESH

AGENT = (1, 33)
"""The oldest agent that takes run commands."""
NEEDED = {
    "microsoft.siterecovery.dra/windows": "the ASR extension",
    "microsoft.cplat.core/runcommandhandlerwindows": "",
}
ARC = "https://learn.microsoft.com/azure/azure-arc/servers/"


def _connected(seen: Seen) -> Iterator[Line]:
    yield from unseen(seen, "nodes")
    for node in seen.azure.nodes:
        yield Line("pass" if node.status.lower() == "connected" else "fail", f"{node.name} is {node.status}")


def _agent(seen: Seen) -> Iterator[Line]:
    for node in seen.azure.nodes:
        found = re.match(r"(\d+)\.(\d+)", node.agent_version)
        if found is None:
            yield Line("unknown", f"{node.name} says no agent version")
        else:
            recent = (int(found[1]), int(found[2])) >= AGENT
            yield Line("pass" if recent else "fail", f"{node.name} has agent {node.agent_version}")


def _extensions(seen: Seen) -> Iterator[Line]:
    for node in seen.azure.nodes:
        held = list(_held_back(node))
        yield from held or [Line("pass", f"{node.name} takes extensions")]


def _held_back(node: NodeFacts) -> Iterator[Line]:
    if not node.extensions_enabled or node.mode.lower() == "monitor":
        yield Line("fail", f"the agent of {node.name} takes no extensions")
    allow, block = {name.lower() for name in node.allow}, {name.lower() for name in node.block}
    for name in NEEDED:
        if name in block or (allow and name not in allow):
            yield Line("fail", f"the agent of {node.name} does not let {name} in")


def _hyper_v(seen: Seen) -> Iterator[Line]:
    yield from _unread(seen)
    for host in seen.hosts.values():
        yield Line("pass" if host.hyper_v else "fail", f"Hyper-V is {'' if host.hyper_v else 'not '}on {host.node}")


def _unread(seen: Seen) -> Iterator[Line]:
    for node, why in seen.unread.items():
        yield Line("unknown", f"{node} could not be asked: {why}")


def _other_site(seen: Seen) -> Iterator[Line]:
    yield from _unread(seen)
    for host in seen.hosts.values():
        cause = classify("", "", {"hyperV": True, "registration": host.registration}, seen.site)
        if cause.code == "other-site":
            yield Line("fail", f"{host.node}: {'; '.join(cause.evidence)}")
        else:
            yield Line("pass", f"{host.node} is {'registered here' if host.registration else 'not registered yet'}")


def _application_control(seen: Seen) -> Iterator[Line]:
    yield from _unread(seen)
    for host in seen.hosts.values():
        enforced = host.application_control == "Enforced"
        yield Line("fail" if enforced else "pass", f"Application Control on {host.node}: {host.application_control}")


def _outbound(seen: Seen) -> Iterator[Line]:
    yield from _unread(seen)
    for host in seen.hosts.values():
        for endpoint, reached in host.reached.items():
            yield Line("pass" if reached else "fail", f"{host.node} {'reaches' if reached else 'misses'} {endpoint}")


def _extension(seen: Seen) -> Iterator[Line]:
    """A failed extension with its cause; known issues 2 and 3 of the guide end here."""
    for node in seen.azure.nodes:
        extension = node.extension
        if extension is None:
            yield Line("pass", f"{node.name} has no ASR extension yet")
        elif extension.provisioning_state == "Failed":
            host = seen.hosts.get(node.name.lower())
            facts = {"hyperV": host.hyper_v, "registration": host.registration} if host else None
            cause = classify(extension.code, extension.message, facts, seen.site)
            yield Line("fail", f"{node.name}: {cause.code}. {cause.remedy}")
        else:
            yield Line("pass", f"the ASR extension of {node.name} is {extension.provisioning_state}")


def _registered(seen: Seen) -> Iterator[Line]:
    """Known issue 1: an installed node that does not reach the service is not protected, and nothing says so."""
    yield from unseen(seen, "providers")
    hosts = {host.host.split(".")[0].lower(): host for host in (seen.azure.vault.hosts if seen.azure.vault else ())}
    for node in seen.azure.nodes:
        host = hosts.get(node.name.split(".")[0].lower())
        if host is None:
            installed = node.extension is not None
            said = "has the extension, but is not registered" if installed else "is not registered yet"
            yield Line("fail" if installed else "pass", f"{node.name} {said}")
        elif host.connected and host.heartbeat and seen.azure.at - host.heartbeat <= FRESH:
            yield Line("pass", f"{node.name} is registered and connected")
        else:
            yield Line("fail", f"{node.name} is registered, but was last heard of {host.heartbeat or 'never'}")


def endpoints(account: str) -> tuple[str, ...]:
    """URLs that each node must reach, as far as they have fixed names; Site Recovery's own is in a node's registry.

    Args:
        account: Name of the cache storage account, empty when there is none yet.

    Source: hyper-v-azure-architecture, outbound connectivity: *.hypervrecoverymanager.windowsazure.com,
    *.backup.windowsazure.com, *.store.core.windows.net, *.blob.core.windows.net, login.microsoftonline.com.
    """
    cache = (f"https://{account}.blob.core.windows.net",) if account else ()
    return ("https://login.microsoftonline.com", "https://management.azure.com", *cache)


CHECKS = (
    Check(
        "node-connected",
        "The Arc agent of every node is connected",
        _connected,
        "On the node: azcmagent show, azcmagent check; nothing can be installed before it is Connected.",
        ARC + "troubleshoot-agent-onboard",
    ),
    Check(
        "node-agent",
        "The Arc agent of every node takes run commands (1.33 or later)",
        _agent,
        "Upgrade the Azure Connected Machine agent on the node.",
        ARC + "run-command",
    ),
    Check(
        "node-extensions",
        "The Arc agent of every node lets the ASR extension and run commands in",
        _extensions,
        "On the node: azcmagent config set extensions.enabled true; take the names off extensions.blocklist, or put "
        "them on extensions.allowlist.",
        ARC + "security-extensions",
    ),
    Check(
        "node-hyper-v",
        "Hyper-V is set up on every node",
        _hyper_v,
        "Install the Hyper-V role on the node: Install-WindowsFeature -Name Hyper-V -IncludeManagementTools -Restart.",
        GUIDE + "#known-issues",
    ),
    Check(
        "node-other-site",
        "No node is bound to another Hyper-V site",
        _other_site,
        "Unregister the host from the Hyper-V site that it is bound to, or declare that site.",
        GUIDE + "#known-issues",
    ),
    Check(
        "node-application-control",
        "Application Control is not enforced on any node",
        _application_control,
        "Put Application Control into audit mode while the agent is installed.",
        "https://learn.microsoft.com/azure-stack/hci/concepts/security-windows-defender-application-control",
    ),
    Check(
        "node-outbound",
        "Every node reaches the service's endpoints",
        _outbound,
        "Open the firewall or the proxy for https to *.hypervrecoverymanager.windowsazure.com, "
        "*.backup.windowsazure.com, *.store.core.windows.net, *.blob.core.windows.net, login.microsoftonline.com and "
        "management.azure.com.",
        "https://learn.microsoft.com/azure/site-recovery/hyper-v-azure-architecture#set-up-outbound-network-connectivity",
    ),
    Check(
        "node-extension",
        "No node has an ASR extension that failed",
        _extension,
        "Repair the node: POST sites/{{site}}/nodes/{{node}}/repair, or what its cause asks for.",
        GUIDE + "#known-issues",
    ),
    Check(
        "node-registered",
        "Every node with the extension is registered with the vault and connected",
        _registered,
        "Look at the vault's jobs (Recovery Services vault > Jobs > Site Recovery jobs), then repair the node.",
        GUIDE + "#known-issues",
    ),
)
