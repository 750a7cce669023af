"""Runs that go through Site Recovery's own recovery plans.

1. Before such a run begins its recovery plans have to be as the plan wants them.
2. In each tick: start those whose turn it is, within the budget; resume those that may go on; read the others' jobs.
"""

from collections.abc import Sequence
from datetime import datetime

from orchestrators.durable.decisions import DecisionInbox
from orchestrators.durable.entity_calls import wait_for_run_budget
from orchestrators.durable.steps import Context, Steps, call_all, now
from orchestrators.run.recovery_plan_mirror import read_known_ids, read_survey
from shared.errors import Refused, SiteRecoveryError, Transient
from shared.obstacle import Obstacle
from shared.recovery import budgeting, recovery_plan_runs
from shared.recovery.contract import READ_RECOVERY_PLAN_JOB, START_RECOVERY_PLAN, ReadRecoveryPlanJob, StartRecoveryPlan
from shared.recovery.operation import Operation
from shared.recovery.run import RECOVERY_PLAN_VERBS, RecoveryPlanRun, Run
from shared.recovery_plans.hook_actions import optional_actions_of
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
    ctx: Context, operation: Operation, run: Run, inbox: DecisionInbox
) -> Steps[tuple[Run, Sequence[Obstacle]]]:
    """The run with the recovery plans that it goes through, where the plan says so, and what is in its way."""
    if not goes_through_plans(operation):
        return run, ()
    try:
        survey = yield from _read_survey_patiently(ctx, operation, run, inbox)
    except SiteRecoveryError as failure:
        return run, [Obstacle(code="recovery-plan-unreadable", detail=f"the recovery plans cannot be read: {failure}")]
    verbs_done = {verb for item in run.items for verb in item.verbs_done_before}
    if not RECOVERY_PLAN_VERBS.isdisjoint(verbs_done):
        return run, ()  # an earlier run got part of the way: the rest goes VM by VM
    obstacles = list(plan_obstacles(operation, survey))
    return (run, obstacles) if obstacles else (run.with_plan_runs(_plan_runs_of(operation, run, survey)), ())


def _read_survey_patiently(ctx: Context, operation: Operation, run: Run, inbox: DecisionInbox) -> Steps[MirrorSurvey]:
    order = MirrorOrder(
        id=operation.id,
        plan=operation.plan,
        requested_by=operation.requested_by,
        action="repair",
        document=operation.document,
        sites=operation.sites,
    )
    known_ids = yield from read_known_ids(ctx, operation.plan)
    names = ", ".join(vault.vault for vault in run.vaults)
    return (yield from inbox.read_patiently(lambda: read_survey(ctx, order, known_ids), f"vault {names}"))


def _plan_runs_of(operation: Operation, run: Run, survey: MirrorSurvey) -> list[RecoveryPlanRun]:
    keys = [vault.key for vault in run.vaults]
    optional = optional_actions_of(operation.document)
    return [
        RecoveryPlanRun(
            name=part.name,
            vault=keys.index(part.vault.key),
            vms=tuple(member.vm for member in part.members),
            groups=len(part.boot_groups),
            shape=shape_digest(survey.find_part(part) or part),
            optional_actions=optional,
        )
        for part in survey.wanted
    ]


def drive_recovery_plans(ctx: Context, run: Run, scope: str, earliest: datetime) -> Steps[Run]:
    """Start, resume and look at the recovery plans of the stage under way, once.

    Args:
        scope: What request ids are made of.
        earliest: No verb that is sent now was sent before.
    """
    if not run.uses_recovery_plans:
        return run
    run = recovery_plan_runs.arrange_plan_runs(run)
    starts = recovery_plan_runs.plan_runs_to_start(run, now(ctx))
    plan_runs = enumerate(run.plan_runs)
    resumes = [at for at, plan_run in plan_runs if plan_run.state == "resuming" and plan_run.may_go_on(now(ctx))]
    run = yield from wait_for_run_budget(ctx, run, budgeting.calls_for_plan_runs(run, starts, resumes))
    run = yield from _start_plans(ctx, run, starts, scope, earliest)
    run = yield from _resume_plans(ctx, run, resumes)
    return (yield from _read_plan_jobs(ctx, run))


