"""The world of `world`, with recovery plans that run group after group as Site Recovery's do."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from orchestrators.durable.entities import recovery_plan_mirrors
from shared import activity
from shared.messages import VaultRef
from shared.plans.plan import PlanDocument
from shared.recovery.contract import READ_RECOVERY_PLAN_JOB, START_RECOVERY_PLAN, ReadRecoveryPlanJob, StartRecoveryPlan
from shared.recovery_plans.contract import READ_MIRROR, MirrorRead, ReadMirror
from shared.recovery_plans.mirror import FoundPart, survey_mirror
from shared.recovery_plans.parts import PlanPart, shape_digest
from shared.site_recovery import contract as c
from shared.site_recovery.contract import ChildJob, JobEnd, JobResumed, RecoveryPlanJobView, RecoveryPlanStarted
from tests.driver import Clock
from tests.orchestrators.test_runbooks import ORDER, SITE, Bench, plan
from tests.orchestrators.world import LIFE, Machine, World

ORDERED = {"TestFailover", "PlannedFailover", "UnplannedFailover", "Failback"}


@dataclass
class PlanJob:
    """A recovery plan's job; `manual` is the group after which it waits for a person, -1 for none."""

    ask: StartRecoveryPlan
    groups: list[list[str]]
    children: dict[str, str] = field(default_factory=dict)
    manual: int = -1
    waits: bool = False
    over: bool = False
    comments: str = ""


@dataclass
class PlanWorld(World):
    """What was sent to recovery plans stands in `sent` under their names."""

    plans: dict[str, PlanPart] = field(default_factory=dict)
    plan_jobs: dict[str, PlanJob] = field(default_factory=dict)
    manual: dict[str, int] = field(default_factory=dict)
    passes_over: set[str] = field(default_factory=set)
    plan_unanswered: int = 0
    plan_busy: int = 0

    def mirror(self, document: PlanDocument) -> None:
        """Have the recovery plans as our plan says."""
        vaults = {VaultRef.from_id(SITE.vault).key: [machine.view() for machine in self.machines.values()]}
        self.plans = {
            part.name: part for part in survey_mirror("payroll", document, {"hci-01": SITE}, vaults, ()).wanted
        }

    def activities(self) -> Any:
        mine: dict[activity.Activity[Any, Any], Any] = {
            READ_MIRROR: self.read_mirror,
            START_RECOVERY_PLAN: self.start_plan,
            READ_RECOVERY_PLAN_JOB: self.read_plan_job,
            c.RESUME_JOBS: self.resume_jobs,
        }
        return super().activities() | {one.name: self._served(one, do) for one, do in mine.items()}

    def read_mirror(self, _ask: ReadMirror) -> MirrorRead:
        return MirrorRead(found=tuple(FoundPart(part=part) for part in self.plans.values()))

    def start_plan(self, ask: StartRecoveryPlan) -> RecoveryPlanStarted:
        name = f"{ask.operation}/{ask.name}/{ask.verb}/{ask.attempt}"
        if name in self.plan_jobs:
            return RecoveryPlanStarted(vm=ask.name, outcome="started", job=name)
        part = self.plans.get(ask.name)
        if part is None or shape_digest(part) != ask.shape:
            return RecoveryPlanStarted(
                vm=ask.name, outcome="refused", code="recovery-plan-drifted", detail="it has changed"
            )
        if self.plan_busy > 0:
            self.plan_busy -= 1
            return RecoveryPlanStarted(vm=ask.name, outcome="busy", code="recovery-plan-busy", detail="it is being run")
        groups = [[member.vm for member in group.members] for group in part.boot_groups]
        if ask.verb not in ORDERED:
            groups = [[vm for group in groups for vm in group]]
        self.sent.append((ask.name, ask.verb))
        self.plan_jobs[name] = PlanJob(ask, groups, manual=self.manual.get(ask.verb, -1))
        if self.plan_unanswered > 0:
            self.plan_unanswered -= 1
            return RecoveryPlanStarted(vm=ask.name, outcome="unanswered", detail="503 after the work")
        return RecoveryPlanStarted(vm=ask.name, outcome="started", job=name)

    def _pass(self) -> None:
        super()._pass()
        for name, job in self.plan_jobs.items():
            if not job.over and not job.waits:
                self._walk(name, job)

    def _walk(self, name: str, job: PlanJob) -> None:
        """Begin each group once the jobs of the one before are over."""
        for at, group in enumerate(job.groups):
            for vm in (vm for vm in group if vm not in job.children and vm not in self.passes_over):
                job.children[vm] = self._begin(name, job, vm)
            mine = [self.jobs[job.children[vm]] for vm in group if vm in job.children]
            job.waits = any(one["over"] and one.get("waits") for one in mine)
            if job.waits or not all(one["over"] for one in mine):
                return
            if job.manual == at:
                job.manual, job.waits = -1, True
                return
        job.over = True

    def _begin(self, name: str, job: PlanJob, vm: str) -> str:
        machine, verb = self.machines[vm], job.ask.verb
        step = "FinalizeFailback" if verb == "Commit" and "FinalizeFailback" in machine.allowed else verb
        assert step in machine.allowed, (vm, step, machine.allowed)
        due = self.clock.now + timedelta(minutes=LIFE[step][3])
        child = f"{name}/{vm}"
        waits = step == "Failback" and job.ask.options.data_sync == "minimise-downtime"
        self.jobs[child] = {"vm": vm, "step": step, "due": due, "over": False, "waits": waits}
        machine.busy = step
        return child

    def read_plan_job(self, ask: ReadRecoveryPlanJob) -> RecoveryPlanJobView:
        job = self.plan_jobs[ask.job]
        self._pass()
        children = tuple(ChildJob(vm=vm, job=child) for vm, child in job.children.items())
        if job.waits:
            waits = "the manual action call the office: dial 123"
            return RecoveryPlanJobView(state="suspended", waits_for=waits, children=children)
        if not job.over:
            return RecoveryPlanJobView(state="running", children=children)
        bad = len([vm for vm, child in job.children.items() if self.jobs[child].get("failed")])
        state = "Failed" if bad == len(job.children) else "PartiallySucceeded" if bad else "Succeeded"
        outcome: Any = "failed" if state == "Failed" else "succeeded"
        return RecoveryPlanJobView(
            state="ended", children=children, end=JobEnd(job=ask.job, outcome=outcome, state=state)
        )

    def resume_jobs(self, ask: c.ResumeJobs) -> c.JobsResumed:
        theirs = [one.job for one in ask.jobs if one.job in self.plan_jobs]
        for name in theirs:
            job = self.plan_jobs[name]
            job.waits, job.comments = False, ask.comments
            for child in job.children.values():
                self.go_on(child)
        answers = tuple(JobResumed(vm=one.vm, outcome="resumed") for one in ask.jobs)
        return c.JobsResumed(answers=answers) if theirs else super().resume_jobs(ask)


class PlanBench(Bench):
    """The bench of the runbooks, for plans with engine site-recovery."""

    world: PlanWorld

    def __init__(self, **changes: Any) -> None:
        super().__init__()
        self.document = plan(engine="site-recovery", **changes)
        self.world = PlanWorld(Clock(), {vm: Machine(vm) for vm in ORDER})
        self.world.mirror(self.document)
        self.driver.clock = self.world.clock
        self.driver.activities = self.world.activities()
        self.driver.entities = {**self.driver.entities, "recovery_plan_mirrors": recovery_plan_mirrors}
