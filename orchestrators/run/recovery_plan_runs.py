"""Runs that go through Site Recovery's own recovery plans: in step before they begin, then followed job by job."""

from collections.abc import Sequence
from datetime import datetime

from durabletask import task

from orchestrators.durable.decisions import DecisionInbox
from orchestrators.durable.entity_calls import wait_for_run_budget
from orchestrators.durable.steps import Steps, call_all, now
from orchestrators.run.recovery_plan_mirror import read_known_ids, read_survey
from shared.errors import Refused, SiteRecoveryError, Transient
from shared.obstacle import Obstacle
from shared.recovery import budgeting, recovery_plan_runs
from shared.recovery.contract import READ_RECOVERY_PLAN_JOB, START_RECOVERY_PLAN, ReadRecoveryPlanJob, StartRecoveryPlan
from shared.recovery.operation import Operation
from shared.recovery.run import IN_HAND_STATES, RECOVERY_PLAN_VERBS, RecoveryPlanRun, Run
from shared.recovery_plans.limits import POINT_TYPES, goes_through_plans, plan_obstacles
from shared.recovery_plans.mirror import MirrorOrder, MirrorSurvey
from shared.recovery_plans.parts import shape_digest
from shared.site_recovery.contract import (
    RESUME_JOBS,
    JobsResumed,
    JobToResume,
    RecoveryPlanJobView,
    RecoveryPlanStarted,
    ResumeJobs,
)
from shared.site_recovery.recovery_points import LATEST


def engage_recovery_plans(
    ctx: task.OrchestrationContext, operation: Operation, run: Run, inbox: DecisionInbox
) -> Steps[tuple[Run, Sequence[Obstacle]]]:
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
        known_ids = yield from read_known_ids(ctx, operation.plan)
        names = ", ".join(vault.vault for vault in run.vaults)
        survey = yield from inbox.read_patiently(lambda: read_survey(ctx, order, known_ids), f"vault {names}")
    except SiteRecoveryError as failure:
        return run, [Obstacle(code="recovery-plan-unreadable", detail=f"the recovery plans cannot be read: {failure}")]
    if any(verb in RECOVERY_PLAN_VERBS for item in run.items for verb in item.skip):
        return run, ()  # an earlier run got part of the way: the rest goes VM by VM
    obstacles = list(plan_obstacles(operation, survey))
    return (run if obstacles else run.model_copy(update={"parts": _plan_runs_of(run, survey)})), obstacles


def _plan_runs_of(run: Run, survey: MirrorSurvey) -> tuple[RecoveryPlanRun, ...]:
    keys = [vault.key for vault in run.vaults]
    return tuple(
        RecoveryPlanRun(
            name=part.name,
            vault=keys.index(part.vault.key),
            vms=tuple(member.vm for member in part.members),
            groups=len(part.boot_groups),
            shape=shape_digest(survey.find_part(part) or part),
        )
        for part in survey.wanted
    )


def drive_recovery_plans(ctx: task.OrchestrationContext, run: Run, scope: str, earliest: datetime) -> Steps[Run]:
    """Start, resume and look at the recovery plans of the stage under way, once.

    Args:
        scope: What request ids are made of.
        earliest: No verb that is sent now was sent before.
    """
    if not run.uses_recovery_plans:
        return run
    run = recovery_plan_runs.arrange_plan_runs(run)
    starts = recovery_plan_runs.plan_runs_to_start(run, now(ctx))
    resumes = [at for at, part in enumerate(run.parts) if part.state == "resuming" and _is_due(part, now(ctx))]
    run = yield from wait_for_run_budget(ctx, run, budgeting.calls_for_plan_runs(run, starts, resumes))
    run = yield from _start_plans(ctx, run, starts, scope, earliest)
    run = yield from _resume_plans(ctx, run, resumes)
    return (yield from _read_plan_jobs(ctx, run))