def _start_plans(ctx: Context, run: Run, indexes: Sequence[int], scope: str, earliest: datetime) -> Steps[Run]:
    for at in indexes:
        run = recovery_plan_runs.mark_plan_requested(run, at, now(ctx), earliest)
    requests = [_start_request(run, run.plan_runs[at], scope) for at in indexes]
    for at, answer in zip(indexes, (yield from call_all(ctx, START_RECOVERY_PLAN, requests)), strict=True):
        vault, name = run.plan_runs[at].vault, run.plan_runs[at].name
        plan_start = _plan_start_of(name, answer)
        run = recovery_plan_runs.with_plan_start_answer(run, at, plan_start, now(ctx))
        run = budgeting.with_calls_charged(run, vault, plan_start.calls or budgeting.calls_to_start_plan(run, vault))
    return run


def _plan_start_of(name: str, answer: RecoveryPlanStarted | Refused | Transient) -> RecoveryPlanStarted:
    match answer:
        case Refused() | Transient():  # what has to be read before anything is sent could not be
            return RecoveryPlanStarted(vm=name, outcome="unanswered", detail=str(answer))
        case _:
            return answer


def _start_request(run: Run, plan_run: RecoveryPlanRun, scope: str) -> StartRecoveryPlan:
    return StartRecoveryPlan(
        vault=run.vaults[plan_run.vault],
        operation=scope,
        verb=run.stage.verb,
        name=plan_run.name,
        shape=plan_run.shape,
        vms=plan_run.vms,
        attempt=plan_run.attempt,
        since=plan_run.jobs_since or run.began,
        network_id=run.network_id,
        options=run.options.without_points_by_vm(),
        point_type=POINT_TYPES.get(run.options.point_choice.rule, POINT_TYPES[LATEST]),
        only_adopt=run.sends_nothing,
    )


def _resume_request(run: Run, plan_run: RecoveryPlanRun) -> ResumeJobs:
    vault, jobs = run.vaults[plan_run.vault], (JobToResume(vm=plan_run.name, job=plan_run.job),)
    return ResumeJobs(vault=vault, operation=run.operation, jobs=jobs, comments=run.people.resume_comment)


def _resume_plans(ctx: Context, run: Run, indexes: Sequence[int]) -> Steps[Run]:
    requests = [_resume_request(run, run.plan_runs[at]) for at in indexes]
    resumed = yield from call_all(ctx, RESUME_JOBS, requests)
    answers = {
        at: answer.answers[0] for at, answer in zip(indexes, resumed, strict=True) if isinstance(answer, JobsResumed)
    }
    for at, answer in zip(indexes, resumed, strict=True):
        failures = [] if isinstance(answer, JobsResumed) else [str(answer)]
        run = run.with_look(f"resumption of the recovery plan {run.plan_runs[at].name}", failures, now(ctx))
        run = budgeting.with_calls_charged(run, run.plan_runs[at].vault, budgeting.PLAN_RESUMPTION)
    return recovery_plan_runs.with_plan_runs_resumed(run, answers, now(ctx))


def _read_plan_jobs(ctx: Context, run: Run) -> Steps[Run]:
    at_work = [at for at, plan_run in enumerate(run.plan_runs) if plan_run.job and plan_run.is_in_hand]
    pack = run.operation if run.chain.kept else ""
    requests = [
        ReadRecoveryPlanJob(vault=run.vaults[plan_run.vault], job=plan_run.job, pack=pack)
        for plan_run in (run.plan_runs[at] for at in at_work)
    ]
    for at, job in zip(at_work, (yield from call_all(ctx, READ_RECOVERY_PLAN_JOB, requests)), strict=True):
        spent = job.calls if isinstance(job, RecoveryPlanJobView) else None
        failures = [] if isinstance(job, RecoveryPlanJobView) else [str(job)]
        run = run.with_look(f"job of the recovery plan {run.plan_runs[at].name}", failures, now(ctx))
        run = budgeting.with_calls_charged(run, run.plan_runs[at].vault, spent or budgeting.PLAN_JOB_READ)
        if isinstance(job, RecoveryPlanJobView):
            run = recovery_plan_runs.with_plan_job(run, at, job, now(ctx))
        else:
            run = recovery_plan_runs.with_plan_job_unread(run, at, str(job), now(ctx))
    return run
