"""The vault's recovery plans: they are written and read, and run group after group as Site Recovery's do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from shared.messages import VaultRef
from shared.plans.plan import PlanDocument
from shared.recovery.contract import ReadRecoveryPlanJob, StartRecoveryPlan
from shared.recovery_plans.contract import MirrorRead, PartWritten, ReadMirror, WritePart
from shared.recovery_plans.mirror import FoundPart, is_in_step, survey_mirror
from shared.recovery_plans.parts import PlanPart, shape_digest
from shared.site_recovery.contract import (
    ChildJob,
    JobEnd,
    JobResumed,
    JobsResumed,
    RecoveryPlanJobView,
    RecoveryPlanStarted,
    ResumeJobs,
)
from shared.sites.site import SiteDocument
from tests.orchestrators.azure.jobs import Jobs, step_of
from tests.orchestrators.azure.protected_items import LIFE

ORDERED = {"TestFailover", "PlannedFailover", "UnplannedFailover", "Failback"}
WRITING_TAKES = timedelta(seconds=1)
"""A write takes effect at once, and its job has not ended yet when it is first watched."""


@dataclass
class PlanJob:
    """A recovery plan's job; `manual` is the group after which it waits for a person, -1 for none."""

    ask: StartRecoveryPlan
    groups: list[list[str]]
    children: dict[str, str] = field(default_factory=dict)
    manual: int = -1
    waits: bool = False
    is_over: bool = False
    comments: str = ""


