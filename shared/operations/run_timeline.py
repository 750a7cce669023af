"""When a run, its stages and its VMs began and ended: what its spans are made of. Pure."""

from datetime import datetime

from pydantic import Field

from shared.messages import Message

MOST_SPANS = 1000
"""VMs in stages of which a run says the times: a run of more says how many it leaves out."""


class VmSpan(Message):
    """One verb on one VM.

    Attributes:
        stage: Which time the run came to this verb, from 1; a run may commit twice.
        code: Why it failed, empty where it did not.
    """

    vm: str
    verb: str
    stage: int = 1
    began: datetime
    ended: datetime
    job: str = ""
    code: str = ""


class PhaseSpan(Message):
    """A phase of a run that goes step by step, such as a repair."""

    name: str
    began: datetime
    ended: datetime


class RunTimeline(Message):
    """A run that has ended.

    Attributes:
        subject: What it was about, as its events say it: "plans/payroll", "nodes/hci-01-n2".
        states: How many VMs stand where.
        left_out: How many spans of VMs are not in `vms`.
    """

    run: str
    kind: str
    subject: str
    state: str
    began: datetime
    ended: datetime
    states: dict[str, int] = Field(default_factory=dict)
    phases: tuple[PhaseSpan, ...] = ()
    vms: tuple[VmSpan, ...] = ()
    left_out: int = 0
