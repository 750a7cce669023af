"""The cure of a node: examine it, save and uninstall its extension, and have it installed again.

1. Examine: read the node's registration; a cause that only shows there stops the cure before anything is removed,
   and so does a node that could not be read. A cause that the extension reports and the node no longer has is gone.
   For a service that was not reached, or a wrong clock, the node tries what a registered neighbour reaches.
2. Save the extension's settings where they outlive this run, and uninstall it.
3. Run Sync-AzureStackHci on a healthy node, which brings the extension back; not where it would install on two nodes.
4. Where it did not come back, install it from what was saved.
5. Anything but Succeeded is a failure.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from orchestrators.durable.node_scripts import run_script
from orchestrators.durable.steps import Context, Steps, call_patiently, now, sleep
from orchestrators.healing.look import NodeDiagnosis, wait_for_node
from orchestrators.healing.node_records import ask_node_record
from orchestrators.healing.progress import ProgressTracker
from shared.errors import Refused, SiteRecoveryError, Transient
from shared.healing.classifier import NEEDS_ENDPOINTS, cause_of, classify_failure, find_cured_cause
from shared.healing.contract import (
    CREATE_EXTENSION,
    REMOVE_EXTENSION,
    CreateExtension,
    RemoveExtension,
    RunScript,
    ScriptName,
)
from shared.healing.pacing import BACK_WITHIN, GONE_WITHIN, TAKEN_WITHIN
from shared.healing.proof import choose_helper, extension_to_install, is_registered_here, may_run_sync
from shared.healing.registration import NodeRegistration, read_registration_output
from shared.healing.repair import NeedsPerson, Repair, RepairFacts
from shared.sites.node_health import extension_state, is_extension_settled, is_extension_well, providers_on
from shared.sites.nodes import ExtensionView, NodeView
from shared.sites.outbound import REGISTRATION_ENDPOINTS, is_service_url
from shared.sites.site import SiteDocument

OUTPUT_KEPT = 500
"""How much of a script's output is kept with the run, in characters, counted from its end."""


class CuredNode(NamedTuple):
    """A node that may be cured.

    Attributes:
        nodes: All nodes of its cluster.
        registration: What it said of itself before.
    """

    node: NodeView
    nodes: Sequence[NodeView]
    registration: NodeRegistration


def repair_script(
    order: Repair, node: NodeView, script: ScriptName, mark: str, parameters: dict[str, str] | None = None
) -> RunScript:
    """The run command of a repair's script.

    Args:
        mark: Makes the run command's name unique within the repair.
    """
    return RunScript(
        machine_id=node.id,
        name=f"{order.id}-{mark}",
        script=script,
        operation=order.id,
        parameters=parameters or {},
    )


def examine_node(
    ctx: Context,
    order: Repair,
    site: SiteDocument,
    diagnosis: NodeDiagnosis,
    nodes: Sequence[NodeView],
    tracker: ProgressTracker,
) -> Steps[NodeRegistration]:
    """Look inside before anything is removed: the extension's message may not say all, and a reboot may be fresh.

    Raises:
        NeedsPerson: the app cannot cure what was found, or what was known before.
        Refused: the node could not be read.
    """
    node = diagnosis.node
    tracker.enter_phase("Examine", f"the registry and services of {node.name}")
    parameters = {}
    if diagnosis.cause.code in NEEDS_ENDPOINTS:
        parameters["Endpoints"] = ",".join((yield from _find_needed_endpoints(ctx, order, node, nodes)))
    script_view = yield from run_script(ctx, repair_script(order, node, "read-registration", "examine", parameters))
    registration = read_registration_output(script_view.result)
    if registration is None:
        unread = f"{script_view.state} {script_view.error[-OUTPUT_KEPT:]}".strip()
        tracker.note_facts(RepairFacts(unread=unread))
        detail = f"The registration of {node.name} could not be read, so nothing was removed: {unread}."
        raise Refused("node-not-read", f"{detail} See the run commands of its Arc machine.")
    _require_curable(order, diagnosis, registration, site, tracker)
    if registration.last_boot:
        left_alone_until = registration.last_boot + site.healing_rules.reboot_grace
        yield from leave_alone_until(ctx, node, left_alone_until, tracker)
    return registration


