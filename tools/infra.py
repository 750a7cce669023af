"""Compiles the templates of infra/, and checks that the JSON beside each is what it makes: BICEP names the compiler."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

INFRA = Path(__file__).parents[1] / "infra"


class WrongTemplates(Exception):
    """The compiler refused the templates, or warned of them; the message is what it said."""


def compile_templates(bicep: str, template: Path) -> str:
    """The template that Azure takes.

    Raises:
        WrongTemplates: also for a warning.
    """
    built = _ask(bicep, "build", str(template), "--stdout")
    _ask(bicep, "lint", str(template))
    return built


def _ask(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the compiler that BICEP names
    if done.returncode or done.stderr.strip():
        raise WrongTemplates(done.stderr.strip() or f"{command[0]} ended with {done.returncode}")
    return done.stdout


def main(arguments: Sequence[str], bicep: str, infra: Path = INFRA) -> int:
    """Check the templates, or write with --write what they make: the exit status, and a line for what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tools.infra", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the JSON beside each template")
    asked = parser.parse_args(arguments)
    if not bicep:
        sys.stdout.write("infra: not compiled and not linted, BICEP does not name a Bicep compiler\n")
        return 1 if asked.write else 0
    templates = sorted(infra.glob("*.bicep"))
    return max((_check_template(bicep, template, write=asked.write) for template in templates), default=1)


def _check_template(bicep: str, template: Path, *, write: bool) -> int:
    compiled = template.with_suffix(".json")
    try:
        built = compile_templates(bicep, template)
    except (WrongTemplates, OSError) as wrong:
        sys.stderr.write(f"infra: {wrong}\n")
        return 1
    if write:
        compiled.write_text(built)
    elif not compiled.exists() or compiled.read_text() != built:
        sys.stderr.write(f"infra: {compiled.name} is not what {template.name} makes: python -m tools.infra --write\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ.get("BICEP", "")))
