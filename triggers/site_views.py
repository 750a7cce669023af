"""What is shown of a run on a site besides what every run shows. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from durabletask.client import OrchestrationState

type Part = Callable[[OrchestrationState, Mapping[str, Any]], dict[str, Any]]

PARTS: Mapping[str, Part] = {}
"""By kind; each makes its part of the run's input and of its custom status, once ended of its output's facts."""


def site_part(state: OrchestrationState, status: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a kind; nothing for one that has none."""
    part = PARTS.get(state.name)
    return part(state, status) if part else {}
