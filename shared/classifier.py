"""Why the ASR extension of a node failed, from what its handler said and what its node looks like."""

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from shared.messages import NodeView
from shared.sites import SiteDocument

Code = Literal[
    "certificate-race",
    "hyper-v-missing",
    "other-site",
    "application-control",
    "already-registered",
    "resource-lock",
    "agent-blocked",
    "agent-disconnected",
    "in-transition",
    "unknown",
]


class Cause(NamedTuple):
    """Why it failed.

    Attributes:
        curable: Uninstalling and installing it again is the documented way out, and this app may take it.
        evidence: What was seen that says so, each short enough for a line.
        remedy: What a person has to do, or what this app does.
    """

    code: Code
    curable: bool
    evidence: tuple[str, ...]
    remedy: str


class _Rule(NamedTuple):
    """Signs of a cause in the text; `needs` of them must be there."""

    code: Code
    signs: tuple[str, ...]
    needs: int = 1


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
    _Rule("hyper-v-missing", (r"Hyper-V\s+is\s+not\s+installed", r"Hyper-V\s+role\s+is\s+(missing|not)")),
    _Rule(
        "application-control",
        (
            r"Provider\s+installation\s+has\s+failed\s+with\s+exit\s+code\s*:?\s*[-\u2013\u2212]\s*1\b",
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
            r"\bEnable\b\W{0,6}13\b",  # the handler's exit code; the words around it come in the node's language
            r"RegisterAsr\s*\.\s*ps1|DRConfigurator",
            r"can\W?t\s+be\s+registered\s+due\s+to\s+an\s+internal\s+error",
        ),
        needs=2,  # one alone says only that a registration failed, not that it was this one
    ),
)
"""In order: what a new installation cannot cure comes first. Texts are those of the vendor's known issues, tolerant of
paths, versions, broken lines and the language around them; resource-lock and agent-blocked are assumed."""

_REMEDIES: Mapping[Code, str] = {
    "certificate-race": "Uninstall the extension, run Sync-AzureStackHci on a healthy node, wait for it to come back.",
    "hyper-v-missing": "Install the Hyper-V role on the node, then repair again.",
    "other-site": "Unregister the host from the Hyper-V site that it is bound to, or declare that site; then repair.",
    "application-control": "Put Application Control into audit mode for the installation, then repair again.",
    "already-registered": "Remove (purge) the host's provider in its vault, then repair again.",
    "resource-lock": "Take the lock off the Arc machine or its resource group, then repair again.",
    "agent-blocked": "Allow the ASR extension in the agent's configuration (azcmagent config), then repair again.",
    "agent-disconnected": "Bring the node's Arc agent back to Connected; nothing can be installed before.",
    "in-transition": "Wait: the extension is being installed or removed.",
    "unknown": "Read the extension's message and the node's Provider log (Microsoft-Azure Site Recovery/Provider).",
}

_MOVING = frozenset({"creating", "updating", "deleting"})


def classify(
    code: str, message: str, facts: Mapping[str, Any] | None = None, site: SiteDocument | None = None
) -> Cause:
    """The cause of a failed extension.

    Args:
        code: Of the instance view's status, "" when there is none.
        message: What the handler said.
        facts: What read-registration found on the node, when it was run.
        site: Where the node belongs; only then a wrong registration is seen.
    """
    if facts and (seen := _from_facts(facts, site)):
        return seen
    if said := _from_text(f"{code}\n{message}"):
        return said
    if facts and facts.get("applicationControl") == "Enforced":
        return _cause("application-control", "Application Control is enforced on the node")
    return _cause("unknown", *(line for line in (code, message[:200]) if line))


def classify_node(node: NodeView, facts: Mapping[str, Any] | None = None, site: SiteDocument | None = None) -> Cause:
    """The same for a node as Azure shows it: an agent that is away, and an extension on its way, come first."""
    extension = node.extension
    if node.status.lower() != "connected":
        return _cause("agent-disconnected", f"{node.name} is {node.status}")
    if extension and extension.provisioning_state.lower() in _MOVING:
        return _cause("in-transition", f"{extension.name} is {extension.provisioning_state}")
    return classify(extension.code if extension else "", extension.message if extension else "", facts, site)


def _cause(code: Code, *evidence: str) -> Cause:
    return Cause(code, code == "certificate-race", evidence, _REMEDIES[code])


def _from_text(text: str) -> Cause | None:
    flat = re.sub(r"\s+", " ", text.replace("\\n", " ").replace("\u2019", "'"))
    for rule in _RULES:
        found = [match.group(0) for sign in rule.signs if (match := re.search(sign, flat, re.IGNORECASE))]
        if len(found) >= rule.needs:
            return _cause(rule.code, *found)
    return None


def _from_facts(facts: Mapping[str, Any], site: SiteDocument | None) -> Cause | None:
    if facts.get("hyperV") is False:
        return _cause("hyper-v-missing", "the Hyper-V role is not installed on the node")
    registration = facts.get("registration")
    if site and isinstance(registration, Mapping) and (strange := _elsewhere(registration, site)):
        return _cause("other-site", *strange)
    return None


def _elsewhere(registration: Mapping[str, Any], site: SiteDocument) -> tuple[str, ...]:
    """What the node's registry names instead of the site's own vault and Hyper-V site."""
    known = {str(name).lower(): str(value) for name, value in registration.items()}
    wanted = {"ResourceName": site.vault_name, "SiteName": site.hyper_v_site}
    bound = ((name, known.get(name.lower(), ""), ours) for name, ours in wanted.items())
    return tuple(
        f"{name} is {theirs}, not {ours}" for name, theirs, ours in bound if theirs.lower() not in {"", ours.lower()}
    )
