"""Checks of the nodes: their agent, Hyper-V, what they are bound to, what may keep the extension out."""

from collections.abc import Iterator, Sequence

from shared.healing.classifier import Cause, classify_failure, find_cured_cause
from shared.healing.registration import NodeRegistration
from shared.onboarding.preflight.check import GUIDE, Check, CheckLine, unread_lines
from shared.onboarding.preflight.facts import HostFacts, NodeFacts, SiteFacts
from shared.site_recovery.views import ProviderView
from shared.sites.node_health import (
    OLDEST_AGENT,
    agent_version_of,
    has_fresh_heartbeat,
    is_agent_connected,
    providers_on,
)
from shared.sites.nodes import ExtensionView
from shared.sites.site import SiteDocument

NEEDED_EXTENSIONS = {
    "microsoft.siterecovery.dra/windows": "the ASR extension",
    "microsoft.cplat.core/runcommandhandlerwindows": "",
}
ARC = "https://learn.microsoft.com/azure/azure-arc/servers/"


def check_connection(facts: SiteFacts) -> Iterator[CheckLine]:
    yield from unread_lines(facts, "nodes")
    for node in facts.azure.nodes:
        yield CheckLine.judge(is_agent_connected(node), f"{node.name} is {node.status}")


def check_agent(facts: SiteFacts) -> Iterator[CheckLine]:
    for node in facts.azure.nodes:
        version = agent_version_of(node.agent_version)
        if version is None:
            yield CheckLine("unknown", f"Azure shows no agent version of {node.name}")
        else:
            yield CheckLine.judge(version >= OLDEST_AGENT, f"{node.name} has agent {node.agent_version}")


def check_extension_lists(facts: SiteFacts) -> Iterator[CheckLine]:
    for node in facts.azure.nodes:
        held = list(_blocked_extensions(node))
        yield from held or [CheckLine("pass", f"{node.name} accepts extensions")]


def _blocked_extensions(node: NodeFacts) -> Iterator[CheckLine]:
    if not node.extensions_enabled or node.mode.lower() == "monitor":
        yield CheckLine("fail", f"the agent of {node.name} accepts no extensions")
    allow, block = {name.lower() for name in node.allow}, {name.lower() for name in node.block}
    for name in NEEDED_EXTENSIONS:
        if name in block or (allow and name not in allow):
            yield CheckLine("fail", f"the agent of {node.name} blocks {name}")


def check_hyper_v(facts: SiteFacts) -> Iterator[CheckLine]:
    yield from _unread_nodes(facts)
    for host in facts.hosts.values():
        yield CheckLine.judge(host.hyper_v, f"Hyper-V is {'' if host.hyper_v else 'not '}on {host.node}")


def _unread_nodes(facts: SiteFacts) -> Iterator[CheckLine]:
    for node, why in facts.unread_nodes.items():
        yield CheckLine("unknown", f"{node} could not be read: {why}")


def check_other_site(facts: SiteFacts) -> Iterator[CheckLine]:
    yield from _unread_nodes(facts)
    for host in facts.hosts.values():
        bound = NodeRegistration(hyper_v=True, registry=host.registration or {})
        cause = classify_failure("", "", bound, facts.site)
        if cause.code == "other-site":
            yield CheckLine("fail", f"{host.node}: {'; '.join(cause.evidence)}")
        else:
            yield CheckLine(
                "pass", f"{host.node} is {'registered here' if host.registration else 'not registered yet'}"
            )


def check_application_control(facts: SiteFacts) -> Iterator[CheckLine]:
    yield from _unread_nodes(facts)
    for host in facts.hosts.values():
        detail = f"Application Control on {host.node}: {host.application_control}"
        yield CheckLine.judge(host.application_control != "Enforced", detail)


def check_outbound(facts: SiteFacts) -> Iterator[CheckLine]:
    yield from _unread_nodes(facts)
    for host in facts.hosts.values():
        for endpoint, reached in host.reached.items():
            yield CheckLine.judge(reached, f"{host.node} {'reaches' if reached else 'misses'} {endpoint}")