@dataclass
class RecoveryPlans:
    """Stands for the vault's recovery plans and their jobs; verbs to them stand in `jobs.sent` under their names.

    Attributes:
        parts: The recovery plans by name.
        written: What was written, in order.
        busy_with: The scenario that they run, as they are read.
        write_error: The code with which the next writes fail.
        plan_jobs: Their jobs by id.
        manual_actions: By verb, the group after which its next job waits for a person.
        skipped_vms: Machines that no job of a recovery plan touches.
        unanswered: How many of the next verbs are taken and not answered.
        busy_starts: How many of the next verbs find them busy.
    """

    jobs: Jobs
    parts: dict[str, PlanPart] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    busy_with: str = ""
    write_error: str = ""
    plan_jobs: dict[str, PlanJob] = field(default_factory=dict)
    manual_actions: dict[str, int] = field(default_factory=dict)
    skipped_vms: set[str] = field(default_factory=set)
    unanswered: int = 0
    busy_starts: int = 0

    def mirror_plan(self, name: str, document: PlanDocument, sites: Mapping[str, SiteDocument]) -> None:
        """Have the recovery plans as our plan says."""
        views = [machine.view() for machine in self.jobs.items.machines.values()]
        vaults = {VaultRef.from_id(site.vault).key: views for site in sites.values()}
        self.parts = {part.name: part for part in survey_mirror(name, document, dict(sites), vaults, ()).wanted}

    def read_mirror(self, _ask: ReadMirror) -> MirrorRead:
        return MirrorRead(found=tuple(FoundPart(part=part, busy_with=self.busy_with) for part in self.parts.values()))

    def write_part(self, ask: WritePart) -> PartWritten:
        part, current = ask.write.part, self.parts.get(ask.write.part.name)
        if current is None if ask.write.what == "remove" else current and is_in_step(part, current):
            return PartWritten(outcome="kept")
        self.written.append(f"{ask.write.what} {part.name}")
        job_id = f"job-{len(self.written)}"
        self.jobs.add(job_id, part.name, ask.write.what, WRITING_TAKES)
        if self.write_error:
            end = JobEnd(job="", outcome="failed", state="Failed", code=self.write_error, detail="it did not work")
            self.jobs.failures[part.name, ask.write.what] = end
            return PartWritten(outcome="started", job=job_id)
        self.parts = {name: one for name, one in self.parts.items() if name != part.name}
        self.parts |= {} if ask.write.what == "remove" else {part.name: part}
        return PartWritten(outcome="started", job=job_id)

    def start_plan(self, ask: StartRecoveryPlan) -> RecoveryPlanStarted:
        job_id = f"{ask.operation}/{ask.name}/{ask.verb}/{ask.attempt}"
        if job_id in self.plan_jobs:
            return RecoveryPlanStarted(vm=ask.name, outcome="started", job=job_id)
        part = self.parts.get(ask.name)
        if part is None or shape_digest(part) != ask.shape:
            return RecoveryPlanStarted(
                vm=ask.name, outcome="refused", code="recovery-plan-drifted", detail="it has changed"
            )
        if self.busy_starts > 0:
            self.busy_starts -= 1
            return RecoveryPlanStarted(vm=ask.name, outcome="busy", code="recovery-plan-busy", detail="it is being run")
        groups = [[member.vm for member in group.members] for group in part.boot_groups]
        if ask.verb not in ORDERED:
            groups = [[vm for group in groups for vm in group]]
        self.jobs.sent.append((ask.name, ask.verb))
        self.plan_jobs[job_id] = PlanJob(ask, groups, manual=self.manual_actions.get(ask.verb, -1))
        if self.unanswered > 0:
            self.unanswered -= 1
            return RecoveryPlanStarted(vm=ask.name, outcome="unanswered", detail="503 after the work")
        return RecoveryPlanStarted(vm=ask.name, outcome="started", job=job_id)

    def advance_jobs(self) -> None:
        for job_id, job in self.plan_jobs.items():
            if not job.is_over and not job.waits:
                self._advance_job(job_id, job)

    def _advance_job(self, job_id: str, job: PlanJob) -> None:
        """Begin each group once the jobs of the one before are over."""
        for at, group in enumerate(job.groups):
            for vm in (vm for vm in group if vm not in job.children and vm not in self.skipped_vms):
                job.children[vm] = self._start_child(job_id, job, vm)
            children = [self.jobs.by_id[job.children[vm]] for vm in group if vm in job.children]
            job.waits = any(child.is_over and child.waits for child in children)
            if job.waits or not all(child.is_over for child in children):
                return
            if job.manual == at:
                job.manual, job.waits = -1, True
                return
        job.is_over = True

    def _start_child(self, job_id: str, job: PlanJob, vm: str) -> str:
        machine = self.jobs.items.machines[vm]
        step = step_of(job.ask.verb, machine)
        assert step in machine.allowed, (vm, step, machine.allowed)
        child_id = f"{job_id}/{vm}"
        child = self.jobs.add(child_id, vm, step, timedelta(minutes=LIFE[step][3]), machine)
        child.waits = step == "Failback" and job.ask.options.data_sync == "minimise-downtime"
        return child_id

    def read_plan_job(self, ask: ReadRecoveryPlanJob) -> RecoveryPlanJobView:
        job = self.plan_jobs[ask.job]
        self.jobs.end_due_jobs()
        self.advance_jobs()
        children = tuple(ChildJob(vm=vm, job=child) for vm, child in job.children.items())
        if job.waits:
            waits_for = "the manual action call the office: dial 123"
            return RecoveryPlanJobView(state="suspended", waits_for=waits_for, children=children)
        if not job.is_over:
            return RecoveryPlanJobView(state="running", children=children)
        failed = len([child for child in job.children.values() if self.jobs.by_id[child].failure])
        state = "Failed" if failed == len(job.children) else "PartiallySucceeded" if failed else "Succeeded"
        outcome: Any = "failed" if state == "Failed" else "succeeded"
        return RecoveryPlanJobView(
            state="ended", children=children, end=JobEnd(job=ask.job, outcome=outcome, state=state)
        )

    def resume_jobs(self, ask: ResumeJobs) -> JobsResumed:
        """Resume the recovery plans' jobs among them with all their children, else the machines' own."""
        theirs = [one.job for one in ask.jobs if one.job in self.plan_jobs]
        if not theirs:
            return self.jobs.resume_jobs(ask)
        for job_id in theirs:
            job = self.plan_jobs[job_id]
            job.waits, job.comments = False, ask.comments
            for child in job.children.values():
                self.jobs.resume_job(child)
        return JobsResumed(answers=tuple(JobResumed(vm=one.vm, outcome="resumed") for one in ask.jobs))
