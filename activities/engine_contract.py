"""The contract's part for verbs that go through recovery plans."""

from datetime import datetime

from activities.contract import Activity
from shared.messages import Message, VaultRef, Verb
from shared.outcomes import PlanJobSeen, PlanStart
from shared.runs import DataSync


class StartPlan(Message):
    """Start a verb on a recovery plan, or adopt the job that an earlier run of this same call started.

    Attributes:
        operation: What request ids are made of, unique for the run and the stage.
        shape: The recovery plan has to be as it was when the run began.
        since: When this was first asked for: no job to adopt is older.
        point_type: For failovers: Latest, LatestProcessed or LatestApplicationConsistent.
        only_adopt: Send nothing, but find what an earlier ask has started: the run was aborted meanwhile.
    """

    vault: VaultRef
    operation: str
    verb: Verb
    name: str
    shape: str
    vms: tuple[str, ...]
    attempt: int = 1
    since: datetime
    network_id: str = ""
    shut_down_source: bool = True
    data_sync: DataSync = "ForSynchronization"
    point_type: str = "Latest"
    only_adopt: bool = False


class ReadPlanJob(Message):
    """Read the job of a recovery plan.

    Attributes:
        pack: The run whose evidence the job is kept in once it has ended; empty not to keep it.
    """

    vault: VaultRef
    job: str
    pack: str = ""


START_PLAN = Activity("start_plan", StartPlan, PlanStart)
READ_PLAN_JOB = Activity("read_plan_job", ReadPlanJob, PlanJobSeen)
