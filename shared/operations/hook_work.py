"""What a hook has run in Azure, as those know it who begin, read and end it."""

from typing import Literal

from shared.messages import Message


class HookWork(Message):
    """A script or a runbook job that a hook has run.

    Attributes:
        id: Unique for the run, the moment and the hook: names in Azure are made of it.
        target: ARM id of the Arc machine, or of the runbook.
        message_member: Which member of what it writes everybody may read; empty for none.
        keep_output: Whether the end of its output is kept.
        secrets: References to the secrets that it was given: their values are taken out of what is kept.
    """

    id: str
    operation: str
    kind: Literal["run-command", "runbook"]
    target: str
    message_member: str = ""
    keep_output: bool = False
    secrets: tuple[str, ...] = ()
