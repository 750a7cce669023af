"""The files of the page are what its source makes, of packages whose versions are pinned."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from triggers.ui import FILES

UI = Path(__file__).parents[2] / "ui"
SOURCES = sorted(path for path in UI.glob("src/**/*") if path.suffix in {".ts", ".tsx"})


def why_nothing_is_built() -> str:
    """Why the page cannot be built here; empty where it can."""
    if not shutil.which("node"):
        return "node is not here"
    return "" if (UI / "node_modules").is_dir() else "the packages of ui/ are not here: `make ui` fetches them"


needs_node = pytest.mark.skipif(bool(why_nothing_is_built()), reason=why_nothing_is_built() or "it can be built")


@needs_node
def test_the_files_that_are_served_are_what_the_source_makes(tmp_path: Path) -> None:
    subprocess.run(["node", "build.mjs", str(tmp_path / "built")], cwd=UI, check=True)
    built = {path.name: path.read_bytes() for path in (tmp_path / "built").iterdir()}
    assert sorted(built) == sorted(path.name for path in FILES.iterdir())
    assert [name for name, content in built.items() if content != (FILES / name).read_bytes()] == []


@needs_node
def test_the_source_has_the_types_that_it_says() -> None:
    done = subprocess.run(["npm", "run", "--silent", "check"], cwd=UI, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_package_has_one_version_and_a_digest() -> None:
    package = json.loads((UI / "package.json").read_text())
    wanted = package["dependencies"] | package["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    locked = json.loads((UI / "package-lock.json").read_text())["packages"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    fetched = {name: one for name, one in locked.items() if name}
    assert [name for name, one in fetched.items() if not one.get("integrity", "").startswith("sha512-")] == []
    assert [name for name, one in fetched.items() if "resolved" in one] == []


def test_the_licence_of_each_package_that_is_served_goes_with_it() -> None:
    notices = (FILES / "licences.txt").read_text()
    locked = json.loads((UI / "package-lock.json").read_text())["packages"]
    for name in ("preact", "@dagrejs/dagre", "@dagrejs/graphlib"):
        assert f"{name} {locked[f'node_modules/{name}']['version']}\n" in notices


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(UI)))
def test_no_source_makes_html_or_code_of_text(source: Path) -> None:
    text = source.read_text()
    risky = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|dangerously|\beval\(|new Function|srcdoc|localStorage"
    )
    assert re.findall(risky, text) == []
    assert len(text.splitlines()) < 480
