"""Each role holds the actions of its story, nothing less and nothing more."""

import ast
import re
from pathlib import Path

import pytest

from tests.roles.product_calls import CALLS
from tests.roles.recorded import ROLES, ROOT, WATCHED, actions_of, read_role, record_story, watching_lines
from tests.shared.azure.fake import Asked

REQUESTS = frozenset(
    {
        "_send_request",
        "delete_resource",
        "find_resource",
        "find_one",
        "list_all",
        "list_all_with_time",
        "list_collection",
        "post_action",
        "put_resource",
        "read_one",
        "read_pages",
        "read_resource",
        "read_text",
        "send_operation",
        "send_request",
    }
)
"""What sends a request to ARM, by the name that it is called by."""
OF_DATA = {
    "upload_blob": ("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action",),
    "download_blob": ("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",),
    "list_blob_names": ("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",),
    "send": ("Microsoft.EventGrid/events/send/action",),
    "key_vault_client": (
        "Microsoft.KeyVault/vaults/secrets/getSecret/action",
        "Microsoft.KeyVault/vaults/keys/read",
        "Microsoft.KeyVault/vaults/keys/sign/action",
    ),
}
"""Calls of data planes, and the data actions of each. Source: "Authorize with Microsoft Entra ID" of each REST API."""
ELSEWHERE = {
    ("nodes.py", "read_text"),
    ("key_vault.py", "send_request"),
    ("evidence_key.py", "send_request"),
    ("http_pipeline.py", "send"),
    ("request_pacer.py", "send"),
}
"""Not to ARM: a file, a key vault; and what every request goes through."""


def places_that_ask() -> set[tuple[str, int, int, str]]:
    """File, first and last line, and name of each call in the product that sends a request to ARM."""
    found = set()
    for folder in WATCHED:
        for path in Path(folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and (name := _name_of(node.func)) in REQUESTS:
                    found.add((str(path), node.lineno, node.end_lineno or node.lineno, name))
    return {each for each in found if (Path(each[0]).name, each[3]) not in ELSEWHERE}


def _name_of(called: ast.expr) -> str:
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


def data_calls() -> set[str]:
    folders = (Path(folder).rglob("*.py") for folder in WATCHED)
    names = {
        _name_of(node.func)
        for paths in folders
        for path in paths
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and (path.name, _name_of(node.func)) not in ELSEWHERE
    }
    return names & set(OF_DATA)


@pytest.mark.parametrize("name", sorted(set(CALLS) - {"reader"}))
async def test_a_role_has_what_its_story_changes_and_nothing_else(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = await record_story(name, monkeypatch)
    assert {each for each in asked if not each.endswith("/read")} == set(read_role(name)["actions"])


async def test_the_reader_has_every_read_of_every_story_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = set[str]()
    for name in CALLS:
        asked |= {each for each in await record_story(name, monkeypatch) if each.endswith("/read")}
    assert {each.lower() for each in asked} == {each.lower() for each in read_role("reader")["actions"]}


async def test_no_request_of_the_product_is_left_out_of_the_stories(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that is added to a client or an activity must be in a story, so that a role has its action."""
    with watching_lines() as lines:
        for name in CALLS:
            await record_story(name, monkeypatch)
    left_out = [
        f"{Path(path).relative_to(ROOT)}:{first} {name}"
        for path, first, last, name in sorted(places_that_ask())
        if not any((path, line) in lines for line in range(first, last + 1))
    ]
    assert left_out == []


def test_the_places_that_ask_are_found() -> None:
    names = {name for _, _, _, name in places_that_ask()}
    assert names == REQUESTS
    assert len(places_that_ask()) > 60


def test_the_roles_have_the_data_actions_of_all_data_clients() -> None:
    assert data_calls() == set(OF_DATA)
    held = {each for name in CALLS for each in read_role(name)["dataActions"]}
    assert held == {action for actions in OF_DATA.values() for action in actions}


def test_a_request_becomes_the_action_that_azure_names() -> None:
    vault = "/subscriptions/s1/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/v"
    lock = f"{vault}/providers/Microsoft.Authorization/locks/l"
    named = {
        ("GET", vault): "Microsoft.RecoveryServices/vaults/read",
        ("DELETE", lock): "Microsoft.Authorization/locks/delete",
        (
            "POST",
            f"{vault}/replicationJobs/j/resume",
        ): "Microsoft.RecoveryServices/vaults/replicationJobs/resume/action",
        ("PATCH", "/subscriptions/s1/resourceGroups/g"): "Microsoft.Resources/subscriptions/resourceGroups/write",
    }
    for (method, path), action in named.items():
        assert actions_of([Asked(method, path, {}, {}, None)]) == {action}


@pytest.mark.parametrize("path", sorted(ROLES.glob("*.json")), ids=lambda path: path.stem)
def test_a_role_names_each_action_whole(path: Path) -> None:
    role = read_role(path.stem)
    assert set(role) == {"name", "description", "assignAt", "actions", "linkedActions", "dataActions"}
    actions = [*role["actions"], *role["linkedActions"], *role["dataActions"]]
    assert [
        each for each in actions if not re.fullmatch(r"Microsoft(\.\w+)+(/\w+)+/(read|write|delete|action)", each)
    ] == []
    assert len({each.lower() for each in actions}) == len(actions)


def test_the_page_has_every_role_with_its_scopes() -> None:
    page = (ROOT / "docs/roles.md").read_text()
    assert {path.stem for path in ROLES.glob("*.json")} == set(CALLS)
    for name in CALLS:
        role = read_role(name)
        assert f"`{name}`" in page
        assert role["name"] in page
        assert [scope for scope in role["assignAt"] if scope not in page] == []
        assert [action for action in role["linkedActions"] if f"`{action}`" not in page] == []
