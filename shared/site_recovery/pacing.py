"""How long runs wait for what Site Recovery and Azure Resource Manager do, and why."""

from datetime import timedelta

RESUME_TAKES_HOLD = timedelta(minutes=2)
"""How long a job may still show as suspended after it was resumed; assumed."""
ANSWER_AWAITED_FOR = timedelta(minutes=10)
"""How long an answer that is not final is asked for again: a job that is not found, a conflict. Replicas of a service
that are behind, and operations that others have under way, are through by then (assumed)."""
ITEM_FOLLOWS_WITHIN = timedelta(minutes=5)
"""How long an item may still look as before its verb, once the job that nobody can read may have ended; assumed."""
PROMISE_HOLDS = timedelta(minutes=1)
"""How long after its moment a promise of requests may be used: the engine's timers fire up to half a minute late."""
