"""Runs that go through Site Recovery's own recovery plans: in step before they begin, then followed job by job."""

from collections.abc import Sequence
from datetime import datetime

from durabletask import task

from orchestrators.durable.decisions import Waiting
from orchestrators.durable.entity_calls import granted
from orchestrators.durable.steps import Steps, call_all, now
from orchestrators.run.recovery_plan_mirror import known_of, look
from shared.activity import Problem
from shared.errors import Refused, SiteRecoveryError, Transient
from shared.recovery import budgeting, recovery_plan_runs
from shared.recovery.contract import READ_PLAN_JOB, START_PLAN, ReadPlanJob, StartPlan
from shared.recovery.operation import Operation
from shared.recovery.run import IN_HAND, PLAN_VERBS, PlanRun, Run
from shared.recovery_plans.limits import POINT_TYPES, goes_through_plans, in_the_way
from shared.recovery_plans.mirror import MirrorOrder, Survey
from shared.recovery_plans.parts import shape_of
from shared.site_recovery.contract import RESUME_JOBS, JobsResumed, PlanJobSeen, PlanStart, ResumeJobs, ResumeOne
from shared.site_recovery.recovery_points import LATEST


def engaged(
    ctx: task.OrchestrationContext, operation: Operation, run: Run, waits: Waiting
) -> Steps[tuple[Run, Sequence[Problem]]]:
    """The run with the recovery plans that it goes through, where the plan says so, and what is in its way."""
    if not goes_through_plans(operation):
        return run, ()
    order = MirrorOrder(
        id=operation.id,
        plan=operation.plan,
        requested_by=operation.requested_by,
        action="repair",
        document=operation.document,
        sites=operation.sites,
    )
    try:
        known = yield from known_of(ctx, operation.plan)
        names = ", ".join(vault.vault for vault in run.vaults)
        seen = yield from waits.answered(lambda: look(ctx, order, known), f"vault {names}")
    except SiteRecoveryError as failure:
        return run, [Problem(code="recovery-plan-unreadable", detail=f"the recovery plans cannot be read: {failure}")]
    if any(verb in PLAN_VERBS for item in run.items for verb in item.skip):
        return run, ()  # an earlier run got part of the way: the rest goes VM by VM
    problems = [Problem(code=code, detail=detail) for code, detail in in_the_way(operation, seen)]
    return (run if problems else run.model_copy(update={"parts": _parts(run, seen)})), problems


def _parts(run: Run, seen: Survey) -> tuple[PlanRun, ...]:
    keys = [vault.key for vault in run.vaults]
    return tuple(
        PlanRun(
            name=part.name,
            vault=keys.index(part.vault.key),
            vms=tuple(member.vm for member in part.members),
            groups=len(part.boots),
            shape=shape_of(seen.there(part) or part),
        )
        for part in seen.wanted
    )


def drive(ctx: task.OrchestrationContext, run: Run, scope: str, earliest: datetime) -> Steps[Run]:
    """Start, resume and look at the recovery plans of the stage under way, once.

    Args:
        scope: What request ids are made of.
        earliest: No verb that is sent now was sent before.
    """
    if not run.through_plans:
        return run
    run = recovery_plan_runs.arranged(run)
    starts = recovery_plan_runs.to_start(run, now(ctx))
    resumes = [at for at, part in enumerate(run.parts) if part.state == "resuming" and _is_due(part, now(ctx))]
    run = yield from granted(ctx, run, budgeting.of_plans(run, starts, resumes))
    run = yield from _start(ctx, run, starts, scope, earliest)
    run = yield from _resume(ctx, run, resumes)
    return (yield from _look(ctx, run))


def _start(
    ctx: task.OrchestrationContext, run: Run, chosen: Sequence[int], scope: str, earliest: datetime
) -> Steps[Run]:
    for at in chosen:
        run = recovery_plan_runs.asked(run, at, now(ctx), earliest)
    asks = [_ask(run, run.parts[at], scope) for at in chosen]
    for at, answer in zip(chosen, (yield from call_all(ctx, START_PLAN, asks)), strict=True):
        vault, made = run.parts[at].vault, _understood(run.parts[at].name, answer)
        run = recovery_plan_runs.started(run, at, made, now(ctx))
        run = budgeting.charged(run, vault, made.calls or budgeting.start_of_plan(run, vault))
    return run


def _understood(name: str, answer: PlanStart | Refused | Transient) -> PlanStart:
    if isinstance(answer, Refused):
        return PlanStart(vm=name, outcome="refused", code=answer.code, detail=answer.detail)
    if isinstance(answer, Transient):
        return PlanStart(vm=name, outcome="unanswered", detail=str(answer))
    return answer


def _ask(run: Run, part: PlanRun, scope: str) -> StartPlan:
    return StartPlan(
        vault=run.vaults[part.vault],
        operation=scope,
        verb=run.stages[run.stage].verb,
        name=part.name,
        shape=part.shape,
        vms=part.vms,
        attempt=part.attempt,
        since=part.asked_from or run.began,
        network_id=run.network_id,
        **run.options(),
        point_type=POINT_TYPES.get(run.points.rule, POINT_TYPES[LATEST]),
        only_adopt=run.sends_nothing,
    )


def _resume(ctx: task.OrchestrationContext, run: Run, due: Sequence[int]) -> Steps[Run]:
    said = next((one.comment for one in reversed(run.decisions) if one.verdict == "resume"), "")
    asks = [_resume_ask(run, run.parts[at], said) for at in due]
    taken = yield from call_all(ctx, RESUME_JOBS, asks)
    answers = {at: some.answers[0] for at, some in zip(due, taken, strict=True) if isinstance(some, JobsResumed)}
    for at in due:
        run = budgeting.charged(run, run.parts[at].vault, budgeting.RESUMED)
    return recovery_plan_runs.parts_resumed(run, answers, now(ctx))


def _is_due(part: PlanRun, at: datetime) -> bool:
    return part.not_before is None or at >= part.not_before


def _resume_ask(run: Run, part: PlanRun, comments: str) -> ResumeJobs:
    jobs = (ResumeOne(vm=part.name, job=part.job),)
    return ResumeJobs(vault=run.vaults[part.vault], operation=run.operation, jobs=jobs, comments=comments)


def _look(ctx: task.OrchestrationContext, run: Run) -> Steps[Run]:
    at_work = [at for at, part in enumerate(run.parts) if part.job and part.state in IN_HAND]
    pack = run.operation if run.chain.kept else ""
    asks = [ReadPlanJob(vault=run.vaults[run.parts[at].vault], job=run.parts[at].job, pack=pack) for at in at_work]
    for at, job in zip(at_work, (yield from call_all(ctx, READ_PLAN_JOB, asks)), strict=True):
        spent = job.calls if isinstance(job, PlanJobSeen) else None
        run = budgeting.charged(run, run.parts[at].vault, spent or budgeting.LOOKED)
        if isinstance(job, PlanJobSeen):  # one that cannot be read this time is read at the next look
            run = recovery_plan_runs.seen(run, at, job, now(ctx))
    return run
