"""What the story shows: every VM on a terminal, only what is new in a log."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from lab.story.screen import (
    Chapter,
    LiveScreen,
    PlainScreen,
    closing_table,
    done_of,
    draw_operation,
    operation_headline,
    screen_for,
)

NOW = datetime(2026, 1, 5, 8, 20, tzinfo=UTC)


def drill(done: int, stage: int = 1, state: str = "running", waiting_for: str = "job of sql-01") -> dict[str, Any]:
    return {
        "id": "drill-payroll-1",
        "kind": "drill",
        "state": state,
        "phase": "TestFailover" if stage == 1 else "TestFailoverCleanup",
        "waitingForText": waiting_for,
        "progress": {"completed": done, "total": 2, "currentStage": stage, "stageCount": 2},
        "items": [
            {"vm": "dc-01", "state": "done", "azureVm": "dc-01-test", "detail": ""},
            {"vm": "sql-01", "state": "running", "azureVm": "", "detail": ""},
        ],
    }


def lines_of(renderable: Any) -> str:
    console = Console(width=120)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


def test_progress_counts_every_stage() -> None:
    assert done_of(drill(1)) == (1, 4)
    assert done_of(drill(1, stage=2)) == (3, 4)
    assert done_of(drill(0, stage=2, state="succeeded")) == (4, 4)


def test_the_headline_says_when_what_how_far_and_what_is_awaited() -> None:
    assert operation_headline(drill(1), NOW) == "08:20  drill: TestFailover  1/4  waiting for job of sql-01"


def test_an_operation_on_a_node_has_no_count() -> None:
    repair = {"id": "r", "kind": "repair", "state": "running", "phase": "Sync", "waitingForText": "", "items": []}
    assert operation_headline(repair, NOW) == "08:20  repair: Sync"


def test_a_terminal_sees_a_line_for_each_vm() -> None:
    shown = lines_of(draw_operation(drill(1), NOW)).splitlines()
    assert [line.split() for line in shown[1:3]] == [["dc-01", "done", "dc-01-test"], ["sql-01", "running"]]


def test_a_log_gets_a_line_only_when_something_got_further(capsys: pytest.CaptureFixture[str]) -> None:
    screen = PlainScreen()
    for view in (drill(0), drill(0, waiting_for="probes of sql-01"), drill(1), drill(1), drill(0, stage=2)):
        screen.show_operation(view, NOW)
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_ci_gets_lines_even_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Console(force_terminal=True)
    monkeypatch.setenv("CI", "true")
    assert isinstance(screen_for(terminal), PlainScreen)
    monkeypatch.delenv("CI")
    assert isinstance(screen_for(terminal), LiveScreen)
    assert isinstance(screen_for(Console(force_terminal=False)), PlainScreen)


def test_the_closing_table_has_a_line_for_each_part() -> None:
    shown = lines_of(closing_table([Chapter("drill", 6, timedelta(minutes=54, seconds=8.7), 321, "in order")]))
    assert any(line.split("│")[1:-1] and "0:54:09" in line and "321" in line for line in shown.splitlines())
