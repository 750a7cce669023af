"""`python -m lab.real`: stories, and the tests of engines, on Microsoft's own; in real time with jobs of seconds."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from rich.console import Console

from lab.app_package import find_app
from lab.clock import LabClock
from lab.real.fleet import BigFleet, ManyPlans, RealFleet
from lab.real.servers import Tools, find_tools, free_real_ports, real_servers
from lab.real.story import RealChaos, RealOnboarding, RealStory
from lab.real.target import TargetStory, settings_text, target_servers
from lab.servers import ROOT, LabFailed, Servers
from lab.story.screen import closing_table, screen_for
from lab.story.tell import Options, Story

STORIES: dict[str, tuple[type[Story], str, int]] = {
    "story": (RealStory, "default", 1),
    "bare": (RealOnboarding, "bare", 1),
    "chaos": (RealChaos, "default", 2),
    "fleet": (RealFleet, "fleet", 1),
    "big-fleet": (BigFleet, "fleet", 1),
    "many-plans": (ManyPlans, "fleet", 1),
}
"""By name: the story, its scenario, and how many hosts share the task hub."""

SUITE = "engine"
"""Beside the stories: the tests of what runs rely on, which the local host has to pass as well."""

USUAL = (SUITE, "story", "bare", "chaos")
"""What is told when nothing is named: the fleets take as long again."""

TAKES = "about 20 minutes; each story has a storage emulator, a simulated Azure and hosts of its own"


LAST_LINES = 20


class Child(NamedTuple):
    """A story in a process of its own, and the end of what it has said."""

    name: str
    process: subprocess.Popen[str]
    printer: threading.Thread
    last_lines: deque[str]


def main(arguments: list[str]) -> int:
    """Tell the chosen stories side by side; the exit status is 0 only when each reached its proofs."""
    options = _parse_arguments(arguments)
    if options.target:
        return _tell_at_target(options)
    tools = find_tools()
    if isinstance(tools, str):
        sys.stdout.write(f"make real: {tools}\n")
        return 0
    if options.stories == [SUITE]:
        return _run_suite(tools)
    if len(options.stories) == 1:
        return _tell_story(options.stories[0], options, tools)
    began = monotonic()
    _print_line(f"Telling {', '.join(options.stories)} on the durable host: {TAKES}")
    children = [_start_child(name, options) for name in options.stories]
    failed = [child for child in children if _wait_for_child(child)]
    for child in failed:
        _print_line(f"{child.name}, once more, its last lines:\n" + "\n".join(child.last_lines))
    outcome = f"not proven: {', '.join(child.name for child in failed)}" if failed else "Proven on the durable host"
    _print_line(f"{outcome} ({monotonic() - began:.0f} s)")
    return 1 if failed else 0


def _run_suite(tools: Tools) -> int:
    environment = os.environ | {"ENGINE": "real", "DURABLE_HOST": tools.durable_host, "AZURITE": tools.azurite}
    command = [sys.executable, "-m", "pytest", "tests/engine", "-n", "0", "-v", "--no-header", "--tb=short"]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode  # noqa: S603 - our own tests


def _parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lab.real", description=__doc__)
    parser.add_argument("stories", nargs="*", default=[], metavar="STORY", help=", ".join((SUITE, *STORIES)))
    parser.add_argument("--kills", type=int, default=12, help="how often chaos ends something")
    parser.add_argument("--seed", type=int, default=1, help="what chaos is drawn from")
    parser.add_argument("--target", default="", help="URL of a host that runs already; the story is told to it")
    parser.add_argument("--app", type=Path, default=Path("function_app.py"), help="or a package of `make dist`")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.stories if name not in {SUITE, *STORIES}]:
        parser.error(f"there is no story {unknown[0]}; there are {', '.join((SUITE, *STORIES))}")
    options.stories = options.stories or (["story"] if options.target else list(USUAL))
    if options.target and options.stories != ["story"]:
        parser.error("to a host that runs already only the story is told")
    return options


def _print_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _start_child(name: str, options: argparse.Namespace) -> Child:
    """A story in a process of its own, its lines told under its name."""
    command = [sys.executable, "-m", "lab.real", name, "--kills", str(options.kills), "--seed", str(options.seed)]
    process = subprocess.Popen(  # noqa: S603 - ourselves
        [*command, "--app", str(options.app)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    last_lines: deque[str] = deque(maxlen=LAST_LINES)
    printer = threading.Thread(target=_print_lines, args=(name, process, last_lines), daemon=True)
    printer.start()
    return Child(name, process, printer, last_lines)


def _print_lines(name: str, process: subprocess.Popen[str], last_lines: deque[str]) -> None:
    with process:
        for line in process.stdout or ():
            last_lines.append(f"{name:6}| {line.rstrip()}")
            _print_line(last_lines[-1])


def _wait_for_child(child: Child) -> int:
    """Its exit status, once all that it said is told."""
    try:
        status = child.process.wait()
    except KeyboardInterrupt:  # the terminal has told the children as well
        status = child.process.wait(60)
    child.printer.join(60)
    return status


def _tell_at_target(options: argparse.Namespace) -> int:
    state = _new_state("target")
    _print_line(f"The host at {options.target} needs these settings:\n{settings_text(state)}")
    return _tell_on(target_servers(state, options.target), state, TargetStory, Options(speed=1, seed=options.seed))


def _tell_story(name: str, options: argparse.Namespace, tools: Tools) -> int:
    story_class, scenario, hosts = STORIES[name]
    state = _new_state(name)
    try:
        app = find_app(options.app, state / "app")
    except LabFailed as failure:
        sys.stderr.write(f"make real: {failure}\n")
        return 1
    servers = real_servers(state, free_real_ports(hosts), tools, app)
    return _tell_on(servers, state, story_class, Options(scenario, 1, kills=options.kills, seed=options.seed))


def _new_state(name: str) -> Path:
    state = Path(tempfile.mkdtemp(prefix=f"hci-real-{name}-"))
    LabClock.open(state, start=datetime.now(UTC)).close()
    return state


def _tell_on(servers: Servers, state: Path, story_class: type[Story], options: Options) -> int:
    console, began = Console(), monotonic()
    screen = screen_for(console)
    story = story_class(servers, screen, options)
    try:
        chapters = story.tell_whole()
    except KeyboardInterrupt:
        screen.clear_view()
        return 130
    except LabFailed as failure:
        screen.clear_view()
        sys.stderr.write(f"not proven: {failure}\nlogs and state are in {state}\n")
        return 1
    shutil.rmtree(state)
    console.print(closing_table(chapters))
    screen.print_line(f"{story.proven} ({monotonic() - began:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
