"""What people have to know of machines that run in Azure after a failover; of the documented caveats. Pure."""

from collections.abc import Sequence, Set

from shared.messages import RunItem

RENAMED = "28175"
"""ASR's warning that a machine got another name in Azure."""

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
_MADE = frozenset({"PlannedFailover", "UnplannedFailover", "ChangePit"})
_GONE = frozenset({"Failback", "CancelFailover"})


def findings(items: Sequence[RunItem]) -> tuple[str, ...]:
    """Of machines that the run brought to Azure, up or not, committed or not: their names, and what is not as before.

    Nothing for a run that brought none there; of those that it brought home again only where their log data is.
    """
    moved = [item for item in items if _did(item, _MADE)]
    away = [item for item in moved if not _did(item, _GONE)]
    renamed = [item for item in away if _warning(item)]
    names = [f"{item.vm} is called {item.azure_vm or '?'} in Azure: {_warning(item)}" for item in renamed]
    return (*names, *(CAVEATS if away else ()), *([_logs(moved)] if moved else ()))


def _did(item: RunItem, verbs: Set[str]) -> bool:
    return any(step.verb in verbs and step.outcome == "succeeded" for step in item.steps)


def _warning(item: RunItem) -> str:
    return next((step.note for step in item.steps if RENAMED in step.note), "")


def _logs(moved: Sequence[RunItem]) -> str:
    """Source: log data is associated with the Azure VM meanwhile, and with the Arc machine before and after."""
    names = dict.fromkeys(name.lower() for item in moved for name in (item.vm, item.azure_vm) if name)
    query = _QUERY.format(names=", ".join(map(_quoted, names)))
    return (
        "Log data comes in under the Azure VMs' ids while they run there. This query joins it by computer name, and "
        f"takes the VM's name for that of the computer in it; put in those that are called otherwise: {query}"
    )


def _quoted(name: str) -> str:
    """A string of the Kusto query language."""
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
