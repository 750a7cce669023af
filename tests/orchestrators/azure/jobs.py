"""The vault's jobs: verbs start them, time ends them, and then their item has another state."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.replication.contract import StartProtection
from shared.site_recovery.contract import (
    ItemStart,
    JobEnd,
    JobResumed,
    JobsResumed,
    JobsWatched,
    ResumeJobs,
    StartAnswer,
    StartsMade,
    StartVerbs,
    WatchJobs,
)
from tests.driver import Clock
from tests.orchestrators.azure.protected_items import LIFE, Machine, ProtectedItems


@dataclass
class Job:
    """One job of the vault.

    Attributes:
        machine: The one it changes, if any.
        waits: It stops once it is over, until it is resumed; then it takes three minutes more.
        failure: How it fails, if it does.
    """

    vm: str
    step: str
    started: datetime
    due: datetime
    machine: Machine | None = None
    waits: bool = False
    is_over: bool = False
    failure: JobEnd | None = None


@dataclass
class Jobs:
    """Stands for the vault's jobs and the verbs that start them.

    Attributes:
        by_id: All jobs there were, in the order of their start.
        sent: Verbs that were taken, by VM or recovery plan, in order.
        resumed: VMs whose jobs were resumed.
        failures: By VM and verb, how its job ends.
        unanswered: By VM, how many of its next verbs are taken and not answered.
        conflicts: By VM and verb, how many of its next attempts collide with something.
        pace: How long jobs take, by their usual time.
    """

    clock: Clock
    items: ProtectedItems
    by_id: dict[str, Job] = field(default_factory=dict)
    sent: list[tuple[str, str]] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    failures: dict[tuple[str, str], JobEnd] = field(default_factory=dict)
    unanswered: dict[str, int] = field(default_factory=dict)
    conflicts: dict[tuple[str, str], int] = field(default_factory=dict)
    pace: float = 1
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    def add(self, job_id: str, vm: str, step: str, takes: timedelta, machine: Machine | None = None) -> Job:
        """Begin a job, and keep its machine busy with it."""
        now = self.clock.now
        job = self.by_id[job_id] = Job(vm, step, now, now + takes, machine)
        if machine:
            machine.busy = step
        return job

    def end_due_jobs(self) -> None:
        for job in self.by_id.values():
            if job.is_over or job.due > self.clock.now:
                continue
            job.is_over = True
            if not job.waits:
                self._end(job)

    def _end(self, job: Job) -> None:
        job.failure = self.failures.get((job.vm, job.step))
        if job.machine:
            job.machine.busy = "None"
            if job.failure is None:
                job.machine.reach(job.step)

    def start_verbs(self, ask: StartVerbs) -> StartsMade:
        return StartsMade(answers=tuple(self._start_verb(ask, one) for one in ask.starts))

    def _start_verb(self, ask: StartVerbs, one: ItemStart) -> StartAnswer:
        job_id = f"{ask.operation}/{one.vm}/{ask.verb}/{one.attempt}"
        machine = self.items.find_machine(one.item_id)
        if self.conflicts.get((one.vm, ask.verb), 0) > 0:
            self.conflicts[one.vm, ask.verb] -= 1
            return StartAnswer(vm=one.vm, outcome="put-off", code="Conflict", detail="still processing")
        if job_id in self.by_id:
            return StartAnswer(vm=one.vm, outcome="started", job=job_id)
        if ask.only_adopt:
            return StartAnswer(vm=one.vm, outcome="refused", code="aborted", detail="it was not sent")
        if machine.busy != "None" and not one.found_ready:  # as the activity finds it when it reads the item itself
            return StartAnswer(vm=one.vm, outcome="busy", code="item-busy", detail=f"busy with {machine.busy}")
        step = step_of(ask.verb, machine)
        if step not in machine.allowed and not (step == "CancelFailover" and "Commit" in machine.allowed):
            return StartAnswer(
                vm=one.vm, outcome="refused", code="not-allowed", detail=f"{one.vm} allows {machine.allowed}"
            )
        self.sent.append((one.vm, step))
        takes = timedelta(minutes=(LIFE[step][3] + self.chance.random()) * self.pace)
        job = self.add(job_id, one.vm, step, takes, machine)
        job.waits = step == "Failback" and ask.options.data_sync == "minimise-downtime"
        if self.unanswered.get(one.vm, 0) > 0:
            self.unanswered[one.vm] -= 1
            return StartAnswer(vm=one.vm, outcome="unanswered", detail="503 after the work")
        return StartAnswer(vm=one.vm, outcome="started", job=job_id)

    def start_protection(self, ask: StartProtection) -> StartsMade:
        """Only updates; a machine is set once, and has its settings from then on."""
        answers = []
        for one in ask.starts:
            job_id = f"{ask.operation}/{one.vm}/{ask.action}/{one.attempt}"
            if self.items.settings.get(one.vm) == one.settings and job_id not in self.by_id:
                answers.append(StartAnswer(vm=one.vm, outcome="refused", code="nothing-to-do", detail="as it is"))
                continue
            if job_id not in self.by_id:
                self.sent.append((one.vm, "UpdateVmProperties"))
                self.add(job_id, one.vm, "UpdateVmProperties", timedelta(seconds=20))
                self.items.settings[one.vm] = one.settings
            answers.append(StartAnswer(vm=one.vm, outcome="started", job=job_id))
        return StartsMade(answers=tuple(answers))

    def watch_jobs(self, ask: WatchJobs) -> JobsWatched:
        over = [job_id for job_id in (*ask.jobs, *ask.paused) if self.by_id[job_id].is_over]
        ended = [job_id for job_id in over if job_id in ask.jobs or not self.by_id[job_id].waits]
        running = tuple(job_id for job_id in ask.paused if not self.by_id[job_id].is_over)
        return JobsWatched(ended=tuple(self._view_end(job_id) for job_id in ended), running=running)

    def _view_end(self, job_id: str) -> JobEnd:
        job = self.by_id[job_id]
        if job.waits:
            return JobEnd(job=job_id, outcome="suspended", state="Suspended", detail="WaitingForUserInputAfterDataSync")
        if job.failure:
            return job.failure.model_copy(update={"job": job_id})
        machine = job.machine
        is_renamed = machine and machine.renamed and job.step in {"PlannedFailover", "UnplannedFailover"}
        warnings = (f"28175: The VM name '{job.vm}' was modified.",) if is_renamed else ()
        return JobEnd(
            job=job_id,
            outcome="succeeded",
            state="Succeeded",
            began=job.started,
            ended=job.due,
            azure_vm=f"{job.vm}-test" if job.step == "TestFailover" else "",
            warnings=warnings,
            renamed=bool(is_renamed),
        )

    def resume_jobs(self, ask: ResumeJobs) -> JobsResumed:
        for one in ask.jobs:
            self.resume_job(one.job)
        return JobsResumed(answers=tuple(JobResumed(vm=one.vm, outcome="resumed") for one in ask.jobs))

    def resume_job(self, job_id: str) -> None:
        """Resume a job that waits; one that does not is left alone."""
        job = self.by_id[job_id]
        if job.waits and job.is_over:
            self.resumed.append(job.vm)
            job.waits, job.is_over, job.due = False, False, self.clock.now + timedelta(minutes=3)


def step_of(verb: str, machine: Machine) -> str:
    """What the verb does to the machine: a commit after a failback is another than one after a failover."""
    return "FinalizeFailback" if verb == "Commit" and "FinalizeFailback" in machine.allowed else verb
