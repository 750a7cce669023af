"""Records a run of each runbook anew, or of those that are named, into tests/histories.

Only for a runbook that no deployment has released yet: runs under way must be able to go on.
"""

import sys

from tests.histories.app_tales import INSTANCE
from tests.histories.keeping import FOLDER, dump
from tests.histories.tales import TALES


def main(wanted: list[str]) -> None:
    """Record, and say how much."""
    if unknown := set(wanted) - set(TALES):
        sys.exit(f"no runbook is called {', '.join(sorted(unknown))}; there are {', '.join(TALES)}")
    for name in wanted or TALES:
        result = TALES[name].tell()
        if result.failure:
            sys.exit(f"{name} did not end: {result.failure}")
        text = dump(INSTANCE, result.episodes)
        (FOLDER / f"{name}.jsonl").write_text(text)
        told = f"{result.generations} generations, {len(result.episodes)} dispatches, {len(text):,} characters"
        sys.stdout.write(f"{name}: {told}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
