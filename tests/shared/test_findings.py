"""After a failover people are told what does not work as before; after anything else they are not."""

from shared.findings import CAVEATS, findings
from shared.messages import ItemStep, RunItem

NOTE = "28175: The name was taken; the machine is called otherwise."


def moved(vm: str, azure_vm: str, note: str = "") -> RunItem:
    step = ItemStep(verb="PlannedFailover", job="j", outcome="succeeded", note=note)
    return RunItem(vm=vm, id=f"/items/{vm}", state="done", azure_vm=azure_vm, steps=(step,))


def test_a_machine_that_was_renamed_is_told_by_its_real_name() -> None:
    told = findings("failover", [moved("SQL-01", "SQL-01-5b2d", NOTE), moved("web-01", "web-01")])
    assert told[0] == f"SQL-01 is called SQL-01-5b2d in Azure: {NOTE}"
    assert told[1:-1] == CAVEATS
    assert "where Name in ('sql-01', 'sql-01-5b2d', 'web-01')" in told[-1]


def test_nothing_is_told_of_a_drill_or_of_machines_that_did_not_move() -> None:
    assert findings("drill", [moved("sql-01", "sql-01-test")]) == ()
    assert findings("failover", [RunItem(vm="sql-01", id="/items/sql-01", state="failed")]) == ()
