"""Lines of the log that alerts and the workbook read: a mark, and facts as JSON behind it.

They are bounded, and hold names and numbers only: no text that a person or Azure wrote.
"""

import json
from collections.abc import Mapping

TURNING_POINT = "turning-point"
"""A run, an obligation, a node or the timer has come to a turning point: once each time its event is sent."""
TIMER_LOOK_ENDED = "timer-look-ended"
"""The timer has come to the end of a look."""
ARM_THROTTLED = "arm-throttled"
"""Azure Resource Manager has answered 429."""
LONGEST_VALUE = 200

type Fact = str | int | float | bool


def log_line(mark: str, facts: Mapping[str, Fact]) -> str:
    """One line; a longer text is cut."""
    bounded = {name: value[:LONGEST_VALUE] if isinstance(value, str) else value for name, value in facts.items()}
    return f"{mark} {json.dumps(bounded)}"
