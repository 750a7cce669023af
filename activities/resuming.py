"""Letting suspended jobs go on: after their data synchronisation, or after a manual action."""

from activities.contract import JobsResumed, ResumeJobs, ResumeOne
from shared.azure.crowd import each
from shared.azure.faults import Missing
from shared.azure.jobs import is_suspended
from shared.azure.site_recovery import Vault
from shared.errors import Refused, Transient
from shared.outcomes import JobResumed
from shared.request_ids import client_request_id


async def resume_jobs(ask: ResumeJobs) -> JobsResumed:
    """Resume each job that is suspended; one that is not any more was resumed before, or has ended.

    A second call for a job that went on does nothing. Within the moment in which the vault has taken the first and
    still shows the job as suspended it would be sent again: nothing tells the two apart, and a job that runs cannot be
    resumed.

    Source: replicationJobs/{job}/resume, api-version 2025-08-01; Suspended jobs allow Cancel and Resume (specified).
    """
    vault = Vault(ask.vault)
    return JobsResumed(answers=tuple(await each(ask.jobs, lambda one: _resume(vault, ask, one))))


async def _resume(vault: Vault, ask: ResumeJobs, one: ResumeOne) -> JobResumed:
    try:
        if is_suspended(await vault.read_job(one.job)):
            await vault.resume(one.job, ask.comments, client_request_id(ask.operation, one.job, "Resume", 1))
    except Missing:
        return JobResumed(vm=one.vm, outcome="resumed", detail="the job is not listed any more")
    except Refused as no:
        return JobResumed(vm=one.vm, outcome="refused", detail=f"{no.code}: {no.detail}")
    except Transient as silence:
        return JobResumed(vm=one.vm, outcome="unanswered", detail=str(silence))
    return JobResumed(vm=one.vm, outcome="resumed")
