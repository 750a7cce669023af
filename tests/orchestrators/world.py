"""What the activities answer, without Azure: a vault that keeps the contract of `activities.contract`.

How Azure itself behaves is the simulated Azure's business; here a runbook is seen on its own.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from shared import activity
from shared.evidence import contract as evidence_contract
from shared.evidence.chain import EvidenceEntry
from shared.failback.leftovers import (
    READ_LEFTOVERS,
    READ_VM_RESOURCES,
    REMOVE_LEFTOVERS,
    Leftover,
    LeftoversRead,
    ReadLeftovers,
    ReadVmResources,
    RemoveLeftovers,
    VmResourcesRead,
    is_removable,
)
from shared.obstacle import Obstacle
from shared.operations import contract as app
from shared.plans.readiness import PreviewFacts, preview_with_readiness, with_preview_digest
from shared.recovery import contract as h
from shared.recovery import contract as recovery_contract
from shared.recovery.contract import (
    CHECK_POINTS,
    KEEP_POINTS,
    TAKE_PREVIEW,
    CheckPoints,
    KeepPoints,
    PointsChecked,
    PointsKept,
    PreviewTaken,
    TakePreview,
)
from shared.recovery.drill import AzureResource, Inventory, mark_of
from shared.replication.contract import START_PROTECTION, StartProtection
from shared.replication.settings import VmSettings
from shared.site_recovery import contract as c
from shared.site_recovery.contract import JobEnd, JobResumed, ProbeAnswer, StartAnswer
from shared.site_recovery.request_budget import Calls
from shared.site_recovery.views import ItemDetail, ItemView
from tests.driver import Clock
from tests.orchestrators.premises import Premises

FAILED_OVER = datetime(2026, 1, 5, 7, tzinfo=UTC)
LIFE = {
    "TestFailover": ("Protected", "Primary", ("TestFailoverCleanup",), 10),
    "TestFailoverCleanup": ("Protected", "Primary", ("PlannedFailover", "UnplannedFailover", "TestFailover"), 3),
    "PlannedFailover": ("PlannedFailoverCommitRequired", "Recovery", ("Commit", "ChangePit"), 6),
    "UnplannedFailover": ("UnplannedFailoverCommitPendingStatesBegin", "Recovery", ("Commit",), 6),
    "Commit": ("PlannedFailoverStatesBegin", "Recovery", ("Failback",), 1),
    "Failback": ("FailbackDone", "Primary", ("FinalizeFailback",), 9),
    "FinalizeFailback": ("FailbackCommitted", "Primary", ("ReverseReplicate",), 1),
    "CancelFailover": ("FailoverCancelled", "Primary", ("DisableProtection",), 1),
    "ChangePit": ("UnplannedFailoverCommitPendingStatesBegin", "Recovery", ("Commit", "ChangePit"), 6),
    "ReverseReplicate": ("Protected", "Primary", ("PlannedFailover", "UnplannedFailover", "TestFailover"), 2),
}


@dataclass
class Machine:
    vm: str
    protection: str = "Protected"
    location: str = "Primary"
    allowed: tuple[str, ...] = LIFE["ReverseReplicate"][2]
    test: str = "None"
    busy: str = "None"
    place: str = "/items"
    hyper_v_site: str = ""
    renamed: str = ""

    @property
    def id(self) -> str:
        return f"{self.place}/{self.vm}"

    @property
    def up(self) -> bool:
        """Whether its test machine is there."""
        return self.test == "WaitingForCompletion"

    @property
    def name(self) -> str:
        """What the item calls its machine in Azure: the real name only once that is there."""
        return self.renamed if self.renamed and self.location == "Recovery" else self.vm

    @property
    def probed_as(self) -> str:
        """Under which name it is to be probed."""
        return f"{self.vm}-test" if self.up else self.renamed or self.vm

    def view(self) -> ItemView:
        return ItemView(
            id=self.id,
            vm=self.vm,
            protection_state=self.protection,
            active_location=self.location,
            test_failover_state=self.test,
            allowed_operations=() if self.busy != "None" else self.allowed,
            scenario=self.busy,
            azure_vm=self.name,
            target_group="/groups/target",
            last_failover=FAILED_OVER,
            hyper_v_site=self.hyper_v_site,
        )

    def reach(self, step: str) -> None:
        self.protection, self.location, self.allowed, _ = LIFE[step]
        if step.startswith("TestFailover"):
            self.test = "WaitingForCompletion" if step == "TestFailover" else "MarkedForDeletion"


@dataclass
class World:
    """Machines, their jobs, and what was sent; failures are asked for by VM and verb.

    Attributes:
        pace: How long jobs take, by their usual time.
    """

    clock: Clock
    machines: dict[str, Machine]
    sent: list[tuple[str, str]] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    fail: dict[tuple[str, str], JobEnd] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    unanswered: dict[str, int] = field(default_factory=dict)
    crash: dict[str, int] = field(default_factory=dict)
    lose: dict[str, int] = field(default_factory=dict)
    ended_runs: set[str] = field(default_factory=set)
    published: list[str] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    left: list[AzureResource] = field(default_factory=list)
    network: recovery_contract.NetworkNeighbours = field(
        default_factory=lambda: recovery_contract.NetworkNeighbours(found=True)
    )
    hooks: dict[str, recovery_contract.HookAnswer] = field(default_factory=dict)
    hooked: list[recovery_contract.RunHook] = field(default_factory=list)
    work: dict[str, h.BeginHookWork] = field(default_factory=dict)
    work_due: dict[str, datetime] = field(default_factory=dict)
    work_takes: timedelta = timedelta(minutes=2)
    work_ends: recovery_contract.HookAnswer = field(
        default_factory=lambda: recovery_contract.HookAnswer(state="passed", detail="the job is Completed")
    )
    ended_work: list[str] = field(default_factory=list)
    records: list[tuple[str, EvidenceEntry]] = field(default_factory=list)
    unfit: set[str] = field(default_factory=set)
    kept: dict[str, tuple[str, ...]] = field(default_factory=dict)
    settings: dict[str, VmSettings] = field(default_factory=dict)
    started: list[app.StartRun] = field(default_factory=list)
    declared: str | None = None
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    remains: list[Leftover] = field(default_factory=list)
    premises: Premises = field(default_factory=lambda: Premises(""))
    pace: float = 1

    def __post_init__(self) -> None:
        self.clock.watchers.append(lambda _now: self._pass())

    def activities(self) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        mine: dict[activity.Activity[Any, Any], Callable[[Any], Any]] = {
            c.READ_ITEMS: self.read_items,
            c.START_VERBS: self.start_verbs,
            START_PROTECTION: self.start_protection,
            c.WATCH_JOBS: self.watch_jobs,
            c.RESUME_JOBS: self.resume_jobs,
            recovery_contract.PROBE_VMS: self.probe_vms,
            app.PUBLISH_EVENT: self.publish,
            app.READ_ENDED_RUNS: self.read_runs,
            recovery_contract.TAKE_INVENTORY: self.take_inventory,
            recovery_contract.READ_NETWORK: self.read_network,
            evidence_contract.WRITE_RECORDS: self.write_records,
            evidence_contract.SEAL_PACK: self.seal_pack,
            recovery_contract.RUN_HOOK: self.run_hook,
            app.START_RUN: self.start_run,
            TAKE_PREVIEW: self.take_preview,
            CHECK_POINTS: self.check_points,
            KEEP_POINTS: self.keep_points,
            h.BEGIN_HOOK_WORK: self.begin_work,
            h.READ_HOOK_WORK: self.look_at_work,
            h.END_HOOK_WORK: self.end_work,
        }
        mine |= self.premises.activities()
        mine |= {READ_VM_RESOURCES: self.read_belongings, READ_LEFTOVERS: self.read_leftovers}
        mine |= {REMOVE_LEFTOVERS: self.remove_leftovers}
        return {activity.name: self._served(activity, function) for activity, function in mine.items()}

    def _served(self, activity: activity.Activity[Any, Any], function: Callable[[Any], Any]) -> Any:
        def serve(payload: dict[str, Any]) -> dict[str, Any]:
            if self.crash.get(activity.name, 0) > 0:
                self.crash[activity.name] -= 1
                raise ConnectionError("no answer")
            answer: dict[str, Any] = function(activity.request.model_validate(payload)).model_dump(mode="json")
            if self.lose.get(activity.name, 0) > 0:
                self.lose[activity.name] -= 1
                raise ConnectionError("the answer was lost after the work was done")
            return answer

        return serve

    def read_items(self, ask: c.ReadItems) -> c.ItemsRead:
        names = {vm.lower() for vm in ask.vms}
        views = [m.view() for m in self.machines.values() if not names or m.vm.lower() in names]
        return c.ItemsRead(items=tuple(views))

    def take_preview(self, ask: TakePreview) -> PreviewTaken:
        items = {m.vm: ItemDetail(**m.view().model_dump()) for m in self.machines.values()}
        asked, seen = ask.operation, PreviewFacts(at=self.clock.now, items=items, hosts={})
        told = preview_with_readiness(asked.document, asked.preview_kind, asked.sites, seen, options=asked.options)
        return PreviewTaken(
            preview=with_preview_digest(told), declared_digest=asked.digest if self.declared is None else self.declared
        )

    def check_points(self, ask: CheckPoints) -> PointsChecked:
        unfit = [one for one in ask.items if one.vm in self.unfit]
        problems = [Obstacle(vm=one.vm, code="recovery-point-too-old", detail=f"{one.vm}: too old") for one in unfit]
        return PointsChecked(obstacles=tuple(problems), calls=Calls(reads=len(ask.items)))

    def keep_points(self, ask: KeepPoints) -> PointsKept:
        self.kept[ask.evidence_file] = tuple(one.vm for one in ask.items)
        return PointsKept(counts=dict.fromkeys(self.kept[ask.evidence_file], 24), calls=Calls(reads=len(ask.items)))

    def start_verbs(self, ask: c.StartVerbs) -> c.StartsMade:
        return c.StartsMade(answers=tuple(self._start(ask, one) for one in ask.starts))

    def start_protection(self, ask: StartProtection) -> c.StartsMade:
        """Only updates; a machine is set once, and has its settings from then on."""
        answers = []
        for one in ask.starts:
            job = f"{ask.operation}/{one.vm}/{ask.action}/{one.attempt}"
            if self.settings.get(one.vm) == one.settings and job not in self.jobs:
                answers.append(StartAnswer(vm=one.vm, outcome="refused", code="nothing-to-do", detail="as it is"))
                continue
            if job not in self.jobs:
                self.sent.append((one.vm, "UpdateVmProperties"))
                due = self.clock.now + timedelta(seconds=20)
                self.jobs[job] = {"vm": one.vm, "step": "UpdateVmProperties", "due": due, "over": False}
                self.settings[one.vm] = one.settings
            answers.append(StartAnswer(vm=one.vm, outcome="started", job=job))
        return c.StartsMade(answers=tuple(answers))

    def _start(self, ask: c.StartVerbs, one: c.ItemStart) -> StartAnswer:
        job = f"{ask.operation}/{one.vm}/{ask.verb}/{one.attempt}"
        machine = self._of(one.item_id)
        if job in self.jobs:
            return StartAnswer(vm=one.vm, outcome="started", job=job)
        if ask.only_adopt:
            return StartAnswer(vm=one.vm, outcome="refused", code="aborted", detail="it was not sent")
        if machine.busy != "None" and not one.found_ready:  # as the activity sees it when it reads the item itself
            return StartAnswer(vm=one.vm, outcome="busy", code="item-busy", detail=f"busy with {machine.busy}")
        step = "FinalizeFailback" if ask.verb == "Commit" and "FinalizeFailback" in machine.allowed else ask.verb
        if step not in machine.allowed and not (step == "CancelFailover" and "Commit" in machine.allowed):
            return StartAnswer(
                vm=one.vm, outcome="refused", code="not-allowed", detail=f"{one.vm} allows {machine.allowed}"
            )
        self.sent.append((one.vm, step))
        minutes = (LIFE[step][3] + self.chance.random()) * self.pace
        due = self.clock.now + timedelta(minutes=minutes)
        self.jobs[job] = {"vm": one.vm, "step": step, "due": due, "over": False, "machine": machine}
        self.jobs[job]["started"] = self.clock.now
        self.jobs[job]["waits"] = step == "Failback" and ask.options.data_sync == "minimise-downtime"
        machine.busy = step
        if self.unanswered.get(one.vm, 0) > 0:
            self.unanswered[one.vm] -= 1
            return StartAnswer(vm=one.vm, outcome="unanswered", detail="503 after the work")
        return StartAnswer(vm=one.vm, outcome="started", job=job)

    def _of(self, item_id: str) -> Machine:
        return next(machine for machine in self.machines.values() if machine.id == item_id)

    def _pass(self) -> None:
        for job in self.jobs.values():
            if not job["over"] and job["due"] <= self.clock.now:
                job["over"] = True
                if job.get("waits"):
                    continue
                machine = job.get("machine") or self.machines[job["vm"]]
                machine.busy = "None"
                job["failed"] = self.fail.get((job["vm"], job["step"]))
                if (job["vm"], job["step"]) not in self.fail and job["step"] in LIFE:
                    machine.reach(job["step"])

    def watch_jobs(self, ask: c.WatchJobs) -> c.JobsWatched:
        asked = [name for name in (*ask.jobs, *ask.paused) if self.jobs[name]["over"]]
        ended = [name for name in asked if name in ask.jobs or not self.jobs[name].get("waits")]
        again = tuple(name for name in ask.paused if not self.jobs[name]["over"])
        return c.JobsWatched(ended=tuple(self._end(name) for name in ended), running=again)

    def resume_jobs(self, ask: c.ResumeJobs) -> c.JobsResumed:
        for one in ask.jobs:
            self.go_on(one.job)
        return c.JobsResumed(answers=tuple(JobResumed(vm=one.vm, outcome="resumed") for one in ask.jobs))

    def go_on(self, name: str) -> None:
        """Resume a job that waits; one that does not is left alone."""
        if self.jobs[name].get("waits") and self.jobs[name]["over"]:
            self.resumed.append(self.jobs[name]["vm"])
            self.jobs[name] |= {"waits": False, "over": False, "due": self.clock.now + timedelta(minutes=3)}

    def _end(self, name: str) -> JobEnd:
        job = self.jobs[name]
        if job.get("waits"):
            return JobEnd(job=name, outcome="suspended", state="Suspended", detail="WaitingForUserInputAfterDataSync")
        bad = job["failed"]
        if isinstance(bad, JobEnd):
            return bad.model_copy(update={"job": name})
        machine, named = self.machines[job["vm"]], ""
        if job["step"] == "TestFailover":
            named = f"{machine.vm}-test"
        is_renamed = machine.renamed and job["step"] in {"PlannedFailover", "UnplannedFailover"}
        warnings = (f"28175: The VM name '{machine.vm}' was modified.",) if is_renamed else ()
        return JobEnd(
            job=name,
            outcome="succeeded",
            state="Succeeded",
            azure_vm=named,
            warnings=warnings,
            renamed=bool(is_renamed),
        )

    def probe_vms(self, ask: recovery_contract.ProbeBatch) -> recovery_contract.ProbesTried:
        """A machine that is not silent passes, under its real name only."""
        heard = {t.vm for t in ask.targets if t.azure_vm == self.machines[t.vm].probed_as} - self.silent
        tried = [ProbeAnswer(vm=t.vm, passed=t.vm in heard, detail="no answer on 1433") for t in ask.targets]
        return recovery_contract.ProbesTried(answers=tuple(tried))

    def publish(self, ask: app.PublishEvent) -> app.EventPublished:
        self.published.append(ask.type)
        return app.EventPublished(sent=True)

    def read_runs(self, ask: app.ReadEndedRuns) -> app.EndedRunsRead:
        return app.EndedRunsRead(ended=tuple(run for run in ask.ids if run in self.ended_runs))

    def take_inventory(self, ask: recovery_contract.TakeInventory) -> Inventory:
        """What was there before, the test machines that run, and what is left of them."""
        up = [
            AzureResource(id=f"/vm/{m.vm}-test", type="vm", machine=f"{m.vm}-test")
            for m in self.machines.values()
            if m.up
        ]
        things = [*up, *self.left]
        marks = tuple(mark_of(thing.id) for thing in things)
        fresh = (
            ()
            if ask.known_marks is None
            else tuple(thing for thing in things if mark_of(thing.id) not in ask.known_marks)
        )
        return Inventory(at=self.clock.now, marks=marks, added=fresh)

    def read_belongings(self, ask: ReadVmResources) -> VmResourcesRead:
        return VmResourcesRead(marks={one.vm: (mark_of(f"/azure/{one.azure_vm}-nic"),) for one in ask.machines})

    def read_leftovers(self, ask: ReadLeftovers) -> LeftoversRead:
        return LeftoversRead(leftovers=tuple(one for one in self.remains if mark_of(one.id) in ask.marks))

    def remove_leftovers(self, ask: RemoveLeftovers) -> activity.Nothing:
        self.remains = [
            one for one in self.remains if mark_of(one.id) not in ask.marks or not is_removable(one, ask.since)
        ]
        return activity.Nothing()

    def read_network(self, _ask: recovery_contract.ReadNetwork) -> recovery_contract.NetworkNeighbours:
        return self.network

    def write_records(self, ask: evidence_contract.WriteRecords) -> evidence_contract.RecordsWritten:
        self.records += [(ask.pack, entry) for entry in ask.entries]
        return evidence_contract.RecordsWritten(
            count=ask.count + len(ask.entries), head=f"{ask.count + len(ask.entries)}"
        )

    def seal_pack(self, ask: evidence_contract.SealPack) -> evidence_contract.PackSealed:
        return evidence_contract.PackSealed(head=ask.head, records=len(self.records), manifest="m")

    def run_hook(self, ask: recovery_contract.RunHook) -> recovery_contract.HookAnswer:
        self.hooked.append(ask)
        return self.hooks.get(ask.moment, recovery_contract.HookAnswer(state="passed", status=200))

    def begin_work(self, ask: h.BeginHookWork) -> activity.Nothing:
        """Begun once, however often it is asked for."""
        if ask.id not in self.work:
            self.work[ask.id] = ask
            self.work_due[ask.id] = self.clock.now + self.work_takes
        return activity.Nothing()

    def look_at_work(self, ask: h.HookWork) -> recovery_contract.HookAnswer:
        if self.clock.now < self.work_due[ask.id]:
            return recovery_contract.HookAnswer(state="running", detail="the job is Running")
        return self.work_ends

    def end_work(self, ask: h.HookWork) -> activity.Nothing:
        self.ended_work.append(ask.id)
        return activity.Nothing()

    def start_run(self, ask: app.StartRun) -> activity.Nothing:
        self.started.append(ask)
        return activity.Nothing()

    def kinds(self) -> list[str]:
        """What the evidence tells of, in order."""
        return [entry.kind for _, entry in self.records]
