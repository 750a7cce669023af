"""What people have to know of machines that run in Azure after a failover; of the documented caveats. Pure."""

from collections.abc import Sequence

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


def findings(kind: str, items: Sequence[RunItem]) -> tuple[str, ...]:
    """For a failover: what became of names, and what does not work as before; nothing for any other run."""
    moved = [item for item in items if item.state == "done"]
    if kind != "failover" or not moved:
        return ()
    renamed = [item for item in moved if _warning(item)]
    names = [f"{item.vm} is called {item.azure_vm or '?'} in Azure: {_warning(item)}" for item in renamed]
    return (*names, *CAVEATS, _logs(moved))


def _warning(item: RunItem) -> str:
    return next((step.note for step in item.steps if RENAMED in step.note), "")


def _logs(moved: Sequence[RunItem]) -> str:
    """Source: log data is associated with the Azure VM meanwhile, and with the Arc machine before and after."""
    names = dict.fromkeys(name.lower() for item in moved for name in (item.vm, item.azure_vm) if name)
    query = _QUERY.format(names=", ".join(f"'{name}'" for name in names))
    return f"Log data comes in under the Azure VMs' ids. This query joins it by computer name: {query}"
