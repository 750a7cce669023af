"""The package that is deployed: the product and nothing else, equal to the byte each time, and an app by itself."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.infra.test_templates import settings_of_the_app
from tests.lab.host.worker_index import index_in_worker
from tests.release import RELEASE, ROOT
from tools.dist import files_of, main, write_package

TOP = {"function_app.py", "host.json", "requirements.txt", "triggers", "orchestrators", "activities", "shared"}
INDEX = """
import json, function_app
from azure.functions.decorators.function_app import Function
found = function_app.app.get_functions()
print(json.dumps(sorted(one.get_function_name() for one in found)))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    assert main([str(tmp_path / "dist")]) == 0
    (made,) = (tmp_path / "dist").glob("*.zip")
    return made


def test_the_package_has_the_product_and_nothing_else(package: Path) -> None:
    assert package.name == f"hci-site-recovery-{RELEASE}.zip"
    names = zipfile.ZipFile(package).namelist()
    assert {name.partition("/")[0] for name in names} == TOP
    assert [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".env"))] == []
    assert names == sorted(names)
    assert "activities/scripts/read-registration.ps1" in names


def test_the_same_files_make_the_same_bytes(package: Path, tmp_path: Path) -> None:
    os.utime(ROOT / "host.json")
    again = tmp_path / "again.zip"
    digest = write_package(ROOT, again)
    assert again.read_bytes() == package.read_bytes()
    assert package.with_suffix(".zip.sha256").read_text() == f"{digest}  {package.name}\n"


def test_what_is_ignored_is_ignored_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / ".funcignore").write_text("# a comment\n__pycache__/\n*.pyc\nlab/\n.funcignore\n")
    for name in ("a.py", "a.pyc", "deep/b.py", "deep/__pycache__/b.py", "lab/c.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert [path.as_posix() for path in files_of(tmp_path)] == ["a.py", "deep/b.py"]


def test_the_unpacked_package_is_an_app_by_itself(package: Path, tmp_path: Path) -> None:
    folder = tmp_path / "wwwroot"
    zipfile.ZipFile(package).extractall(folder)
    settings = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", INDEX], cwd=folder, env=settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    names = json.loads(done.stdout.splitlines()[-1])
    assert {"start_verb", "put_plan", "get_health", "failover", "documents"} <= set(names)


def test_the_worker_of_azure_indexes_the_package_with_the_settings_of_the_templates_alone(
    package: Path, tmp_path: Path
) -> None:
    zipfile.ZipFile(package).extractall(tmp_path / "wwwroot")
    bare = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    settings = {name: str(value) for name, value in settings_of_the_app().items()}
    in_package = index_in_worker(tmp_path / "wwwroot" / "function_app.py", bare, **settings)
    assert in_package == index_in_worker(ROOT / "function_app.py")
    assert {"start_verb", "failover", "documents", "check_begin"} <= set(in_package)
