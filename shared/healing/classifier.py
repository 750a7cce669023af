"""Why the ASR extension of a node failed, from its handler's message and the state of its node."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from shared.healing.registration import NodeRegistration
from shared.site_recovery.views import ProviderView
from shared.sites.node_health import (
    OLDEST_AGENT,
    agent_version_of,
    foreign_values,
    has_fresh_heartbeat,
    is_agent_connected,
    is_extension_moving,
    is_extension_well,
    is_provider_of_site,
    providers_on,
)
from shared.sites.nodes import NodeView
from shared.sites.outbound import is_service_url
from shared.sites.site import SiteDocument

CauseCode = Literal[
    "certificate-race",
    "hyper-v-missing",
    "other-site",
    "vault-rights",
    "application-control",
    "already-registered",
    "service-unreachable",
    "clock-wrong",
    "cause-gone",
    "provider-named-otherwise",
    "resource-lock",
    "agent-blocked",
    "agent-disconnected",
    "agent-outdated",
    "in-transition",
    "extension-missing",
    "not-registered",
    "provider-silent",
    "no-recovery-point",
    "unknown",
]


class Cause(NamedTuple):
    """Why it failed.

    Attributes:
        curable: Uninstalling and installing it again is the documented way out, and this app may take it.
        evidence: What shows it, each short enough for a line.
        remedy: What a person has to do, or what this app does.
    """

    code: CauseCode
    curable: bool
    evidence: tuple[str, ...]
    remedy: str


class _Rule(NamedTuple):
    """What shows a cause in the text.

    Attributes:
        signs: `needs` of them must be there; each stands for a fact of its own, however often the text repeats it.
        against: What shows another reason, so that this one is not it.
    """

    code: CauseCode
    signs: tuple[str, ...]
    needs: int = 1
    against: str = ""


_DENIED = (
    r"\bAuthorizationFailed\b|\bAuthorization_RequestDenied\b|\bForbidden\b|\b403\b|not\s+authori[sz]ed|"
    r"does\s+not\s+have\s+(authorization|permission)|access\s+(is\s+)?denied"
)
_UNREACHABLE = (
    r"\bproxy\s+authentication\b|\(407\)|\b407\b\W{0,3}proxy|proxy[^.]{0,60}?(could\s+not|cannot|can't|fail|refus|denied|error|unreach)|"
    r"(unable|failed|could\s+not|cannot)\s+(to\s+)?(be\s+)?(connect|reach|resolve)|remote\s+name\s+could\s+not\s+be\s+resolved|"
    r"name\s+resolution|no\s+such\s+host|actively\s+refused|connection[^.]{0,60}?(was\s+closed|reset|refused|timed\s+out|aborted)|"
    r"(operation|request|connection)\s+(has\s+)?timed\s+out|\b(SSL|TLS)\b[^.]{0,60}?(secure\s+channel|handshake|fail|error|could\s+not|protocol)|"
    r"(secure\s+channel|handshake)[^.]{0,40}?\b(SSL|TLS)\b|trust\s+relationship\s+for\s+the|untrusted\s+root|"
    r"0x80072EE[27]|0x80072EFD|0x800B0109"
)
_CLOCK = (
    r"clock\s*skew|\bclock\b|(system|local)\s+time\b|time\s+(difference|skew)|not\s+(yet|within\s+its)\s+(valid|validity)|"
    r"0x80072F8F|AADSTS700024|AADSTS500133"
)
_RULES = (
    _Rule("resource-lock", (r"\bScopeLocked\b", r"following scope\(?s?\)? are locked", r"remove the lock")),
    _Rule(
        "agent-blocked",
        (
            r"extensions?[.\s]*(is|are)?[\s\w]*(block|allow)\s*list",
            r"extensions?\s+(are|is)\s+(disabled|blocked)",
            r"extensions[.]enabled\W+false",
        ),
    ),
    _Rule("clock-wrong", (_CLOCK,)),
    _Rule("service-unreachable", (_UNREACHABLE,)),
    _Rule(
        "vault-rights",
        (
            _DENIED,
            r"registration\s+key|vault\s+(credential|key|certificate)|recoveryservices|\bvaults?\b",
        ),
        needs=2,  # a node has many doors that may be shut
    ),
    _Rule(
        "hyper-v-missing",
        (
            r"Hyper-V\s+is\s+not\s+installed",
            r"Hyper-V\s+role\s+is\s+(missing|not)",
            r"no\s+compatible\s+product\s+was\s+found.{0,200}",  # says as well: or the server is a domain controller
        ),
    ),
    _Rule(
        "application-control",
        (
            r"Provider\s+installation\s+has\s+failed\s+with\s+exit\s+code\s*:?\s*[-\u2013\u2212]?\s*1\b",
            r"blocked\s+by\s+(your\s+organi[sz]ation|group\s+policy|an?\s+(windows\s+defender\s+)?application\s+control)",
            r"\bWDAC\b|\bDevice\s*Guard\b|Code\s*Integrity",
        ),
    ),
    _Rule(
        "already-registered",
        (r"already\s+registered\s+with\s+the\s+following\s+identity", r"purge\s+the\s+provider"),
    ),
    _Rule(
        "certificate-race",
        (
            # The handler's exit code, in whatever language, and the script that ended with it: one fact, not two.
            r"\bEnable\b\W{0,6}13\b|RegisterAsr\s*\.\s*ps1|DRConfigurator",
            r"can\W?t\s+be\s+registered\s+due\s+to\s+an\s+internal\s+error",
        ),
        needs=2,  # the first alone says only that a registration failed
        against=_DENIED,
    ),
    _Rule("other-site", (r"\bEnable\b\W{0,6}1\b\W*$",)),  # exit code 1 and not a word more: known issue 2
)
"""In order: what a new installation cannot cure comes first. Texts are those of the vendor's known issues, tolerant of
paths, versions, broken lines and the language around them; resource-lock, agent-blocked, vault-rights,
service-unreachable and clock-wrong are assumed: nobody has published their words."""
_REMEDIES: Mapping[CauseCode, str] = {
    "certificate-race": "Uninstall the extension, run Sync-AzureStackHci on a healthy node, wait for it to come back.",
    "hyper-v-missing": "Install the Hyper-V role on the node; it must not be a domain controller. Then repair again.",
    "other-site": "Unregister the host from the Hyper-V site that it is bound to, or declare that site; see also that "
    "Hyper-V is set up on the node; then repair.",
    "vault-rights": "The cluster's identity may not read the vault, or not yet: a new role takes up to ten minutes. "
    "The app installs again. If that fails too, prepare the site, which assigns the role, or assign it by hand.",
    "application-control": "Put Application Control into audit mode for the installation, then repair again.",
    "service-unreachable": "Let the node reach the service: preflight's node-outbound has the names; see also the "
    "provider's proxy settings. The app looks again by itself, or repair the node.",
    "clock-wrong": "Correct the node's clock (w32tm /resync), then repair again.",
    "cause-gone": "What the extension reported is no longer so: the app uninstalls it and has it installed again.",
    "provider-named-otherwise": "The node is registered with this vault and site, where no provider has its name. "
    "Compare the names of the Arc machine and of the host in the vault; the app removes nothing.",
    "already-registered": "Remove (purge) the host's provider in its vault, then repair again.",
    "resource-lock": "Take the lock off the Arc machine or its resource group, then repair again.",
    "agent-blocked": "Allow the ASR extension in the agent's configuration (azcmagent config), then repair again.",
    "agent-disconnected": "Bring the node's Arc agent back to Connected; nothing can be installed before.",
    "agent-outdated": "Update the node's Arc agent: run commands need version 1.33.",
    "in-transition": "Wait: the extension is being installed or removed. If that lasts, restart the node's Arc agent "
    "(himds, ExtensionService).",
    "extension-missing": "Run Sync-AzureStackHci on a healthy node, or install the extension as on the other nodes.",
    "not-registered": "Uninstall the extension, run Sync-AzureStackHci on a healthy node, wait for it to come back.",
    "provider-silent": "See that the services dra and obengine run on the node, and that it reaches Azure.",
    "no-recovery-point": "See the replication health of the node's machines; resynchronise where the vault says so.",
    "unknown": "Read the extension's message and the node's Provider log (Microsoft-Azure Site Recovery/Provider).",
}
_CURABLE = frozenset({"cause-gone", "certificate-race", "extension-missing", "not-registered", "vault-rights"})
NEEDS_ENDPOINTS: frozenset[str] = frozenset({"service-unreachable", "clock-wrong"})
"""What a node shows when it is made to reach for the service; the answers tell the time as well."""
SHOWN_ON_NODE: frozenset[str] = NEEDS_ENDPOINTS | {
    "hyper-v-missing",
    "other-site",
    "application-control",
    "already-registered",
}
"""What the node itself shows, or its vault: an extension's message may be older than the cure, so they are asked."""
CURED_OUTSIDE = SHOWN_ON_NODE | {"resource-lock"}
"""What a person cures without a sign of it in the extension's state: the timer looks again, at growing pauses."""
CLOCK_TOLERANCE = timedelta(minutes=5)
"""As far as a clock may be out before tokens and certificates do not count (assumed: what Kerberos and Entra allow)."""


