"""What a hook has run in Azure, as those know it who begin, read and end it."""

from typing import Literal

from shared.messages import Message


class HookWork(Message):
    """A script or a runbook job that a hook has run.

    Attributes:
        id: Unique for the run, the moment and the hook: names in Azure are made of it.
        target: ARM id of the Arc machine, or of the runbook.
    """

    id: str
    operation: str
    kind: Literal["run-command", "runbook"]
    target: str
