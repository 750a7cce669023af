"""Each package is kept once and comes back as it was; a deployment that does not work fails, and is taken back."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tools.releases import NotKept, find_working, get_package, keep_package, list_packages, main, name_of, note_working

ROOT = Path(__file__).parents[2]
AZ = '''#!{python}
"""Stands for the Azure CLI: blobs are files of a folder, and each command is one line of a log."""
import json, os, sys
from pathlib import Path
store, words = Path(os.environ["FAKE_STORE"]), sys.argv[1:]
with (store.parent / "az.log").open("a") as log:
    log.write(" ".join(words) + "\\n")
given = dict(zip(words, words[1:]))
if os.environ.get("FAKE_AZ_FAILS") and os.environ["FAKE_AZ_FAILS"] in " ".join(words):
    sys.exit("ERROR: AuthorizationPermissionMismatch")
if words[:3] == ["storage", "blob", "list"]:
    blobs = sorted(store.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    times = [f"{{one.stat().st_mtime_ns:020}}" for one in blobs]
    print(json.dumps([{{"name": one.name, "properties": {{"creationTime": at}}}} for one, at in zip(blobs, times)]))
elif words[:3] == ["storage", "blob", "upload"]:
    blob = store / given["--name"]
    if blob.exists() and given["--overwrite"] == "false":
        sys.exit("ERROR: BlobAlreadyExists")
    blob.write_bytes(Path(given["--file"]).read_bytes())
elif words[:3] == ["storage", "blob", "download"]:
    blob = store / given["--name"]
    if not blob.exists():
        sys.exit("ERROR: BlobNotFound")
    Path(given["--file"]).write_bytes(blob.read_bytes())
elif words[:2] == ["account", "get-access-token"]:
    print("t0ken")
elif words[:3] == ["functionapp", "keys", "list"]:
    print("k3y")
'''


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    write_script(tmp_path / "bin" / "az", AZ.format(python=sys.executable))
    folder = tmp_path / "store"
    folder.mkdir()
    monkeypatch.setenv("FAKE_STORE", str(folder))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return folder


def write_script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def package(folder: Path, content: bytes, release: str = "0.1.0") -> Path:
    path = folder / f"hci-site-recovery-{release}.zip"
    path.write_bytes(content)
    return path


def test_a_package_is_kept_once_and_another_one_of_the_same_release_beside_it(store: Path, tmp_path: Path) -> None:
    first = keep_package("sthostx", package(tmp_path, b"first"))
    assert keep_package("sthostx", package(tmp_path, b"first")) == first
    second = keep_package("sthostx", package(tmp_path, b"second"))
    assert first != second
    assert list_packages("sthostx") == [first, second]
    assert (store / first).read_bytes() == b"first"


def test_a_package_comes_back_as_it_was(store: Path, tmp_path: Path) -> None:
    name = keep_package("sthostx", package(tmp_path, b"first"))
    assert get_package("sthostx", name, tmp_path / "dist").read_bytes() == b"first"


def test_one_that_was_exchanged_is_refused_and_does_not_stay(store: Path, tmp_path: Path) -> None:
    name = keep_package("sthostx", package(tmp_path, b"first"))
    (store / name).write_bytes(b"another")
    with pytest.raises(NotKept, match="not what was kept"):
        get_package("sthostx", name, tmp_path / "dist")
    assert list((tmp_path / "dist").iterdir()) == []


def test_the_last_that_works_is_remembered_and_only_what_is_kept(store: Path, tmp_path: Path) -> None:
    name = keep_package("sthostx", package(tmp_path, b"first"))
    with pytest.raises(NotKept):
        find_working("sthostx")
    note_working("sthostx", name)
    assert find_working("sthostx") == name
    assert list_packages("sthostx") == [name]
    with pytest.raises(NotKept, match="is not kept"):
        note_working("sthostx", "hci-site-recovery-9.9.9-000000000000.zip")


@pytest.mark.parametrize("verb", [["keep", "x.zip"], ["list"], ["get", "x.zip"], ["last"], ["works", "x.zip"]])
def test_what_the_cli_refuses_is_said_and_is_a_failure(
    store: Path, verb: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.zip").write_bytes(b"x")
    monkeypatch.setenv("FAKE_AZ_FAILS", "storage blob")
    assert main(verb, "sthostx") == 1
    assert "AuthorizationPermissionMismatch" in capsys.readouterr().err


def test_without_an_account_or_without_the_cli_it_says_what_is_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["list"], "") == 2
    assert "RELEASES_ACCOUNT" in capsys.readouterr().err
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["list"], "sthostx") == 1
    assert "the Azure CLI is needed" in capsys.readouterr().err


# What stands for the Python of the project in the hooks: the smoke test answers as FAKE_SMOKE says, try by try.
PYTHON = """#!/bin/sh
case "$2" in
tools.smoke)
    echo "smoke $3 token=${{TOKEN:-}} key=${{KEY:-}}" >>"$FAKE_STORE/../smoke.log"
    tries=$(wc -l <"$FAKE_STORE/../smoke.log")
    exit "$(echo "$FAKE_SMOKE" | cut -d' ' -f"$tries")" ;;