def classify_failure(
    code: str, message: str, registration: NodeRegistration | None = None, site: SiteDocument | None = None
) -> Cause:
    """The cause of a failed extension.

    Args:
        code: Of the instance view's status, "" when there is none.
        message: The handler's.
        registration: What the node says of itself, where it was read.
        site: Where the node belongs; only then a wrong registration is found.
    """
    if cause_on_node := _cause_on_node(registration, site):
        return cause_on_node
    stated = _cause_in_text(f"{code}\n{message}")
    if registration is None:
        return stated or _unknown_cause(code, message)
    if stated and not is_disproved(stated, registration):
        return stated._replace(evidence=(*stated.evidence, *_evidence_on_node(stated.code, registration)))
    if obstacle := _obstacle_on_node(registration):
        return obstacle
    if stated:  # the message says it, and the node shows otherwise
        return cause_of("unknown", *stated.evidence)
    return _unknown_cause(code, message)


def _unknown_cause(code: str, message: str) -> Cause:
    return cause_of("unknown", *(line for line in (code, message[:200]) if line))


def is_disproved(stated: Cause, registration: NodeRegistration) -> bool:
    """Whether the node shows that what the extension's message says is not so, or no longer so.

    Another site is found by what the node's registry says; here it is known to say nothing of one. That the service can
    be reached is known only where its own URL was tried, and nothing that was tried is missed.
    """
    match stated.code:
        case "hyper-v-missing":
            return registration.hyper_v is True
        case "application-control":
            return registration.application_control in {"Off", "Audit"}
        case "other-site":
            return registration.hyper_v is True
        case "service-unreachable":
            return not registration.missed and any(map(is_service_url, registration.reached))
        case "clock-wrong":
            return registration.clock_offset is not None and not _is_clock_out(registration)
    return False


