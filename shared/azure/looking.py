"""For whom Azure is asked now: somebody who only looks, or what starts and runs something."""

from contextvars import ContextVar

ONLY_LOOKS: ContextVar[bool] = ContextVar("ONLY_LOOKS", default=False)
"""Whether what is asked of Azure now is for somebody who only looks: it leaves room for what runs need."""
