"""The command line is a package of its own, with what it needs and nothing of the app."""

import ast
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from tests.release import RELEASE, ROOT

FOLDER = ROOT / "hcidr"
PROJECT = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
BY_MODULE = {"azure": "azure-identity", "httpx": "httpx", "yaml": "pyyaml", "rich": "rich", "typer": "typer"}


def test_the_wheel_has_the_commands_and_starts_by_itself(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, FOLDER],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("hcidr-*.whl")
    assert wheel.name.startswith(f"hcidr-{RELEASE}-")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {"hcidr", f"hcidr-{RELEASE}.dist-info"}
    assert {path.name for path in FOLDER.glob("*.py")} == {
        name.removeprefix("hcidr/") for name in names if name.endswith(".py")
    }
    shown = subprocess.run(
        [sys.executable, "-c", "from hcidr.main import main; main()", "--help"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(wheel), "PATH": "", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    assert "failover" in shown.stdout


def test_it_has_the_release_of_the_app_and_asks_for_what_it_imports() -> None:
    assert PROJECT["version"] == RELEASE
    imported = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            if isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    others = imported - set(sys.stdlib_module_names) - {"hcidr", "click"}
    assert {BY_MODULE[name] for name in others} == {name.partition(">")[0] for name in PROJECT["dependencies"]}