def _find_needed_endpoints(
    ctx: Context, order: Repair, node: NodeView, nodes: Sequence[NodeView]
) -> Steps[tuple[str, ...]]:
    """What a registration needs: Site Recovery's own URL as a registered neighbour knows it, and of the fixed names
    those that the neighbour does not miss, for it is registered without them.
    """
    neighbour = choose_helper(nodes, node.name)
    if neighbour is None or neighbour.id == node.id or not is_extension_well(neighbour.extension):
        return REGISTRATION_ENDPOINTS
    parameters = {"Endpoints": ",".join(REGISTRATION_ENDPOINTS)}
    try:
        script = repair_script(order, neighbour, "read-registration", "neighbour", parameters)
        answer = read_registration_output((yield from run_script(ctx, script)).result)
    except SiteRecoveryError:
        answer = None  # what is not known of the service keeps its cause from being called gone
    if answer is None or not is_service_url(answer.registry.get("SRSUri", "")):
        return REGISTRATION_ENDPOINTS
    needed = [url for url in REGISTRATION_ENDPOINTS if url not in answer.missed]
    return (*needed, answer.registry["SRSUri"])


def leave_alone_until(ctx: Context, node: NodeView, until: datetime, tracker: ProgressTracker) -> Steps[None]:
    """Give a node that has just booted time to register by itself."""
    if until > now(ctx):
        tracker.enter_phase("Reboot grace", f"{node.name} to have been up until {until.isoformat()}")
        yield from sleep(ctx, until - now(ctx))


def _require_curable(
    order: Repair,
    diagnosis: NodeDiagnosis,
    registration: NodeRegistration,
    site: SiteDocument,
    tracker: ProgressTracker,
) -> None:
    node, cause = diagnosis.node, diagnosis.cause
    in_vault = providers_on(node.host, diagnosis.providers)
    if cause_gone := find_cured_cause(cause, registration, site, in_vault, order.is_asked_by_person):
        tracker.note_cause(cause_gone)
        return
    if cause.code == "not-registered" and is_registered_here(site, node, registration):
        raise NeedsPerson(cause_of("provider-named-otherwise", *cause.evidence))
    extension = node.extension or ExtensionView(id="", name="", provisioning_state="")
    inner_cause = classify_failure(extension.code, extension.message, registration, site)
    if inner_cause.code != "unknown" and not inner_cause.curable:
        tracker.note_cause(inner_cause)
        raise NeedsPerson(inner_cause)
    if not cause.curable:
        raise NeedsPerson(cause)


def reinstall_extension(
    ctx: Context,
    order: Repair,
    site: SiteDocument,
    cluster: CuredNode,
    tracker: ProgressTracker,
) -> Steps[None]:
    """Uninstall the extension, and have it installed again.

    Raises:
        NeedsPerson, Refused: it did not go, did not come back, or failed again.
        Transient: Azure did not answer for too long.
    """
    node, nodes, registration = cluster
    saved = yield from _save_extension(ctx, order, node, nodes)
    yield from _uninstall_extension(ctx, order, node, tracker)
    tracker.mark_changed()
    tracker.mark_cured()
    back = None
    if (yield from _sync_cluster(ctx, order, site, node, nodes, tracker)):
        tracker.enter_phase("Install", f"the ASR extension to come back on {node.name}")
        back = (yield from wait_for_node(ctx, node.id, is_extension_settled, BACK_WITHIN)).extension
    if back is None:  # Sync does not bring every extension back
        back = yield from _install_saved(ctx, order, node, saved, tracker)
    tracker.note_facts(RepairFacts(extension=extension_state(back)))
    _require_well(site, node, back, registration)


