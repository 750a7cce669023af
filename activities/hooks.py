"""What hooks run in Azure, each begun once: scripts of the plan's author on Arc machines, and Automation runbooks."""

import hashlib

import aiohttp

from activities.nodes import put_script, read_script, remove_script
from shared.activity import Nothing
from shared.azure.automation import RunbookJob
from shared.azure.errors import Missing
from shared.azure.json_fields import Json, part, text
from shared.errors import Refused, Transient
from shared.healing.contract import ReadScript, RemoveScript
from shared.recovery.contract import BeginWork, HookRan, HookWork, RunHook
from shared.redaction import redacted_text
from shared.request_ids import client_request_id

LONGEST_OUTPUT, LONGEST_DETAIL = 4096, 300
GOING_ON = frozenset({"New", "Activating", "Queued", "Running", "Resuming", "Stopping", "Suspending", "Removing"})
"""States of a job that pass by themselves. One that is Suspended, Blocked or Disconnected needs a person."""


def work_name(ask: HookWork) -> str:
    """The name in Azure of the run command or the job: equal for equal hooks, and never another one's."""
    if ask.kind == "runbook":
        return client_request_id(ask.operation, ask.target, ask.id, 1)
    return f"hook-{hashlib.sha256(ask.id.encode()).hexdigest()[:20]}"


async def begin_work(ask: BeginWork) -> Nothing:
    """Have a script run, or a runbook; what was begun for this hook before is left alone.

    Raises:
        Refused: there is no such machine or runbook, or it does not take the call.
        Transient: Azure did not answer; it may have begun all the same.
    """
    if ask.kind == "runbook":
        job = RunbookJob(ask.target, work_name(ask))
        if await job.find() is None:
            await job.start(ask.parameters, ask.run_on, work_name(ask))
    else:
        await put_script(
            ask.target,
            work_name(ask),
            text=ask.script,
            parameters=ask.parameters,
            limit=ask.timeout,
            operation=ask.operation,
        )
    return Nothing()


async def look_at_work(ask: HookWork) -> HookRan:
    """See how it stands; what is gone has not succeeded."""
    return await (_job(ask) if ask.kind == "runbook" else _script(ask))


async def _script(ask: HookWork) -> HookRan:
    seen = await read_script(ReadScript(machine_id=ask.target, name=work_name(ask)))
    said = redacted_text("\n".join(filter(None, (seen.output, seen.error))))
    if not seen.ended:
        return HookRan(passed=False, detail=f"the script is {seen.state}", again=True)
    code = seen.exit_code
    passed = seen.state == "Succeeded" and code in {0, None}
    detail = f"the script ended {seen.state}" + ("" if code is None else f" with {code}")
    if seen.state == "Missing":
        detail = "its run command is gone"
    return _ran(detail, said, passed=passed, status=code or 0)


async def _job(ask: HookWork) -> HookRan:
    job = RunbookJob(ask.target, work_name(ask))
    properties = part(await job.find() or {}, "properties")
    status = text(properties.get("status")) or "Missing"
    if status in GOING_ON:
        return HookRan(passed=False, detail=f"the job is {status}", again=True)
    detail = " ".join(filter(None, (f"the job is {status}", _why(properties))))
    return _ran(detail, redacted_text(await _output(job)), passed=status == "Completed")


def _why(properties: Json) -> str:
    details = text(properties.get("statusDetails"))
    said = text(properties.get("exception")) or ("" if details == "None" else details)
    return redacted_text(f"({said})") if said else ""


async def _output(job: RunbookJob) -> str:
    """The output is good to have and decides nothing."""
    try:
        return await job.output()
    except (Missing, Transient):
        return ""


def _ran(detail: str, said: str, *, passed: bool, status: int = 0) -> HookRan:
    end = said.strip()[-LONGEST_OUTPUT:]
    shown = f"{detail}: {end[-LONGEST_DETAIL:]}" if end and not passed else detail
    return HookRan(passed=passed, status=status, detail=shown[: 2 * LONGEST_DETAIL], output=end)


async def end_work(ask: HookWork) -> Nothing:
    """Leave nothing behind: the run command is removed, which stops its script; a job that goes on is stopped."""
    if ask.kind == "run-command":
        return await remove_script(RemoveScript(machine_id=ask.target, name=work_name(ask), operation=ask.operation))
    job = RunbookJob(ask.target, work_name(ask))
    status = text(part(await job.find() or {}, "properties").get("status"))
    if status in GOING_ON - {"Stopping", "Removing"} or status == "Suspended":
        await _stop(job, client_request_id(ask.operation, ask.target, f"{ask.id} stop", 1))
    return Nothing()


async def _stop(job: RunbookJob, request_id: str) -> None:
    try:
        await job.stop(request_id)
    except Refused:  # it has ended meanwhile
        status = text(part(await job.find() or {}, "properties").get("status"))
        if status in GOING_ON:
            raise


PATIENCE = aiohttp.ClientTimeout(total=30)
LONGEST = 500


async def run_hook(ask: RunHook) -> HookRan:
    """POST the moment to a hook: 2xx means well; no answer, 429 and 5xx may mean so later, anything else does not.

    The same Idempotency-Key comes with each try. Redirects are not followed.
    """
    body = {"operation": ask.operation, "plan": ask.plan, "moment": ask.moment, "state": ask.state}
    try:
        async with (
            aiohttp.ClientSession(timeout=PATIENCE) as session,
            session.post(ask.url, json=body, headers={"Idempotency-Key": ask.id}, allow_redirects=False) as answer,
        ):
            said = redacted_text((await answer.content.read(LONGEST)).decode(errors="replace"))
            again = answer.status == 429 or answer.status >= 500
            return HookRan(passed=200 <= answer.status < 300, status=answer.status, detail=said, again=again)
    except (aiohttp.ClientError, TimeoutError) as silence:
        return HookRan(passed=False, detail=f"no answer: {type(silence).__name__}", again=True)
