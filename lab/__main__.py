"""`python -m lab up` keeps the lab up, `story` tells the whole story on it, `trace` shows what one run did."""

import argparse
import sys
from pathlib import Path

from lab.story.onboarding import Onboarding
from lab.story.tell import Options, Story, tell_story
from lab.up import keep_lab_up, print_trace


def _parse_speed(text: str) -> float:
    speed = float(text)
    if not 1 <= speed <= 3600:
        raise argparse.ArgumentTypeError("between 1 and 3600")
    return speed


def _parse_hop(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 30:
        raise argparse.ArgumentTypeError("between 0 and 30")
    return seconds


def main(arguments: list[str]) -> int:
    """Run one of the lab's commands; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="both servers, until Ctrl-C; the environment says where")
    trace = commands.add_parser("trace", help="what one run of `make lab` did, as a tree with times")
    trace.add_argument("operation", help="its id")
    story = commands.add_parser("story", help="heal a node, rehearse a plan, fail it over and bring it home")
    usual = Options()
    story.add_argument("--scenario", default=usual.scenario)
    story.add_argument("--speed", type=_parse_speed, default=usual.speed, help="simulated seconds a real second")
    kinds = ("repair", "drill", "failover", "failback", "reprotect", "prepare", "replication")
    story.add_argument(
        "--kill-host-during", dest="kill", default=usual.kill, choices=kinds, help="SIGKILL the host in the middle"
    )
    story.add_argument("--kills", type=int, default=usual.kills, help="SIGKILL it this often, at random instants")
    story.add_argument("--seed", type=int, default=usual.seed, help="what the instants and the faults are drawn from")
    story.add_argument("--hosts", type=int, default=usual.hosts, help="how many local hosts share the task hub")
    story.add_argument("--faults", action="store_true", help="have Azure lose answers, drop calls and double events")
    story.add_argument("--hop-seconds", type=_parse_hop, default=usual.hop_seconds, help="simulated, of each message")
    story.add_argument("--app", type=Path, help="its function_app.py, or a package of `make dist`")
    asked = vars(parser.parse_args(arguments))
    match asked.pop("command"):
        case "up":
            return keep_lab_up()
        case "trace":
            return print_trace(asked["operation"])
    return tell_story(Options(**asked), Onboarding if asked["scenario"] == "bare" else Story)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
