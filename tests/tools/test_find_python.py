"""The commands find a Python 3.13 by running candidates, whatever those are called."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
ANSWERS_TRUE = "#!/bin/sh\necho True\n"
IS_ANOTHER_VERSION = "#!/bin/sh\necho False\n"
IS_A_SHIM_WITH_NOTHING_BEHIND = "#!/bin/sh\necho 'not installed' >&2\nexit 127\n"


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def find(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the finder where nothing but the folder's bin/ can be found."""
    return subprocess.run(
        ["/bin/sh", str(ROOT / "tools/find-python.sh")],
        env={"PATH": str(folder / "bin"), "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_variable_comes_first(tmp_path: Path) -> None:
    program(tmp_path / "bin/python3.13", ANSWERS_TRUE)
    mine = program(tmp_path / "mine", ANSWERS_TRUE)
    assert find(tmp_path, PYTHON=str(mine)).stdout.strip() == str(mine)


def test_a_shim_that_does_not_run_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path / "bin/python3.13", IS_A_SHIM_WITH_NOTHING_BEHIND)
    program(tmp_path / "bin/python3", ANSWERS_TRUE)
    assert find(tmp_path).stdout.strip() == "python3"


def test_pyenvs_versions_are_looked_at(tmp_path: Path) -> None:
    program(tmp_path / "bin/python3.13", IS_A_SHIM_WITH_NOTHING_BEHIND)
    program(tmp_path / "bin/python3", IS_ANOTHER_VERSION)
    behind = program(tmp_path / ".pyenv/versions/3.13.2/bin/python", ANSWERS_TRUE)
    assert find(tmp_path).stdout.strip() == str(behind)


def test_uv_is_asked_last(tmp_path: Path) -> None:
    program(tmp_path / "bin/python3.13", IS_A_SHIM_WITH_NOTHING_BEHIND)
    program(tmp_path / "bin/python3", IS_ANOTHER_VERSION)
    managed = program(tmp_path / "managed/python", ANSWERS_TRUE)
    program(tmp_path / "bin/uv", f"#!/bin/sh\necho {managed}\n")
    assert find(tmp_path).stdout.strip() == str(managed)


def test_without_one_a_line_says_what_to_install(tmp_path: Path) -> None:
    program(tmp_path / "bin/python3.13", IS_A_SHIM_WITH_NOTHING_BEHIND)
    program(tmp_path / "bin/python3", IS_ANOTHER_VERSION)
    answer = find(tmp_path)
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert len(answer.stderr.splitlines()) == 1
    assert "Python 3.13 is needed" in answer.stderr
