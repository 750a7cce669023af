"""Of machines that run in Azure people are told what does not work as before; of others they are not."""

from typing import Any

import pytest

from shared.recovery.results import CAVEATS, find_changes_in_azure
from shared.recovery.run_item import ItemState, ItemStep, RunItem
from shared.site_recovery.views import Verb

NOTE = "28175: The name was taken; the machine is called otherwise."


def did(verb: Any, outcome: Any = "succeeded") -> ItemStep:
    return ItemStep(verb=verb, job="j", outcome=outcome)


def moved(vm: str, azure_vm: str, note: str = "") -> RunItem:
    step = ItemStep(verb="PlannedFailover", job="j", outcome="succeeded", note=note, renamed=bool(note))
    return RunItem(vm=vm, id=f"/items/{vm}", state="done", azure_vm=azure_vm, steps=(step,))


def test_a_machine_that_was_renamed_is_told_by_its_real_name() -> None:
    told = find_changes_in_azure([moved("SQL-01", "SQL-01-5b2d", NOTE), moved("web-01", "web-01")])
    assert told[0] == f"SQL-01 is called SQL-01-5b2d in Azure: {NOTE}"
    assert told[1:-1] == CAVEATS
    assert "where Name in ('sql-01', 'sql-01-5b2d', 'web-01')" in told[-1]


@pytest.mark.parametrize("verb", ["PlannedFailover", "UnplannedFailover", "ChangePit"])
@pytest.mark.parametrize("state", ["done", "failed", "probing", "paused"])
def test_a_machine_that_is_in_azure_has_its_caveats_however_the_run_went_on(verb: Verb, state: ItemState) -> None:
    """A probe or a commit that failed does not take it out of there again."""
    item = RunItem(vm="sql-01", id="/i", state=state, steps=(did(verb), did("Commit", "failed")))
    assert find_changes_in_azure([item])[:-1] == CAVEATS


def test_of_a_machine_that_came_home_only_the_way_to_its_log_data_is_told() -> None:
    home = RunItem(vm="sql-01", id="/i", state="done", steps=(did("PlannedFailover"), did("Commit"), did("Failback")))
    (told,) = find_changes_in_azure([home])
    assert told.startswith("Log data")


def test_nothing_is_told_of_a_drill_or_of_machines_that_did_not_move() -> None:
    for verb, outcome in (("TestFailover", "succeeded"), ("PlannedFailover", "failed"), ("Commit", "succeeded")):
        item = RunItem(vm="sql-01", id="/i", state="done", steps=(did(verb, outcome),))
        assert find_changes_in_azure([item]) == ()


def test_names_are_quoted_in_the_query_and_what_it_assumes_is_said() -> None:
    told = find_changes_in_azure([moved("o'hara\\1", "")])[-1]
    assert r"where Name in ('o\'hara\\1')" in told
    assert "takes the VM's name for that of the computer in it" in told


@pytest.mark.parametrize("verb", ["PlannedFailover", "TestFailover"])
def test_an_address_that_is_not_the_one_asked_for_is_told_until_the_machine_is_home(verb: Verb) -> None:
    step = did(verb).model_copy(update={"other_address": "10.10.1.21"})
    item = RunItem(vm="sql-01", id="/i", state="done", asked_address="10.10.1.20", steps=(step,))
    assert find_changes_in_azure([item])[0] == "sql-01 has the address 10.10.1.21 in Azure, and asked for 10.10.1.20"
    home = item.model_copy(update={"steps": (step, did("Failback"))})
    assert not any("10.10.1.21" in told for told in find_changes_in_azure([home]))
