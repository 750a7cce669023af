"""What a request on replication would do to each VM, and what of it has to be confirmed."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.replication.preview import ReplicationPreview, preview_replication
from shared.replication.run import ReplicationOrder, adopt_replicated, open_run
from shared.replication.settings import ReplicatedItem, ReplicationRequest
from tests.orchestrators.azure_bench import site
from tests.shared.test_replication import machine

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)


def preview_of(state: str | None, percent: int = 0, **asked: Any) -> ReplicationPreview:
    """Of a request about sql-01, whose item is in this state; None for a VM that has none."""
    copied = {"vm": "sql-01", "guid": "g", "id": "/items/sql-01", "state": state, "percent": percent}
    items = [ReplicatedItem.model_validate(copied)] if state else []
    request = ReplicationRequest.model_validate({"vms": ["sql-01"], **asked})
    order = ReplicationOrder(
        id="r", kind="replication", site="hci-01", requested_by="ann", document=site(), request=request
    )
    one = machine(disks=("sql-01",), item_id="/items/sql-01" if state else "")
    run = adopt_replicated(open_run(order, [one], "/policy", NOW), items, site(), NOW)
    return preview_replication(request.action, run, items)


@pytest.mark.parametrize(
    ("action", "state", "outcome", "detail"),
    [
        ("enable", None, "changed", "first copy to Azure begins"),
        ("enable", "Protected", "kept", "protected already"),
        ("enable", "InitialReplicationInProgress", "kept", "under way: 40 %"),
        ("enable", "EnablingFailed", "changed", "first copy to Azure begins"),
        ("update", "Protected", "changed", "azureVm"),
        ("update", None, "refused", "enable it first"),
        ("resynchronise", "Protected", "changed", "compared with the replica"),
        ("resynchronise", None, "refused", "enable it first"),
        ("disable", "Protected", "changed", "recovery points in Azure are deleted"),
        ("disable", None, "kept", "does not replicate"),
    ],
)
def test_each_vm_is_told_what_becomes_of_it(action: str, state: str | None, outcome: str, detail: str) -> None:
    preview = preview_of(state, 40, action=action, settings={"azureVm": "sql"} if action == "update" else {})
    (item,) = preview.items
    assert (item.vm, item.action, item.outcome) == ("sql-01", action, outcome)
    assert detail in item.detail
    assert (item.code == "not-protected") == (outcome == "refused")


def test_a_vm_that_is_not_there_is_refused_with_its_reason() -> None:
    preview = preview_of("Protected", action="disable", vms=["sql-01", "nobody"])
    assert [(item.vm, item.outcome, item.code) for item in preview.items] == [
        ("sql-01", "changed", ""),
        ("nobody", "refused", "vm-not-found"),
    ]
    assert preview.confirm == "Disable: the replicas of sql-01 and all their recovery points are deleted."


@pytest.mark.parametrize(("action", "state"), [("enable", None), ("update", "Protected"), ("disable", None)])
def test_what_deletes_nothing_has_nothing_to_confirm(action: str, state: str | None) -> None:
    assert preview_of(state, action=action).confirm == ""
