"""The contract's part for hooks that run something in Azure: a script on an Arc machine, or an Automation runbook."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from activities.app_contract import HookRan
from activities.contract import Activity, Nothing
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


class BeginWork(HookWork):
    """Begin it, unless that was done before.

    Attributes:
        script: As the plan has it.
        parameters: Kept in Azure in clear.
        run_on: Group of hybrid workers; empty for Azure itself.
        timeout: How long the script may run.
    """

    script: str = ""
    parameters: dict[str, str] = Field(default_factory=dict)
    run_on: str = ""
    timeout: timedelta = timedelta(minutes=10)


BEGIN_WORK = Activity("begin_hook_work", BeginWork, Nothing)
LOOK_AT_WORK = Activity("look_at_hook_work", HookWork, HookRan)
END_WORK = Activity("end_hook_work", HookWork, Nothing)
