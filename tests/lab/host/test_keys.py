"""Keys: made once, and each for what it opens."""

import json
from pathlib import Path

import pytest

from lab.host.keys import DURABLE_TASK, EVENT_GRID, Keys


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_keys_stay_the_same_over_a_restart(path: Path) -> None:
    Keys(path, ["start"])
    kept = path.read_text()
    Keys(path, ["start"])
    assert path.read_text() == kept


def test_a_new_function_gets_a_key_and_the_others_keep_theirs(path: Path) -> None:
    Keys(path, ["start"])
    before = json.loads(path.read_text())
    Keys(path, ["start", "stop"])
    after = json.loads(path.read_text())
    assert after["functions"]["start"] == before["functions"]["start"]
    assert set(after["functions"]) == {"start", "stop"}


def test_each_key_opens_what_it_is_for(path: Path) -> None:
    keys = Keys(path, ["start", "stop"])
    made = json.loads(path.read_text())
    own, host, master = made["functions"]["start"], made["host"]["default"], made["host"]["_master"]
    assert [keys.allows_function(key, "start") for key in (own, host, master)] == [True, True, True]
    assert not keys.allows_function(own, "stop")
    assert not keys.allows_function(keys.system_key(EVENT_GRID), "start")
    assert [keys.allows_admin(key) for key in (own, host, master)] == [False, False, True]
    assert keys.allows_system(keys.system_key(EVENT_GRID), EVENT_GRID)
    assert not keys.allows_system(keys.system_key(EVENT_GRID), DURABLE_TASK)


def test_no_key_opens_nothing(path: Path) -> None:
    keys = Keys(path, ["start"])
    assert not keys.allows_function("", "start")
    assert not keys.allows_function("", "unknown")
    assert not keys.allows_admin("")


def test_nobody_else_reads_the_file(path: Path) -> None:
    Keys(path, ["start"])
    assert path.stat().st_mode & 0o077 == 0
