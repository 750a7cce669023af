"""A vault with recovery plans, as the activities of the mirror show it, without Azure."""

from dataclasses import dataclass, field
from typing import Any

from orchestrators.durable.entities import recovery_plan_mirrors
from orchestrators.reconcile.recovery_plans import keep_mirrors
from orchestrators.run.recovery_plan_mirror import mirror
from shared import activity
from shared.errors import Refused
from shared.operations import contract as app
from shared.plans import contract as plans_contract
from shared.plans.plan import PlanDocument
from shared.recovery_plans.contract import READ_MIRROR, WRITE_PART, MirrorRead, PartWritten, ReadMirror, WritePart
from shared.recovery_plans.mirror import FoundPart, MirrorOrder, is_in_step
from shared.recovery_plans.parts import PlanPart, parts_of
from shared.site_recovery import contract as c
from shared.site_recovery.contract import JobEnd
from shared.site_recovery.views import ItemView
from tests.driver import Driver, Result
from tests.shared.samples import site
from tests.shared.test_recovery_plans import document, protected

PLAN = document({"vm": "dc-01"}, {"vm": "sql-01", "after": ["dc-01"]})
SITES = {"hci-01": site()}
(OURS,) = parts_of("payroll", PLAN, SITES, protected(PLAN))


@dataclass
class MirrorWorld:
    """Recovery plans by name; each write takes effect at once, and its job is seen to end one look later."""

    plans: dict[str, PlanPart] = field(default_factory=dict)
    items: dict[str, ItemView] = field(default_factory=lambda: protected(PLAN))
    busy: str = ""
    fails: str = ""
    silent: int = 0
    sent: list[str] = field(default_factory=list)
    started: list[app.StartRun] = field(default_factory=list)
    jobs: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        served: dict[activity.Activity[Any, Any], Any] = {
            c.READ_ITEMS: lambda _ask: c.ItemsRead(items=tuple(self.items.values())),
            READ_MIRROR: self.read,
            WRITE_PART: self.write,
            c.WATCH_JOBS: self.watch,
            app.START_RUN: self.start,
        }
        activities = {one.name: self._serve(one, do) for one, do in served.items()}
        self.driver = Driver(activities, {"recovery_plan_mirrors": recovery_plan_mirrors})

    def _serve(self, activity: activity.Activity[Any, Any], do: Any) -> Any:
        def serve(payload: dict[str, Any]) -> dict[str, Any]:
            try:
                answer: dict[str, Any] = do(activity.request.model_validate(payload)).model_dump(mode="json")
            except Refused as no:
                return {"refused": {"code": no.code, "detail": no.detail}}
            return answer

        return serve

    def read(self, _ask: ReadMirror) -> MirrorRead:
        if self.silent > 0:
            self.silent -= 1
            raise ConnectionError("no answer")
        return MirrorRead(found=tuple(FoundPart(part=part, busy_with=self.busy) for part in self.plans.values()))

    def write(self, ask: WritePart) -> PartWritten:
        part, there = ask.write.part, self.plans.get(ask.write.part.name)
        if there is None if ask.write.what == "remove" else there and is_in_step(part, there):
            return PartWritten(outcome="kept")
        self.sent.append(f"{ask.write.what} {part.name}")
        if self.fails:
            return PartWritten(outcome="started", job="failing")
        self.plans = {name: one for name, one in self.plans.items() if name != part.name}
        self.plans |= {} if ask.write.what == "remove" else {part.name: part}
        return PartWritten(outcome="started", job=f"job-{len(self.sent)}")

    def watch(self, ask: c.WatchJobs) -> c.JobsWatched:
        (job,) = ask.jobs
        self.jobs[job] = self.jobs.get(job, 0) + 1
        if self.jobs[job] == 1:
            return c.JobsWatched(ended=())
        if job == "failing":
            end = JobEnd(job=job, outcome="failed", state="Failed", code=self.fails, detail="it did not work")
            return c.JobsWatched(ended=(end,))
        return c.JobsWatched(ended=(JobEnd(job=job, outcome="succeeded", state="Succeeded"),))

    def start(self, ask: app.StartRun) -> activity.Nothing:
        self.started.append(ask)
        return activity.Nothing()

    def run(self, action: str = "save", confirm: str = "", plan: PlanDocument = PLAN, run: str = "mirror-1") -> Result:
        order = MirrorOrder.model_validate(
            {"id": run, "plan": "payroll", "requested_by": "ann", "action": action, "confirm": confirm}
            | {"document": plan, "sites": SITES}
        )
        return self.driver.run(mirror, order.model_dump(mode="json"), run)

    def keep(self, plan: PlanDocument) -> Result:
        """One look of the timer."""
        at = self.driver.clock.now
        declared = [
            plans_contract.DeclaredDocument(
                name="payroll", document=plan.model_dump(mode="json", by_alias=True), declared=at
            )
        ]
        sites = [
            plans_contract.DeclaredDocument(
                name="hci-01", document=SITES["hci-01"].model_dump(mode="json", by_alias=True), declared=at
            )
        ]
        book = plans_contract.DocumentsRead(sites=tuple(sites), plans=tuple(declared), obligations=())

        def duty(ctx: Any, _payload: Any) -> Any:
            return (yield from keep_mirrors(ctx, book))

        return self.driver.run(duty, {}, "reconcile")

    @property
    def known(self) -> list[str]:
        known: list[str] = self.driver.states["@recovery_plan_mirrors@payroll"]["known_ids"]
        return known