def check_extension(facts: SiteFacts) -> Iterator[CheckLine]:
    """A failed extension with its cause; known issues 2 and 3 of the guide end here."""
    for node in facts.azure.nodes:
        extension = node.extension
        if extension is None:
            yield CheckLine("pass", f"{node.name} has no ASR extension yet")
        elif extension.provisioning_state == "Failed":
            host = facts.hosts.get(node.name.lower())
            in_vault = providers_on(node.host, facts.azure.vault.hosts) if facts.azure.vault else None
            cause = _failed_extension_cause(extension, host, facts.site, in_vault)
            yield CheckLine("fail", f"{node.name}: {cause.code}. {cause.remedy}")
        else:
            yield CheckLine("pass", f"the ASR extension of {node.name} is {extension.provisioning_state}")


def _failed_extension_cause(
    extension: ExtensionView, host: HostFacts | None, site: SiteDocument, in_vault: Sequence[ProviderView] | None
) -> Cause:
    stated = classify_failure(extension.code, extension.message)
    if host is None:
        return stated
    shown = NodeRegistration(
        hyper_v=host.hyper_v,
        registry=host.registration or {},
        application_control=host.application_control,
        reached=host.reached,
    )
    cured = find_cured_cause(stated, shown, site, in_vault)
    return cured or classify_failure(extension.code, extension.message, shown, site)


def check_registration(facts: SiteFacts) -> Iterator[CheckLine]:
    """Known issue 1: an installed node that does not reach the service is not protected, and nothing says so."""
    yield from unread_lines(facts, "providers")
    for node in facts.azure.nodes:
        providers = providers_on(node.host, facts.azure.vault.hosts if facts.azure.vault else ())
        if not providers:
            installed = node.extension is not None
            detail = "has the extension, but is not registered" if installed else "is not registered yet"
            yield CheckLine.judge(not installed, f"{node.name} {detail}")
        elif any(has_fresh_heartbeat(provider, facts.azure.at) for provider in providers):
            yield CheckLine("pass", f"{node.name} is registered and connected")
        else:
            last = max((provider.heartbeat for provider in providers if provider.heartbeat), default=None)
            yield CheckLine("fail", f"{node.name} is registered, but its last heartbeat was: {last or 'never'}")


CHECKS = (
    Check(
        "node-connected",
        "The Arc agent of every node is connected",
        check_connection,
        "On the node: azcmagent show, azcmagent check; nothing can be installed before it is Connected.",
        ARC + "troubleshoot-agent-onboard",
    ),
    Check(
        "node-agent",
        "The Arc agent of every node takes run commands (1.33 or later)",
        check_agent,
        "Upgrade the Azure Connected Machine agent on the node.",
        ARC + "run-command",
    ),
    Check(
        "node-extensions",
        "The Arc agent of every node allows the ASR extension and run commands",
        check_extension_lists,
        "On the node: azcmagent config set extensions.enabled true; take the names off extensions.blocklist, or put "
        "them on extensions.allowlist.",
        ARC + "security-extensions",
    ),
    Check(
        "node-hyper-v",
        "Hyper-V is set up on every node",
        check_hyper_v,
        "Install the Hyper-V role on the node: Install-WindowsFeature -Name Hyper-V -IncludeManagementTools -Restart.",
        GUIDE + "#known-issues",
    ),
    Check(
        "node-other-site",
        "No node is bound to another Hyper-V site",
        check_other_site,
        "Unregister the host from the Hyper-V site that it is bound to, or declare that site.",
        GUIDE + "#known-issues",
    ),
    Check(
        "node-application-control",
        "Application Control is not enforced on any node",
        check_application_control,
        "Put Application Control into audit mode while the agent is installed.",
        "https://learn.microsoft.com/azure-stack/hci/concepts/security-windows-defender-application-control",
    ),
    Check(
        "node-outbound",
        "Every node reaches the service's endpoints",
        check_outbound,
        "Open the firewall or the proxy for https to *.hypervrecoverymanager.windowsazure.com, "
        "*.backup.windowsazure.com, *.store.core.windows.net, *.blob.core.windows.net, login.microsoftonline.com and "
        "management.azure.com.",
        "https://learn.microsoft.com/azure/site-recovery/hyper-v-azure-architecture#set-up-outbound-network-connectivity",
    ),
    Check(
        "node-extension",
        "No node has an ASR extension that failed",
        check_extension,
        "Repair the node: POST sites/{{site}}/nodes/{{node}}/repair, or what its cause asks for.",
        GUIDE + "#known-issues",
    ),
    Check(
        "node-registered",
        "Every node with the extension is registered with the vault and connected",
        check_registration,
        "Look at the vault's jobs (Recovery Services vault > Jobs > Site Recovery jobs), then repair the node.",
        GUIDE + "#known-issues",
    ),
)
