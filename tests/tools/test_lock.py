"""The lock files belong to pyproject.toml and to each other, and it is noticed when they do not."""

from pathlib import Path

import pytest

from tools.lock import DEPLOYED, DEVELOPED, Wanted, digest, findings, read_pins, read_wanted

ROOT = Path(__file__).parents[2]
WANTED = Wanted(("aiohttp==3.14.5",), ("pytest==9.2.0",))
HEADER = "# made by `make lock` from the dependencies in pyproject.toml, sha256:"
AIOHTTP = "aiohttp==3.14.5 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
PYTEST = "pytest==9.2.0 \\\n    --hash=sha256:cc\n"


def locks(deployed: str = AIOHTTP, developed: str = AIOHTTP + PYTEST) -> dict[str, str]:
    by_file = WANTED.by_file
    return {
        DEPLOYED: f"{HEADER}{digest(by_file[DEPLOYED])}\n{deployed}",
        DEVELOPED: f"{HEADER}{digest(by_file[DEVELOPED])}\n{developed}",
    }


def test_the_repositorys_own_locks_belong_to_its_pyproject() -> None:
    texts = {name: (ROOT / name).read_text() for name in (DEPLOYED, DEVELOPED)}
    assert findings(read_wanted((ROOT / "pyproject.toml").read_text()), texts) == []


def test_locks_that_belong_together_have_no_findings() -> None:
    assert findings(WANTED, locks()) == []


def test_a_dependency_added_to_pyproject_alone_is_found() -> None:
    wanted = Wanted((*WANTED.deployed, "jinja2==3.1.6"), WANTED.developed)
    assert findings(wanted, locks()) == [
        "requirements.txt was made from other dependencies than pyproject.toml's",
        "requirements.txt does not hold jinja2==3.1.6",
        "requirements-dev.lock was made from other dependencies than pyproject.toml's",
        "requirements-dev.lock does not hold jinja2==3.1.6",
    ]


@pytest.mark.parametrize(
    "edited",
    [AIOHTTP.replace("3.14.5", "3.14.4"), AIOHTTP.replace("sha256:bb", "sha256:bd")],
    ids=["another version", "another hash"],
)
def test_a_pin_edited_in_one_file_is_found(edited: str) -> None:
    found = findings(WANTED, locks(deployed=edited))
    assert "aiohttp differs between requirements.txt and requirements-dev.lock" in found


def test_a_pin_edited_in_both_files_is_found() -> None:
    edited = AIOHTTP.replace("3.14.5", "3.14.4")
    assert findings(WANTED, locks(edited, edited + PYTEST)) == [
        "requirements.txt does not hold aiohttp==3.14.5",
        "requirements-dev.lock does not hold aiohttp==3.14.5",
    ]


def test_a_pin_without_a_hash_is_found() -> None:
    assert "requirements-dev.lock: pytest has no hash" in findings(WANTED, locks(developed=AIOHTTP + "pytest==9.2.0\n"))


def test_names_are_compared_as_package_indexes_do() -> None:
    assert set(read_pins("Typing_Extensions==4.16.0 --hash=sha256:dd\n")) == {"typing-extensions"}


def test_no_lock_names_where_packages_came_from() -> None:
    for name in (DEPLOYED, DEVELOPED):
        assert "//" not in (ROOT / name).read_text()
