"""`python -m lab up` keeps the lab up; `python -m lab story` tells the whole story on it."""

import argparse
import sys

from lab.up import up


def main(arguments: list[str]) -> int:
    """Run one of the lab's commands; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="both servers, until Ctrl-C; the environment says where")
    parser.parse_args(arguments)
    return up()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
