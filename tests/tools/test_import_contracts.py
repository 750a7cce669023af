"""The import contracts hold for files that nobody has written yet."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("triggers", "orchestrators", "activities", "shared", "lab", "bench", "tools", "hcidr")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree to add files to."""
    copy = tmp_path_factory.mktemp("house")
    for room in ROOMS:
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def linted(house: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=house, capture_output=True, text=True, check=False)


def test_the_tree_as_it_is_keeps_all_contracts(house: Path) -> None:
    run = linted(house)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("orchestrators/verbs/added_tomorrow.py", "import activities.start_verbs"),
        ("orchestrators/durable/added_tomorrow.py", "import orchestrators.run.ticks"),
        ("orchestrators/healing/added_tomorrow.py", "import orchestrators.verbs.drill"),
        ("triggers/added_tomorrow.py", "import orchestrators.registry"),
        ("activities/added_tomorrow.py", "import triggers.verbs"),
        ("shared/added_tomorrow.py", "import shared.azure.vault"),
        ("shared/sites/added_tomorrow.py", "import shared.plans.plan"),
        ("shared/added_room/__init__.py", "import shared.errors"),
        ("shared/errors_too.py", "import lab.clock"),
        ("lab/host/added_tomorrow.py", "import shared.errors"),
        ("lab/azure/simulator/added_tomorrow.py", "import lab.azure.arm.routing"),
    ],
)
def test_a_file_that_is_added_against_the_contracts_breaks_them(house: Path, file: str, line: str) -> None:
    added = house / file
    added.parent.mkdir(exist_ok=True)
    added.write_text(f'"""Added."""\n\n{line}\n')
    if added.name == "__init__.py":
        (added.parent / "room.py").write_text('"""A file, for a folder with none is no folder."""\n')
    try:
        run = linted(house)
    finally:
        shutil.rmtree(added.parent) if added.name == "__init__.py" else added.unlink()
    assert run.returncode == 1, run.stdout
    assert added.stem in run.stdout or added.parent.name in run.stdout
