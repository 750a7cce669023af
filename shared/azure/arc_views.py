"""What Azure says of a cluster's Arc machines and their ASR extension, as far as decisions need it."""

from collections.abc import Iterable
from typing import Any

from shared.azure.json_fields import Json, message_of, object_at, text_of
from shared.onboarding.preflight.facts import NodeFacts
from shared.sites.nodes import ExtensionView, NodeView

EXTENSION_PUBLISHER, EXTENSION_TYPE = "Microsoft.SiteRecovery.Dra", "Windows"
NEEDED_EXTENSIONS = (f"{EXTENSION_PUBLISHER}/{EXTENSION_TYPE}".lower(), "microsoft.cplat.core/runcommandhandlerwindows")
"""What the agent must not block: the ASR extension, and run commands."""
ARC_VM = "hci"
"""Kind of an Arc machine that Azure Local manages; a node names its cluster besides (assumed)."""


def cluster_of(machine: Json) -> str:
    """ARM id of the cluster that a machine is a node of, empty for other machines.

    Source: parentClusterResourceId of the Arc machine; its machines may be in another resource group than the cluster.
    """
    return text_of(object_at(machine, "properties").get("parentClusterResourceId"))


def is_arc_vm(machine: Json) -> bool:
    """Whether the machine is a VM that Azure Local manages, which Site Recovery does not take."""
    return text_of(machine.get("kind")).lower() == ARC_VM and not cluster_of(machine)


def node_view(machine: Json, extensions: Iterable[Json]) -> NodeView:
    """Read a node, with its ASR extension among its extensions."""
    properties = object_at(machine, "properties")
    return NodeView(
        id=machine["id"],
        name=text_of(machine.get("name")),
        host_name=text_of(object_at(properties, "osProfile").get("computerName")),
        cluster_id=cluster_of(machine),
        status=text_of(properties.get("status")),
        agent_version=text_of(properties.get("agentVersion")),
        location=text_of(machine.get("location")),
        blocked=blocked_by_agent(object_at(properties, "agentConfiguration")),
        extension=next((extension_view(one) for one in extensions if is_site_recovery(one)), None),
    )


def is_site_recovery(extension: Json) -> bool:
    """Whether an extension of a node is Site Recovery's, by its publisher and type, whatever its name."""
    properties = object_at(extension, "properties")
    publisher_and_type = (text_of(properties.get("publisher")).lower(), text_of(properties.get("type")).lower())
    return publisher_and_type == (EXTENSION_PUBLISHER.lower(), EXTENSION_TYPE.lower())


def extension_view(extension: Json) -> ExtensionView:
    """Read an extension; its handler's words stand in the instance view, not in the provisioning state."""
    properties = object_at(extension, "properties")
    status = object_at(properties, "instanceView", "status")
    return ExtensionView(
        id=extension["id"],
        name=text_of(extension.get("name")),
        provisioning_state=text_of(properties.get("provisioningState")),
        code=text_of(status.get("code")),
        message=message_of(status.get("message")),
        version=text_of(properties.get("typeHandlerVersion")),
        location=text_of(extension.get("location")),
        enable_automatic_upgrade=properties.get("enableAutomaticUpgrade") is not False,
        settings=dict(object_at(properties, "settings")),
    )


def blocked_by_agent(agent: Json) -> str:
    """What the agent's own configuration forbids of that which a repair needs, empty when nothing."""
    if text_of(agent.get("extensionsEnabled")).lower() == "false":
        return "extensions.enabled is false"
    blocked = {name.lower() for name in extension_names(agent.get("extensionsBlockList"))}
    allowed = {name.lower() for name in extension_names(agent.get("extensionsAllowList"))}
    for name in NEEDED_EXTENSIONS:
        if name in blocked:
            return f"{name} is on extensions.blocklist"
        if allowed and name not in allowed:
            return f"{name} is not on extensions.allowlist"
    return ""


def node_facts(machine: Json, extension: ExtensionView | None) -> NodeFacts:
    """Read a node for the preflight."""
    properties = object_at(machine, "properties")
    agent = object_at(properties, "agentConfiguration")
    return NodeFacts(
        id=machine["id"],
        name=text_of(machine.get("name")),
        host_name=text_of(object_at(properties, "osProfile").get("computerName")),
        status=text_of(properties.get("status")),
        agent_version=text_of(properties.get("agentVersion")),
        os_version=text_of(properties.get("osVersion")),
        extensions_enabled=text_of(agent.get("extensionsEnabled")).lower() != "false",
        allow=extension_names(agent.get("extensionsAllowList")),
        block=extension_names(agent.get("extensionsBlockList")),
        mode=text_of(agent.get("configMode")) or "full",
        extension=extension,
    )


def extension_names(names: Any) -> tuple[str, ...]:
    """Entries are objects with publisher and type in some versions of the API, "publisher/type" in others."""
    return tuple(n if isinstance(n, str) else f"{n.get('publisher')}/{n.get('type')}" for n in names or ())
