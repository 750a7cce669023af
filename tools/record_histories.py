"""Records a run of each runbook anew, or of those that are named, and which messages they carry, for this release.

Only as long as it is not out: runs under way must be able to go on. `--release` says that it is, for good.
"""

import json
import sys

from tests.histories.app_tales import INSTANCE
from tests.histories.keeping import PREPARED, dump
from tests.histories.messages import MESSAGES, describe_messages
from tests.histories.released import mark_as_released, releases_in
from tests.histories.tales import TALES
from tests.release import RELEASE


def main(wanted: list[str]) -> None:
    """Record, and say how much."""
    if RELEASE in releases_in():
        sys.exit(f"{RELEASE} is out: what it has recorded stays. Raise the version in pyproject.toml and host.json")
    if wanted == ["--release"]:
        sys.stdout.write(f"{RELEASE} is out: {mark_as_released(RELEASE)} files are not to be changed any more\n")
        return
    if unknown := set(wanted) - set(TALES):
        sys.exit(f"no runbook is called {', '.join(sorted(unknown))}; there are {', '.join(TALES)}")
    PREPARED.mkdir(exist_ok=True)
    (PREPARED / MESSAGES).write_text(json.dumps(describe_messages(), indent=1, sort_keys=True) + "\n")
    for name in wanted or TALES:
        _record_run(name)


def _record_run(name: str) -> None:
    result = TALES[name].tell()
    if result.failure:
        sys.exit(f"{name} did not end: {result.failure}")
    text = dump(INSTANCE, result.episodes)
    (PREPARED / f"{name}.jsonl").write_text(text)
    size = f"{result.generations} generations, {len(result.episodes)} dispatches, {len(text):,} characters"
    sys.stdout.write(f"{name}: {size}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