def _uninstall_extension(ctx: Context, order: Repair, node: NodeView, tracker: ProgressTracker) -> Steps[None]:
    if node.extension is None:
        return
    tracker.enter_phase("Uninstall", f"the ASR extension to leave {node.name}")
    try:
        removal = RemoveExtension(extension_id=node.extension.id, operation=order.id)
        yield from call_patiently(ctx, REMOVE_EXTENSION, removal, TAKEN_WITHIN)
    except Transient:
        tracker.mark_changed()  # only the answer may be lost
        raise
    tracker.mark_changed()
    remaining = yield from wait_for_node(ctx, node.id, lambda found: found is None, GONE_WITHIN)
    if remaining.extension is not None:
        detail = f"The ASR extension is still on {node.name} {GONE_WITHIN} after it was to be uninstalled."
        raise Refused("not-uninstalled", detail)


def _install_saved(
    ctx: Context, order: Repair, node: NodeView, saved: ExtensionView | None, tracker: ProgressTracker
) -> Steps[ExtensionView | None]:
    if saved is None:
        detail = f"Sync-AzureStackHci brought no extension to {node.name}, and no node has settings to copy."
        raise Refused("no-settings", detail)
    tracker.enter_phase("Re-create", f"the ASR extension to be installed on {node.name}")
    installation = CreateExtension(machine_id=node.id, operation=order.id, saved=saved)
    yield from call_patiently(ctx, CREATE_EXTENSION, installation, TAKEN_WITHIN)
    return (yield from wait_for_node(ctx, node.id, is_extension_settled, BACK_WITHIN)).extension


def _save_extension(
    ctx: Context, order: Repair, node: NodeView, nodes: Sequence[NodeView]
) -> Steps[ExtensionView | None]:
    """Keep the settings where they outlive this run; those of an earlier run that got no further are found there."""
    kept = node.extension or extension_to_install(nodes, None)
    if kept is None:
        return None
    answer = yield from ask_node_record(ctx, order.machine_id, "save_extension", kept)
    return extension_to_install(nodes, answer.record.saved)


def _sync_cluster(
    ctx: Context, order: Repair, site: SiteDocument, node: NodeView, nodes: Sequence[NodeView], tracker: ProgressTracker
) -> Steps[bool]:
    """Run Sync-AzureStackHci on a healthy node; False where it must not run, or did not succeed."""
    helper = choose_helper(nodes, node.name)
    if helper is None or not may_run_sync(nodes, node.name):
        reason = "not run: it would install on several nodes at once, or no node of the cluster can run it"
        tracker.note_facts(RepairFacts(sync=reason))
        return False
    tracker.enter_phase("Sync", f"Sync-AzureStackHci on {helper.name}")
    grace = str(int(site.healing_rules.reboot_grace.total_seconds()))
    script = repair_script(order, helper, "sync-cluster", "sync", {"MinimumUptime": grace})
    try:
        view = yield from run_script(ctx, script)
    except SiteRecoveryError as failure:  # the node is without its extension: it is installed from what was saved
        tracker.note_facts(RepairFacts(sync=f"{helper.name}: not run: {failure}"))
        return False
    output = (view.error or json.dumps(view.result or {}))[-OUTPUT_KEPT:].strip()
    tracker.note_facts(RepairFacts(sync=f"{helper.name}: {view.state} {output}"))
    synchronised = (view.result or {}).get("synchronised") is True
    return view.state == "Succeeded" and view.exit_code in {0, None} and synchronised


def _require_well(
    site: SiteDocument, node: NodeView, extension: ExtensionView | None, registration: NodeRegistration
) -> None:
    """Nothing but Succeeded is enough: PartiallySucceeded is not."""
    if extension is None:
        raise Refused("not-back", f"The ASR extension did not come back on {node.name}.")
    if is_extension_well(extension):
        return
    new_cause = classify_failure(extension.code, extension.message, registration, site)
    if new_cause.code != "unknown" and not new_cause.curable:
        raise NeedsPerson(new_cause)
    state = extension.provisioning_state
    raise Refused("failed-again", f"The ASR extension of {node.name} is {state} again: {extension.message[:300]}")