def _start_plans(
    ctx: task.OrchestrationContext, run: Run, indexes: Sequence[int], scope: str, earliest: datetime
) -> Steps[Run]:
    for at in indexes:
        run = recovery_plan_runs.mark_plan_requested(run, at, now(ctx), earliest)
    requests = [_start_request(run, run.parts[at], scope) for at in indexes]
    for at, answer in zip(indexes, (yield from call_all(ctx, START_RECOVERY_PLAN, requests)), strict=True):
        vault, plan_start = run.parts[at].vault, _to_plan_start(run.parts[at].name, answer)
        run = recovery_plan_runs.with_plan_start_answer(run, at, plan_start, now(ctx))
        run = budgeting.with_calls_charged(run, vault, plan_start.calls or budgeting.calls_to_start_plan(run, vault))
    return run


def _to_plan_start(name: str, answer: RecoveryPlanStarted | Refused | Transient) -> RecoveryPlanStarted:
    if isinstance(answer, Refused):
        return RecoveryPlanStarted(vm=name, outcome="refused", code=answer.code, detail=answer.detail)
    if isinstance(answer, Transient):
        return RecoveryPlanStarted(vm=name, outcome="unanswered", detail=str(answer))
    return answer


def _start_request(run: Run, part: RecoveryPlanRun, scope: str) -> StartRecoveryPlan:
    return StartRecoveryPlan(
        vault=run.vaults[part.vault],
        operation=scope,
        verb=run.stages[run.stage].verb,
        name=part.name,
        shape=part.shape,
        vms=part.vms,
        attempt=part.attempt,
        since=part.asked_from or run.began,
        network_id=run.network_id,
        options=run.options.without_points_by_vm(),
        point_type=POINT_TYPES.get(run.options.point_choice.rule, POINT_TYPES[LATEST]),
        only_adopt=run.sends_nothing,
    )


def _resume_plans(ctx: task.OrchestrationContext, run: Run, indexes: Sequence[int]) -> Steps[Run]:
    comments = next((decision.comment for decision in reversed(run.decisions) if decision.verdict == "resume"), "")
    requests = [_resume_request(run, run.parts[at], comments) for at in indexes]
    resumed = yield from call_all(ctx, RESUME_JOBS, requests)
    answers = {
        at: answer.answers[0] for at, answer in zip(indexes, resumed, strict=True) if isinstance(answer, JobsResumed)
    }
    for at in indexes:
        run = budgeting.with_calls_charged(run, run.parts[at].vault, budgeting.PLAN_RESUMPTION)
    return recovery_plan_runs.with_plan_runs_resumed(run, answers, now(ctx))


def _is_due(part: RecoveryPlanRun, at: datetime) -> bool:
    return part.not_before is None or at >= part.not_before


def _resume_request(run: Run, part: RecoveryPlanRun, comments: str) -> ResumeJobs:
    jobs = (JobToResume(vm=part.name, job=part.job),)
    return ResumeJobs(vault=run.vaults[part.vault], operation=run.operation, jobs=jobs, comments=comments)


def _read_plan_jobs(ctx: task.OrchestrationContext, run: Run) -> Steps[Run]:
    at_work = [at for at, part in enumerate(run.parts) if part.job and part.state in IN_HAND_STATES]
    pack = run.operation if run.chain.kept else ""
    requests = [
        ReadRecoveryPlanJob(vault=run.vaults[run.parts[at].vault], job=run.parts[at].job, pack=pack) for at in at_work
    ]
    for at, job in zip(at_work, (yield from call_all(ctx, READ_RECOVERY_PLAN_JOB, requests)), strict=True):
        spent = job.calls if isinstance(job, RecoveryPlanJobView) else None
        run = budgeting.with_calls_charged(run, run.parts[at].vault, spent or budgeting.PLAN_JOB_READ)
        if isinstance(job, RecoveryPlanJobView):  # one that cannot be read this time is read at the next look
            run = recovery_plan_runs.with_plan_job(run, at, job, now(ctx))
    return run
