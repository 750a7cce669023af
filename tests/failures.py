"""What went wrong in a run, as lines to compare."""

from collections.abc import Mapping
from typing import Any

from shared.obstacle import Obstacle


def failure_texts(outcome: Mapping[str, Any]) -> list[str]:
    """Each failure of an outcome or of a run's view in one line: "sql: 28031: test failover: no room"."""
    return [Obstacle.model_validate(one).text for one in outcome["failures"]]
