"""What is read from a vault: items, jobs, hosts. Verbs are started in `starts`."""

from activities.evidence import keep_job
from shared.arm_ids import segments
from shared.azure.errors import Missing
from shared.azure.jobs import is_suspended, job_end
from shared.azure.json_fields import Json, part, text, utc
from shared.azure.protected_items import is_ours, item_view, name_of
from shared.azure.vault import CLOCKS_APART, Vault
from shared.concurrency import each
from shared.errors import Refused, Transient
from shared.request_ids import client_request_id
from shared.site_recovery.contract import (
    ItemsRead,
    JobEnd,
    JobResumed,
    JobsResumed,
    JobsSeen,
    ProvidersRead,
    ReadItems,
    ReadProviders,
    ResumeJobs,
    ResumeOne,
    WatchJobs,
)
from shared.site_recovery.views import ProviderView


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


async def read_items(ask: ReadItems) -> ItemsRead:
    """Read the vault's items that replicate from Hyper-V to Azure, all of them or those that are named."""
    vault = Vault(ask.vault)
    wanted = {vm.lower() for vm in ask.vms}
    items = [item for item in await vault.list_items() if not wanted or name_of(item).lower() in wanted]
    return ItemsRead(items=tuple(item_view(item) for item in items if is_ours(item)), calls=vault.calls)


async def watch_jobs(ask: WatchJobs) -> JobsSeen:
    """See which jobs have ended: those that the list of running ones does not name are read one by one.

    A job that cannot be read this time counts as running: the next tick reads it again.

    Raises:
        Transient: the list, or every single read, went unanswered.
    """
    vault = Vault(ask.vault)
    running = await _names(vault, ask, "InProgress")
    resting = running | (await _names(vault, ask, "Suspended") if ask.paused else set())
    over = [name for name in ask.jobs if name.lower() not in running]
    over += [name for name in ask.paused if name.lower() not in resting]
    asked = over[: ask.most or None]
    read = await each(asked, lambda name: _read_end(vault, name, ask.pack))
    silent = [answer for answer in read if isinstance(answer, Transient)]
    if silent and len(silent) == len(read):
        raise silent[0]
    ended = tuple(end for end in read if isinstance(end, JobEnd))
    again = tuple(name for name in ask.paused if name.lower() in running)
    return JobsSeen(ended=ended, running=again, unread=len(over) - len(asked), calls=vault.calls)


async def _names(vault: Vault, ask: WatchJobs, state: str) -> set[str]:
    """Of the jobs in this state, in lower case."""
    return {job["name"].lower() for job in await vault.list_jobs(ask.since - CLOCKS_APART, state)}


async def _read_end(vault: Vault, name: str, pack: str) -> JobEnd | Transient | None:
    try:
        job = await vault.read_job(name)
    except Missing as missing:
        return JobEnd(job=name, outcome="failed", state="Missing", code="job-not-found", detail=missing.detail)
    except Transient as silence:
        return silence
    end = job_end(job)
    if end and pack:
        await keep_job(pack, job, end)
    return end


async def read_providers(ask: ReadProviders) -> ProvidersRead:
    """Read the hosts of one Hyper-V site, or of all; the site may be given by its name or its friendly name."""
    hosts, at = await Vault(ask.vault).list_providers()
    return ProvidersRead(providers=tuple(_provider(host) for host in hosts if _is_in(host, ask.fabric)), at=at)


def _is_in(host: Json, fabric: str) -> bool:
    return not fabric or fabric.lower() in {name.lower() for name in _sites(host)}


def _sites(host: Json) -> set[str]:
    """The names that its Hyper-V site goes by."""
    names = (segments(host["id"]).get("replicationfabrics"), part(host, "properties").get("fabricFriendlyName"))
    return {text(name) for name in names if name}


def _provider(host: Json) -> ProviderView:
    properties = part(host, "properties")
    return ProviderView(
        id=host["id"],
        host=text(properties.get("friendlyName")),
        connected=text(properties.get("connectionStatus")).lower() == "connected",
        heartbeat=utc(properties.get("lastHeartBeat")),
        sites=tuple(sorted(_sites(host))),
    )
