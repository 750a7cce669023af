"""Reads the roles, and records what the product asks of Azure."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from lab.azure.arm.permissions import action_of
from lab.azure.simulator.requests import ArmRequest
from tests.roles.product_calls import CALLS, answer_yes
from tests.shared.azure.fake import Asked, standing

ROOT = Path(__file__).parents[2]
ROLES = ROOT / "infra" / "roles"
WATCHED = (str(ROOT / "shared" / "azure"), str(ROOT / "activities"))


@cache
def read_role(name: str) -> Mapping[str, Any]:
    """A role as the repository has it."""
    content: dict[str, Any] = json.loads((ROLES / f"{name}.json").read_text())
    return content


def actions_of(asked: list[Asked]) -> set[str]:
    """The actions that requests to ARM need."""
    requests = (
        ArmRequest(one.method, one.path, {}, {}, None, "", datetime.now(UTC))
        for one in asked
        if one.path.startswith("/subscriptions/")
    )
    return {action_of(request) for request in requests}


async def record_story(name: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The actions of all that the product does in a role's story."""
    async with standing(monkeypatch) as fake:
        answer_yes(fake)
        for call in CALLS[name]:
            await call()
        return actions_of(fake.asked)


@contextmanager
def watching_lines() -> Iterator[set[tuple[str, int]]]:
    """File and number of each line of the product's clients and activities that runs meanwhile."""
    seen: set[tuple[str, int]] = set()
    monitoring = sys.monitoring
    tool = next(number for number in range(6) if monitoring.get_tool(number) is None)

    def note(code: CodeType, line: int) -> object:
        if code.co_filename.startswith(WATCHED):
            seen.add((code.co_filename, line))
        return monitoring.DISABLE

    monitoring.use_tool_id(tool, "roles")
    monitoring.register_callback(tool, monitoring.events.LINE, note)
    monitoring.set_events(tool, monitoring.events.LINE)
    monitoring.restart_events()
    try:
        yield seen
    finally:
        monitoring.set_events(tool, monitoring.events.NO_EVENTS)
        monitoring.free_tool_id(tool)