def find_cured_cause(
    stated: Cause,
    registration: NodeRegistration,
    site: SiteDocument,
    in_vault: Sequence[ProviderView] | None = None,
    is_asked_by_person: bool = False,
) -> Cause | None:
    """That a cause is gone; None where it is not, where nothing shows that, or where the node shows another one.

    Args:
        stated: What the extension's message, or the Activity Log, still says.
        in_vault: The providers of the host in the site's vault; None where they were not read.
        is_asked_by_person: Somebody says that it is cured: enough where Site Recovery's own URL is known to no node.
    """
    if _cause_on_node(registration, site) or _obstacle_on_node(registration):
        return None
    if stated.code == "already-registered":
        is_gone, where = in_vault is not None and not in_vault, "in the vault"
    else:
        is_trusted = is_asked_by_person and stated.code == "service-unreachable" and bool(registration.reached)
        is_gone, where = is_trusted or is_disproved(stated, registration), "on the node"
    reported = f"{stated.code} is reported, and is not so {where}"
    return cause_of("cause-gone", reported, *stated.evidence) if is_gone else None


def may_be_cured(site: SiteDocument, node: NodeView, cause: Cause, providers: Iterable[ProviderView]) -> bool:
    """Whether a look at the node may show that a cause is gone; not where its vault shows that it is still there."""
    on_node = providers_on(node.host, providers)
    if cause.code == "already-registered" and on_node:
        return False
    return cause.code in SHOWN_ON_NODE and not registrations_elsewhere(site, node, on_node)


def _evidence_on_node(code: CauseCode, registration: NodeRegistration) -> tuple[str, ...]:
    """What the node shows of one of these causes, a line each."""
    if code == "service-unreachable":
        return tuple(f"the node does not reach {url}" for url in registration.missed)
    if code == "clock-wrong" and _is_clock_out(registration):
        return (f"the node's clock is {describe_offset(registration.clock_offset)}",)
    return ()


def describe_offset(offset: timedelta | None) -> str:
    """How far a clock is out, in words."""
    seconds = round((offset or timedelta()).total_seconds())
    return f"{timedelta(seconds=abs(seconds))} {'ahead' if seconds > 0 else 'behind'}"


def _is_clock_out(registration: NodeRegistration) -> bool:
    return registration.clock_offset is not None and abs(registration.clock_offset) > CLOCK_TOLERANCE


