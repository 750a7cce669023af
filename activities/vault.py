"""What is read from a vault: items, jobs, hosts. Verbs are started in `start_verbs`."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from activities.evidence import keep_job
from shared.arm_ids import names_by_type
from shared.azure.errors import NotFound
from shared.azure.jobs import is_suspended, job_end
from shared.azure.json_fields import Json, object_at, parse_utc, text_of
from shared.azure.protected_items import is_hyper_v_to_azure, item_detail, item_view, vm_name_of
from shared.azure.vault import Vault
from shared.concurrency import map_concurrently
from shared.errors import Refused, SiteRecoveryError, Throttled, Transient
from shared.messages import VaultRef
from shared.request_ids import client_request_id
from shared.site_recovery.contract import (
    ItemsRead,
    JobEnd,
    JobResumed,
    JobsResumed,
    JobsWatched,
    JobToResume,
    ProvidersRead,
    ReadItems,
    ReadProviders,
    ResumeJobs,
    UnreadJob,
    WatchJobs,
)
from shared.site_recovery.views import ItemDetail, ProviderView
from shared.telemetry.metrics import set_vault_vms


async def resume_jobs(request: ResumeJobs) -> JobsResumed:
    """Resume each job that is suspended; one that is not any more was resumed before, or has ended.

    A second call for a job that went on does nothing. Within the moment in which the vault has taken the first and
    still shows the job as suspended it would be sent again: nothing distinguishes the two, and a job that runs cannot
    be resumed.

    Source: replicationJobs/{job}/resume, api-version 2025-08-01; Suspended jobs allow Cancel and Resume (specified).
    """
    vault = Vault(request.vault)
    return JobsResumed(
        answers=tuple(await map_concurrently(request.jobs, lambda job: _resume_job(vault, request, job)))
    )


async def _resume_job(vault: Vault, request: ResumeJobs, target: JobToResume) -> JobResumed:
    try:
        if is_suspended(await vault.read_job(target.job)):
            await vault.resume_job(
                target.job, request.comments, client_request_id(request.operation, target.job, "Resume", 1)
            )
    except NotFound:
        return JobResumed(vm=target.vm, outcome="resumed", detail="the job is not listed any more")
    except Refused as refusal:
        return JobResumed(vm=target.vm, outcome="refused", detail=f"{refusal.code}: {refusal.detail}")
    except Transient as no_answer:
        return JobResumed(vm=target.vm, outcome="unanswered", detail=str(no_answer))
    return JobResumed(vm=target.vm, outcome="resumed")


async def read_items(request: ReadItems) -> ItemsRead:
    """Read the vault's items that replicate from Hyper-V to Azure, all of them or those that are named."""
    vault = Vault(request.vault)
    wanted = {vm.lower() for vm in request.vms}
    items = [item for item in await vault.list_items() if not wanted or vm_name_of(item).lower() in wanted]
    views = tuple(item_view(item) for item in items if is_hyper_v_to_azure(item))
    if not wanted:
        counts = Counter((view.protection_state, view.replication_health) for view in views)
        set_vault_vms(request.vault.vault, counts)
    return ItemsRead(items=views, calls=vault.calls_made)


class VaultItems(NamedTuple):
    """The protected items of several vaults.

    Attributes:
        by_vault: By the vault's key.
        failures: Why others could not be read.
        at: When Azure said so; None when no vault could be read.
    """

    by_vault: dict[str, list[ItemDetail]]
    failures: dict[VaultRef, SiteRecoveryError]
    at: datetime | None


async def read_items_by_vault(vaults: Sequence[VaultRef]) -> VaultItems:
    """Read the items of these vaults that replicate from Hyper-V to Azure, with one list a vault."""

    async def read_or_failure(ref: VaultRef) -> tuple[list[Json], datetime] | SiteRecoveryError:
        try:
            return await Vault(ref).list_items_with_time()
        except SiteRecoveryError as failure:
            return failure

    answers = dict(zip(vaults, await map_concurrently(vaults, read_or_failure), strict=True))
    lists = {ref.key: answer for ref, answer in answers.items() if not isinstance(answer, SiteRecoveryError)}
    return VaultItems(
        {key: [item_detail(item) for item in items if is_hyper_v_to_azure(item)] for key, (items, _) in lists.items()},
        {ref: answer for ref, answer in answers.items() if isinstance(answer, SiteRecoveryError)},
        max((at for _, at in lists.values()), default=None),
    )


async def read_all_items_by_vault(vaults: Sequence[VaultRef]) -> tuple[dict[str, list[ItemDetail]], datetime]:
    """The same, all of them, and when Azure answered.

    Raises:
        SiteRecoveryError: one of the vaults could not be read.
    """
    read = await read_items_by_vault(vaults)
    for failure in read.failures.values():
        raise failure
    if read.at is None:
        raise ValueError("no vault to read")
    return read.by_vault, read.at


async def watch_jobs(request: WatchJobs) -> JobsWatched:
    """See which jobs have ended: those that the list of running ones does not name are read one by one.

    Whatever else a read is answered, that there is no such job too, says nothing of how the job ended.

    Raises:
        Transient: the list went unanswered, or Azure throttles reads.
    """
    vault = Vault(request.vault)
    running = await _read_job_names(vault, request, "InProgress")
    unlisted = [name for name in request.jobs if name.lower() not in running]
    if request.paused:
        paused_or_running = running | await _read_job_names(vault, request, "Suspended")
        unlisted += [name for name in request.paused if name.lower() not in paused_or_running]
    jobs_to_read = unlisted[: request.max_read or None]
    answers = await map_concurrently(jobs_to_read, lambda name: _read_end(vault, name, request.pack))
    return JobsWatched(
        ended=tuple(end for end in answers if isinstance(end, JobEnd)),
        running=tuple(name for name in request.paused if name.lower() in running),
        unread=len(unlisted) - len(jobs_to_read),
        calls=vault.calls_made,
        unreadable=tuple(answer for answer in answers if isinstance(answer, UnreadJob)),
    )


async def _read_job_names(vault: Vault, request: WatchJobs, state: str) -> set[str]:
    """Of the jobs in this state, in lower case."""
    return {job["name"].lower() for job in await vault.list_jobs(request.since, state)}


async def _read_end(vault: Vault, name: str, pack: str) -> JobEnd | UnreadJob | None:
    try:
        job = await vault.read_job(name)
    except Throttled:
        raise
    except SiteRecoveryError as answer:
        return UnreadJob(job=name, detail=str(answer))
    end = job_end(job)
    if end and pack:
        await keep_job(pack, job, end)
    return end


async def read_providers(request: ReadProviders) -> ProvidersRead:
    """Read the hosts of one Hyper-V site, or of all; the site may be given by its name or its friendly name."""
    providers, at = await Vault(request.vault).list_providers()
    views = (_provider_view(provider) for provider in providers)
    wanted = request.fabric.lower()
    return ProvidersRead(
        providers=tuple(view for view in views if not wanted or wanted in {name.lower() for name in view.sites}), at=at
    )


def _provider_view(provider: Json) -> ProviderView:
    properties = object_at(provider, "properties")
    site_names = (names_by_type(provider["id"]).get("replicationfabrics"), properties.get("fabricFriendlyName"))
    return ProviderView(
        id=provider["id"],
        host=text_of(properties.get("friendlyName")),
        connected=text_of(properties.get("connectionStatus")).lower() == "connected",
        heartbeat=parse_utc(properties.get("lastHeartBeat")),
        sites=tuple(sorted({text_of(name) for name in site_names if name})),
    )
