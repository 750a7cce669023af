"""Function, host, master and system keys, made at the first start and kept."""

import base64
import hmac
import json
import secrets
from collections.abc import Iterable
from pathlib import Path

MASTER = "_master"
HOST = "default"
EVENT_GRID = "eventgrid_extension"
DURABLE_TASK = "durabletask_extension"

type KeyFile = dict[str, dict[str, str]]

LAB_KEYS: KeyFile = {
    "host": {HOST: "lab-key", MASTER: "lab-master-key"},
    "system": {EVENT_GRID: "lab-event-key", DURABLE_TASK: "lab-durable-key"},
}
"""What `make lab` lets in: the same each time, so that its pages can name them."""


def write_lab_keys(path: Path) -> None:
    """Give a host the lab's keys before its first start; keys that it has are left alone."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(json.dumps(LAB_KEYS))


def keep_mac_key(state: Path) -> str:
    """The key by which the app of this state knows what it has sent itself, in base64; made at first use."""
    path = state / "mac.key"
    if not path.exists():
        state.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    return path.read_text()


def read_key(path: Path, group: str, name: str) -> str:
    """A key of a host by its place in the file."""
    return str(json.loads(path.read_text())[group][name])


class Keys:
    """Who may call what, read from `keys.json`.

    The file holds `host` (`default`, `_master`), `system_key` (one an extension) and `functions` (one a function).
    """

    def __init__(self, path: Path, functions: Iterable[str]) -> None:
        kept: KeyFile = json.loads(path.read_text()) if path.exists() else {}
        wanted = {"host": (HOST, MASTER), "system": (EVENT_GRID, DURABLE_TASK), "functions": tuple(functions)}
        self._keys: KeyFile = {
            group: {name: kept.get(group, {}).get(name) or secrets.token_urlsafe(32) for name in names}
            for group, names in wanted.items()
        }
        if self._keys != kept:
            path.touch(mode=0o600)
            path.write_text(json.dumps(self._keys, indent=2))

    def system_key(self, name: str) -> str:
        """The key of an extension's webhook."""
        return self._keys["system"][name]

    def allows_function(self, given: str, function: str) -> bool:
        """Whether the key opens a function of level `function`: its own, a host key or the master key."""
        return _is_one_of(given, (self._keys["functions"].get(function, ""), *self._keys["host"].values()))

    def allows_system(self, given: str, extension: str) -> bool:
        """Whether the key opens an extension's webhook."""
        return _is_one_of(given, (self.system_key(extension), self._keys["host"][MASTER]))

    def allows_admin(self, given: str) -> bool:
        """Whether it is the master key."""
        return _is_one_of(given, (self._keys["host"][MASTER],))


def _is_one_of(given: str, keys: Iterable[str]) -> bool:
    return any(hmac.compare_digest(given.encode(), key.encode()) for key in keys if key)