tools.dist) echo "{package} digest" ;;
*) exec {python} "$@" ;;
esac
"""


def run_hook(store: Path, name: str, smoke: str, made: Path, **more: str) -> subprocess.CompletedProcess[str]:
    root = store.parent
    write_script(root / "bin" / "project-python", PYTHON.format(python=sys.executable, package=made))
    environment = {
        "PATH": os.environ["PATH"],
        "FAKE_STORE": str(store),
        "FAKE_SMOKE": smoke,
        "PYTHON": str(root / "bin" / "project-python"),
        "PYTHONPATH": str(ROOT),
        "RELEASES_ACCOUNT": "sthostx",
        "APP_URL": "https://func-x.azurewebsites.net",
        "APP_NAME": "func-x",
        "AZURE_RESOURCE_GROUP": "rg",
        "SMOKE_TRIES": "2",
        "SMOKE_PAUSE": "0",
        "KEEP_TRIES": "2",
        "KEEP_PAUSE": "0",
        **more,
    }
    hooks = root / "project" / "infra" / "hooks"
    hooks.mkdir(parents=True, exist_ok=True)
    (root / "project" / "dist").mkdir(exist_ok=True)
    write_script(hooks / f"{name}.sh", (ROOT / "infra" / "hooks" / f"{name}.sh").read_text())
    (root / "smoke.log").write_text("")
    command = ("sh", str(hooks / f"{name}.sh"))
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def deployed(store: Path) -> list[str]:
    lines = (store.parent / "az.log").read_text().splitlines()
    return [line.partition("--src ")[2].split()[0] for line in lines if "config-zip" in line]


def test_a_deployment_that_works_is_kept_and_noted(store: Path, tmp_path: Path) -> None:
    made = package(tmp_path, b"first")
    assert run_hook(store, "predeploy", "", made).returncode == 0
    done = run_hook(store, "postdeploy", "1 0", made, AUTH_CLIENT_ID="client")
    assert done.returncode == 0, done.stderr
    assert find_working("sthostx") == name_of(made)
    assert deployed(store) == []
    assert "token=t0ken key=\n" in (tmp_path / "smoke.log").read_text()


def test_a_deployment_that_does_not_work_fails_and_the_last_that_did_is_put_back(store: Path, tmp_path: Path) -> None:
    good = package(tmp_path, b"good")
    run_hook(store, "predeploy", "", good)
    run_hook(store, "postdeploy", "0", good)
    bad = package(tmp_path, b"bad", "0.2.0")
    run_hook(store, "predeploy", "", bad)
    done = run_hook(store, "postdeploy", "1 1 0", bad)
    assert done.returncode == 1
    assert f"{name_of(package(tmp_path, b'good'))} is back and works" in done.stderr
    (back,) = deployed(store)
    assert (tmp_path / "project" / back).read_bytes() == b"good"
    assert find_working("sthostx").startswith("hci-site-recovery-0.1.0-")
    assert "key=k3y" in (tmp_path / "smoke.log").read_text()


def test_a_first_deployment_that_does_not_work_fails_and_nothing_is_put_back(store: Path, tmp_path: Path) -> None:
    bad = package(tmp_path, b"bad")
    run_hook(store, "predeploy", "", bad)
    done = run_hook(store, "postdeploy", "1 1", bad)
    assert done.returncode == 1
    assert "there is none to put back" in done.stderr
    assert deployed(store) == []


def test_a_package_that_cannot_be_kept_is_not_deployed(store: Path, tmp_path: Path) -> None:
    done = run_hook(store, "predeploy", "", package(tmp_path, b"x"), FAKE_AZ_FAILS="upload")
    assert done.returncode != 0
    assert "AuthorizationPermissionMismatch" in done.stderr


def test_azd_runs_both_hooks_and_goes_on_after_no_failure() -> None:
    hooks = yaml.safe_load((ROOT / "azure.yaml").read_text())["hooks"]
    assert {name: hook["run"] for name, hook in hooks.items()} == {
        name: f"infra/hooks/{name}.sh" for name in ("predeploy", "postdeploy")
    }
    for hook in hooks.values():
        assert os.access(ROOT / hook["run"], os.X_OK)
        assert not hook.get("continueOnError")


def test_what_the_hooks_read_is_what_the_deployment_gives() -> None:
    outputs = set(json.loads((ROOT / "infra/main.json").read_text())["outputs"])
    assert {"APP_NAME", "APP_URL", "RELEASES_ACCOUNT"} <= outputs
