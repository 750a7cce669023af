"""How long runs wait for what Site Recovery and Azure Resource Manager do, and why."""

from datetime import timedelta

RESUME_TAKES_HOLD = timedelta(minutes=2)
"""How long a job may still show as suspended after it was resumed; assumed."""
PROMISE_HOLDS = timedelta(minutes=1)
"""How long after its moment a promise of requests may be used: the engine's timers fire up to half a minute late."""