def _obstacle_on_node(registration: NodeRegistration) -> Cause | None:
    """What the node shows that keeps an installation from succeeding; it explains only what no message does."""
    if registration.application_control == "Enforced":
        return cause_of("application-control", "Application Control is enforced on the node")
    shown: tuple[CauseCode, ...] = ("service-unreachable", "clock-wrong")
    for code in shown:
        if evidence := _evidence_on_node(code, registration):
            return cause_of(code, *evidence)
    return None


def classify_node(
    node: NodeView, registration: NodeRegistration | None = None, site: SiteDocument | None = None
) -> Cause:
    """The cause of a node that is not well, as Azure shows it; an agent that takes no extension comes first."""
    extension = node.extension
    if agent_cause := _agent_cause(node):
        return agent_cause
    if extension and is_extension_moving(extension):
        return cause_of("in-transition", f"{extension.name} is {extension.provisioning_state}")
    if extension is None:
        missing = cause_of("extension-missing", f"{node.name} has no ASR extension")
        return _cause_on_node(registration, site) or missing
    return classify_failure(extension.code, extension.message, registration, site)


def find_cause(
    site: SiteDocument,
    node: NodeView,
    providers: Iterable[ProviderView],
    at: datetime,
    registration: NodeRegistration | None = None,
) -> Cause | None:
    """What is wrong with a node, None when nothing is.

    Args:
        providers: Those of the site, and of other sites of its vault.
        at: By the same clock as the heartbeats.
    """
    on_node = providers_on(node.host, providers)
    in_this_site = [provider for provider in on_node if is_provider_of_site(provider, site)]
    if not is_extension_well(node.extension) or not is_agent_connected(node):
        elsewhere = registrations_elsewhere(site, node, on_node)
        cause = classify_node(node, registration, site)
        if elsewhere and cause.code in {"unknown", "other-site", "certificate-race"}:
            return cause_of("other-site", *elsewhere)
        return cause
    if cause_on_node := _cause_on_node(registration, site):
        return cause_on_node
    if not in_this_site:
        return cause_of("not-registered", f"the vault has no provider of {node.name}")
    if any(has_fresh_heartbeat(provider, at) for provider in in_this_site):
        return None
    silences = (
        f"{provider.host} is {'connected' if provider.connected else 'not connected'}, "
        f"last heartbeat: {provider.heartbeat.isoformat() if provider.heartbeat else 'never'}"
        for provider in in_this_site
    )
    return cause_of("provider-silent", *silences)


def registrations_elsewhere(site: SiteDocument, node: NodeView, providers: Iterable[ProviderView]) -> tuple[str, ...]:
    """Where else the vault has the node, a line each; nothing where the node's site has it as well."""
    on_node = providers_on(node.host, providers)
    if any(is_provider_of_site(provider, site) for provider in on_node):
        return ()
    return tuple(f"{node.name} is registered with {'/'.join(provider.sites)}" for provider in on_node)


def _agent_cause(node: NodeView) -> Cause | None:
    if not is_agent_connected(node):
        return cause_of("agent-disconnected", f"{node.name} is {node.status}")
    version = agent_version_of(node.agent_version)
    if version and version < OLDEST_AGENT:
        return cause_of("agent-outdated", f"{node.name} has agent {node.agent_version}")
    return cause_of("agent-blocked", node.blocked) if node.blocked else None


def cause_of(code: CauseCode, *evidence: str) -> Cause:
    """A cause that was found out otherwise, with its remedy."""
    return Cause(code, code in _CURABLE, evidence, _REMEDIES[code])


def _cause_in_text(text: str) -> Cause | None:
    flat = re.sub(r"\s+", " ", text.replace("\\n", " ").replace("\u2019", "'"))
    for rule in _RULES:
        found = [match.group(0) for sign in rule.signs if (match := re.search(sign, flat, re.IGNORECASE))]
        if len(found) >= rule.needs and not (rule.against and re.search(rule.against, flat, re.IGNORECASE)):
            return cause_of(rule.code, *found)
    return None


def _cause_on_node(registration: NodeRegistration | None, site: SiteDocument | None) -> Cause | None:
    if registration is None:
        return None
    if registration.hyper_v is False:
        return cause_of("hyper-v-missing", "the Hyper-V role is not installed on the node")
    wanted = {"ResourceName": site.vault_name, "SiteName": site.hyper_v_site} if site else {}
    if differing := foreign_values(registration.registry, wanted):
        return cause_of("other-site", *differing)
    return None
