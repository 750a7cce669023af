"""How the story is shown: live on a terminal, as few plain lines everywhere else."""

import os
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lab.story.proofs import View

COLOURS = {"done": "green", "failed": "red", "blocked": "red", "waiting": "dim"}


class Chapter(NamedTuple):
    """A part of the story, as its closing table shows it.

    Attributes:
        vms: How many took part; 0 for a node.
        took: Simulated time.
        calls: ARM calls that were answered meanwhile, whoever made them.
    """

    name: str
    vms: int
    took: timedelta
    calls: int
    proof: str


class Screen(Protocol):
    """Where the story is shown."""

    def print_line(self, line: str) -> None:
        """Print one line that stays."""

    def show_operation(self, view: View, now: datetime) -> None:
        """Show how an operation stands."""

    def clear_view(self) -> None:
        """Stop showing it."""


def done_of(view: View) -> tuple[int, int]:
    """How far an operation is: VMs through with their stage, over all of its stages, and how many that will be."""
    progress = view.get("progress") or {}
    total, stages = progress.get("total", 0), progress.get("stageCount", 1)
    if view["state"] == "succeeded":
        return total * stages, total * stages
    return (progress.get("currentStage", 1) - 1) * total + progress.get("completed", 0), total * stages


def operation_headline(view: View, now: datetime) -> str:
    """One line: when, what, how far, what is being waited for."""
    done, total = done_of(view)
    far = f"  {done}/{total}" if total else ""
    text = str(view.get("waitingForText") or "")
    awaited = f"  waiting for {text.removeprefix('Waiting for ')}" if text else ""
    return f"{now:%H:%M}  {view['kind']}: {view.get('phase') or view['state']}{far}{awaited}"


class PlainScreen:
    """Lines for a log: one whenever a phase begins or one more VM is through with it."""

    def __init__(self) -> None:
        self._last: object = None

    def print_line(self, line: str) -> None:
        """Print one line."""
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def show_operation(self, view: View, now: datetime) -> None:
        """Print the state of an operation if it has changed."""
        standing = view["id"], view["state"], view.get("phase"), done_of(view)
        if standing != self._last:
            self.print_line(f"  {operation_headline(view, now)}")
        self._last = standing

    def clear_view(self) -> None:
        """Nothing stays on a log but lines."""


class LiveScreen:
    """A picture that is drawn again in place: a line a VM, a bar for the plan."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None

    def print_line(self, line: str) -> None:
        """Print one line above the picture."""
        self._console.print(line, highlight=False)

    def show_operation(self, view: View, now: datetime) -> None:
        """Draw how an operation stands."""
        picture = draw_operation(view, now)
        if self._live is None:
            self._live = Live(picture, console=self._console, transient=True, refresh_per_second=5)
            self._live.start()
        self._live.update(picture)

    def clear_view(self) -> None:
        """Take the picture away."""
        if self._live:
            self._live.stop()
        self._live = None


def draw_operation(view: View, now: datetime) -> Group:
    """The picture of an operation."""
    lines = Table.grid(padding=(0, 2))
    for item in view.get("items", ()):
        state = Text(item["state"], style=COLOURS.get(item["state"], "cyan"))
        lines.add_row(f"  {item['vm']}", state, item.get("azureVm") or "", item.get("detail") or "")
    done, total = done_of(view)
    bar = ProgressBar(
        total=total or 1, completed=done, width=60, pulse=not total, complete_style="cyan", finished_style="green"
    )
    return Group(Text(operation_headline(view, now), style="bold"), lines, bar)


def screen_for(console: Console) -> Screen:
    """A live one on a terminal that a person looks at; a plain one for pipes, logs and CI."""
    return PlainScreen() if os.environ.get("CI") or not console.is_terminal else LiveScreen(console)


def closing_table(chapters: Sequence[Chapter]) -> Table:
    """What was done, and what it took."""
    table = Table(title="The whole story")
    for heading in ("part", "VMs", "simulated time", "ARM calls", "proof"):
        table.add_column(heading, justify="right" if heading in {"VMs", "simulated time", "ARM calls"} else "left")
    for chapter in chapters:
        took = timedelta(seconds=round(chapter.took.total_seconds()))
        table.add_row(chapter.name, str(chapter.vms or "-"), str(took), str(chapter.calls), chapter.proof)
    return table
