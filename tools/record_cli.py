"""Records the command line on the lab, as one picture that moves: docs/images/hcidr.svg.

Each scene is a command as it was typed and what it printed; of a run that is followed, what was drawn at some moments.
The picture asks no other host for anything, and stands still for people who want that.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console, RenderableType
from rich.terminal_theme import MONOKAI
from rich.text import Text

from hcidr.api import Api
from hcidr.views import end_view, run_view
from lab.servers import Servers, free_ports, reset_lab, stopped_at_the_end

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "images" / "hcidr.svg"
WIDTH, SPEED = 100, 300.0
CHARACTER, LINE, MARGIN = 12.2, 24.4, 16
LOOKS = 6
"""Pictures of a run that is followed."""
CLIPPED = re.compile(r' clip-path="[^"]*"')
"""Each line is clipped to a box that is left out here."""
FRAME = "<g class='r'>{backgrounds}{matrix}</g><style>{styles}</style>"


class Scene(NamedTuple):
    """One picture, and how long it stands, in seconds."""

    body: RenderableType
    seconds: float


def tell(api: Api, environment: dict[str, str]) -> Iterator[Scene]:
    """What is recorded: the state of all, a preview, and a drill that is followed to its end."""
    yield Scene(_run_command(environment, "status"), 5)
    yield Scene(_run_command(environment, "preview", "failover", "payroll"), 6)
    run = api.post("plans/payroll/drill", {})["id"]
    command = _prompt("drill", "payroll")
    while (view := api.get(f"operations/{run}"))["state"] in {"pending", "running"}:
        yield Scene(_stacked(command, run_view(view)), 1.5)
        time.sleep(1.5)
    yield Scene(_stacked(command, run_view(view), end_view(view)), 6)
    yield Scene(_run_command(environment, "portfolio"), 5)


def _prompt(*arguments: str) -> Text:
    return Text(f"$ hcidr {' '.join(arguments)}", style="bold")


def _stacked(*parts: RenderableType) -> Text:
    """Several things below one another, as the terminal has them."""
    console = Console(file=StringIO(), width=WIDTH, force_terminal=True, color_system="truecolor")
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    return Text.from_ansi(captured.get())


def _run_command(environment: dict[str, str], *arguments: str) -> Text:
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "hcidr", *arguments],
        cwd=ROOT,
        env=os.environ | environment | {"FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"},
        capture_output=True,
        text=True,
        check=True,
    )
    return _stacked(_prompt(*arguments), Text.from_ansi(done.stdout))


def thin_out(scenes: Sequence[Scene]) -> list[Scene]:
    """The same with no more than a few pictures of the run that is followed."""
    short = [scene for scene in scenes if scene.seconds < 2]
    kept = short[:: max(1, len(short) // LOOKS)][:LOOKS]
    return [scene for scene in scenes if scene.seconds >= 2 or scene in kept]


def draw(scenes: Sequence[Scene]) -> str:
    """All scenes as one SVG, one after the other without an end."""
    whole = sum(scene.seconds for scene in scenes)
    frames, rules, begins, lines = [], [], 0.0, 0
    for number, scene in enumerate(scenes):
        console = Console(record=True, file=StringIO(), width=WIDTH, force_terminal=True, color_system="truecolor")
        console.print(scene.body)
        lines = max(lines, str(scene.body).count("\n") + 1)
        frame = console.export_svg(code_format=FRAME, theme=MONOKAI, unique_id=f"s{number}", clear=False)
        frames.append(f"<g class='s s{number}'>{CLIPPED.sub('', frame)}</g>")
        begin, end = begins / whole * 100, (begins + scene.seconds) / whole * 100
        begins += scene.seconds
        rules.append(
            f"@keyframes k{number}{{0%,{begin:.2f}%{{visibility:hidden}}{begin:.2f}%,{end:.2f}%{{visibility:visible}}"
            f"{end:.2f}%,100%{{visibility:hidden}}}}.s{number}{{animation:k{number} {whole:.0f}s steps(1) infinite}}"
        )
    width, height = WIDTH * CHARACTER + 2 * MARGIN, lines * LINE + 2 * MARGIN
    still = f"@media(prefers-reduced-motion:reduce){{.s{{animation:none}}.s{len(scenes) - 1}{{visibility:visible}}}}"
    label = escape("The command line hcidr: status, the preview of a failover, a drill that is followed, the portfolio")
    box, font = f"0 0 {width:.0f} {height:.0f}", "20px/24.4px ui-monospace,Consolas,monospace"
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='{box}' role='img' aria-label='{label}'>"
        f"<style>.s{{visibility:hidden;font:{font}}}{''.join(rules)}{still}</style>"
        f"<rect width='100%' height='100%' rx='8' fill='#0c0c0c'/>"
        f"<g transform='translate({MARGIN},{MARGIN})'>{''.join(frames)}</g></svg>\n"
    )


def record() -> list[Scene]:
    """Tell it on a lab of its own."""
    with tempfile.TemporaryDirectory() as folder:
        servers = Servers.of(Path(folder), free_ports(), SPEED, "--sign-in", "allow")
        with stopped_at_the_end(servers):
            servers.start()
            reset_lab(servers.azure, "default")
            environment = {"HCIDR_URL": servers.host.base, "HCIDR_TOKEN": "lab-eve"}
            return thin_out(list(tell(Api(servers.host.base, {"Authorization": "Bearer lab-eve"}), environment)))


def main() -> int:
    """Record, and write the picture."""
    scenes: list[Any] = record()
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(draw(scenes), encoding="utf-8")
    sys.stdout.write(f"{TARGET.relative_to(ROOT)}: {len(scenes)} pictures, {TARGET.stat().st_size:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
