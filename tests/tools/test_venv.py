"""The environment of the tools is made anew only where it is this folder's own."""

import shutil
import subprocess
from pathlib import Path

from lab.servers import ROOT


def test_an_environment_that_is_only_linked_is_left_as_it_is(tmp_path: Path) -> None:
    """Others work in it: emptying it would take their packages away while they run."""
    shared, folder = tmp_path / "shared", tmp_path / "clone"
    (shared / "bin").mkdir(parents=True)
    (shared / "requirements-dev.lock").write_text("older\n")
    shutil.copytree(ROOT / "tools", folder / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "requirements-dev.lock").write_text("newer\n")
    (folder / ".venv").symlink_to(shared)
    told = subprocess.run(["sh", "tools/venv.sh"], cwd=folder, capture_output=True, text=True, check=False)
    assert (told.returncode, len(told.stderr.splitlines())) == (1, 1)
    assert ".venv is a link" in told.stderr
    assert sorted(found.name for found in shared.iterdir()) == ["bin", "requirements-dev.lock"]
