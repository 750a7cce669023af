"""What a run came to, seen from its end. Pure.

- What it changed in Azure, for people to know.
- Which of its VMs still owe a commit or a protection, or were given up in Azure.
"""

from collections.abc import Iterator, Sequence

from shared.recovery.run import Run
from shared.recovery.run_item import MOVE_VERBS, RunItem
from shared.site_recovery.views import Verb

CAVEATS = (
    "Extensions installed by Arc: the Arc machines still show them, and cannot install, upgrade or uninstall any now.",
    "Guest configuration policies are not evaluated until the machines are back on premises.",
    "No Azure VM guest agent on machines that go back: it knows nothing of extensions that Arc installed.",
)
"""Source: the caveats of the vendor's guide for Site Recovery on Azure Stack HCI."""
_QUERY = (
    "union isfuzzy=true Heartbeat, Event, Syslog, Perf, InsightsMetrics"
    " | extend Name = tolower(tostring(split(Computer, '.')[0]))"
    " | where Name in ({names})"
    " | project TimeGenerated, Type, Name, _ResourceId"
)


def find_changes_in_azure(items: Sequence[RunItem]) -> tuple[str, ...]:
    """Of machines that the run brought to Azure, up or not, committed or not: their names, and what is not as before.

    Nothing for a run that brought none there; of those that it brought home again only where their log data is.
    """
    moved = [item for item in items if item.has_done("PlannedFailover", "UnplannedFailover", "ChangePit")]
    away = [item for item in moved if not item.has_done("Failback", "CancelFailover")]
    warnings = [(item, next((step.note for step in item.steps if step.renamed), "")) for item in away]
    names = [f"{item.vm} is called {item.azure_vm or '?'} in Azure: {why}" for item, why in warnings if why]
    there = (*names, *_other_addresses(items), *(CAVEATS if away else ()))
    return (*there, *([_log_query_finding(moved)] if moved else ()))


def _other_addresses(items: Sequence[RunItem]) -> Iterator[str]:
    """The addresses that Azure gave to machines which asked for another one, in a drill too."""
    for item in items:
        if item.has_done("Failback", "CancelFailover"):
            continue
        for address in dict.fromkeys(step.other_address for step in item.steps if step.other_address):
            yield f"{item.vm} has the address {address} in Azure, and asked for {item.asked_address}"


def _log_query_finding(moved: Sequence[RunItem]) -> str:
    """Source: log data is associated with the Azure VM meanwhile, and with the Arc machine before and after."""
    names = dict.fromkeys(name.lower() for item in moved for name in (item.vm, item.azure_vm) if name)
    escaped = (name.replace("\\", "\\\\").replace("'", "\\'") for name in names)
    query = _QUERY.format(names=", ".join(f"'{name}'" for name in escaped))
    return (
        "Log data comes in under the Azure VMs' ids while they run there. This query joins it by computer name, and "
        f"takes the VM's name for that of the computer in it; put in those that are called otherwise: {query}"
    )


NOT_DONE_STATES = frozenset({"failed", "skipped"})


def unfinished_vms(run: Run) -> tuple[str, ...]:
    """Of a run with one verb: those that did not get through it."""
    return tuple(item.vm for item in run.items if item.state != "done")


def uncommitted_vms(run: Run) -> tuple[str, ...]:
    """Those that were moved, or may have been, and whose newest move is not final; one that was skipped among them."""
    return tuple(item.vm for item in run.items if item.was_moved and not _ended_with(item, "Commit"))


def unprotected_vms(run: Run) -> tuple[str, ...]:
    """Those that were moved, or may have been, and do not replicate to Azure again."""
    return tuple(item.vm for item in run.items if item.was_moved and not _ended_with(item, "ReverseReplicate"))


def _ended_with(item: RunItem, verb: Verb) -> bool:
    """Whether the verb came after the newest move, and nothing went wrong since."""
    if item.state in NOT_DONE_STATES:
        return False
    verbs = (*item.verbs_done_before, *(step.verb for step in item.steps if step.outcome == "succeeded"))
    newest = max((place for place, done in enumerate(verbs) if done in MOVE_VERBS), default=0)
    return verb in verbs[newest:]


def vms_committed_at_home(run: Run) -> frozenset[str]:
    """Those whose newest commit succeeded and is no older than their failback: their machines in Azure are given up."""
    return frozenset(item.vm for item in run.items if "Commit" in verbs_since_failback(item))


def verbs_since_failback(item: RunItem) -> list[Verb]:
    """What succeeded from its failback on; all that succeeded where there was none."""
    verbs = [step.verb for step in item.steps if step.outcome == "succeeded"]
    return verbs[verbs.index("Failback") :] if "Failback" in verbs else verbs


def findings_on_skipped(run: Run) -> tuple[str, ...]:
    """What people have to know of machines that were skipped; nothing without any."""
    if not run.people.skipped_vms:
        return ()
    vms = ", ".join(run.people.skipped_vms)
    return (f"skipped: {vms}; what is owed for them stays owed, and nothing is proven of them",)
