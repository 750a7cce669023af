"""Following a run on the terminal until it ends or waits, and the exit status that says how."""

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.live import Live

from hcidr.api import Api
from hcidr.views import end_view, run_view

ENDED_WELL, FAILED, WAITS = 0, 1, 3
"""Exit statuses: of a run that succeeded; that failed, was refused or aborted; that waits for a person."""
LOOK_EVERY = 2.0


def exit_status(run: Mapping[str, Any]) -> int:
    """How a run stands, for a pipeline."""
    return {"succeeded": ENDED_WELL, "waiting": WAITS}.get(str(run.get("state")), FAILED)


def is_at_rest(run: Mapping[str, Any]) -> bool:
    """Whether it goes no further by itself."""
    return run["state"] in {"succeeded", "failed", "aborted", "waiting"}


def follow_run(api: Api, run_id: str, console: Console, every: float = LOOK_EVERY) -> dict[str, Any]:
    """Show a run as it goes on, until it has ended or waits for a person; then all its errors once more.

    On a terminal one picture is drawn anew; elsewhere a line is written for whatever is new.
    """
    run: dict[str, Any] = api.get(f"operations/{run_id}")
    if console.is_terminal:
        with Live(run_view(run), console=console, transient=True) as live:
            while not is_at_rest(run):
                time.sleep(every)
                run = api.get(f"operations/{run_id}")
                live.update(run_view(run))
    else:
        said = ""
        while True:
            progress = run.get("progress") or {}
            line = f"{run['state']} {run.get('phase', '')} {progress.get('completed', '')}/{progress.get('total', '')}"
            if line != said:
                console.print(f"{run_id} {line}", markup=False, highlight=False, soft_wrap=True)
                said = line
            if is_at_rest(run):
                break
            time.sleep(every)
            run = api.get(f"operations/{run_id}")
    console.print(run_view(run))
    console.print(end_view(run))
    return run
