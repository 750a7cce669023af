"""What hooks run in Azure, each begun once: scripts of the plan's author on Arc machines, and Automation runbooks."""

import hashlib
from typing import Literal

import aiohttp

from activities.http_calls import post_json
from activities.nodes import put_script, read_script, remove_script
from shared.activity import Nothing
from shared.azure.automation import RunbookJob
from shared.azure.errors import NotFound
from shared.azure.json_fields import object_at, text_of
from shared.errors import Refused, Transient
from shared.healing.contract import ReadScript, RemoveScript
from shared.operations.hook_work import HookWork
from shared.recovery.contract import BeginHookWork, HookAnswer, RunHook
from shared.redaction import redact_text
from shared.request_ids import client_request_id

MAX_OUTPUT_LENGTH, MAX_DETAIL_LENGTH, MAX_RESPONSE_BYTES = 4096, 300, 500
RUNNING_STATES = frozenset({"New", "Activating", "Queued", "Running", "Resuming", "Stopping", "Suspending", "Removing"})
"""States of a job that pass by themselves. One that is Suspended, Blocked or Disconnected needs a person."""


def hook_work_name(request: HookWork) -> str:
    """The name in Azure of the run command or the job: equal for equal hooks, and never another one's."""
    if request.kind == "runbook":
        return client_request_id(request.operation, request.target, request.id, 1)
    return f"hook-{hashlib.sha256(request.id.encode()).hexdigest()[:20]}"


async def begin_hook_work(request: BeginHookWork) -> Nothing:
    """Have a script run, or a runbook; what was begun for this hook before is left alone.

    Raises:
        Refused: there is no such machine or runbook, or it does not take the call.
        Transient: Azure did not answer; it may have begun all the same.
    """
    if request.kind == "runbook":
        job = RunbookJob(request.target, hook_work_name(request))
        if await job.find_job() is None:
            await job.start_job(request.parameters, request.run_on, hook_work_name(request))
    else:
        await put_script(
            request.target,
            hook_work_name(request),
            script=request.script,
            parameters=request.parameters,
            time_limit=request.timeout,
            operation=request.operation,
        )
    return Nothing()


async def read_hook_work(request: HookWork) -> HookAnswer:
    """See how it stands; what is gone has not succeeded."""
    return await (_read_runbook_work(request) if request.kind == "runbook" else _read_script_work(request))


async def _read_script_work(request: HookWork) -> HookAnswer:
    script = await read_script(ReadScript(machine_id=request.target, name=hook_work_name(request)))
    if not script.has_ended:
        return HookAnswer(state="running", detail=f"the script is {script.state}")
    output = redact_text("\n".join(filter(None, (script.output, script.error))))
    code = script.exit_code
    detail = f"the script ended {script.state}" + ("" if code is None else f" with {code}")
    if script.state == "Missing":
        detail = "its run command is gone"
    return _hook_result(detail, output, passed=script.state == "Succeeded" and code in {0, None}, status=code or 0)


async def _read_runbook_work(request: HookWork) -> HookAnswer:
    job = RunbookJob(request.target, hook_work_name(request))
    properties = object_at(await job.find_job() or {}, "properties")
    status = text_of(properties.get("status")) or "Missing"
    if status in RUNNING_STATES:
        return HookAnswer(state="running", detail=f"the job is {status}")
    details = text_of(properties.get("statusDetails"))
    reason = text_of(properties.get("exception")) or ("" if details == "None" else details)
    try:
        output = await job.read_output()
    except (NotFound, Transient):  # good to have, and decides nothing
        output = ""
    detail = f"the job is {status}" + (redact_text(f" ({reason})") if reason else "")
    return _hook_result(detail, redact_text(output), passed=status == "Completed")


def _hook_result(detail: str, output: str, *, passed: bool, status: int = 0) -> HookAnswer:
    output_end = output.strip()[-MAX_OUTPUT_LENGTH:]
    shown_detail = f"{detail}: {output_end[-MAX_DETAIL_LENGTH:]}" if output_end and not passed else detail
    state: Literal["passed", "failed"] = "passed" if passed else "failed"
    return HookAnswer(state=state, status=status, detail=shown_detail[: 2 * MAX_DETAIL_LENGTH], output=output_end)


async def end_hook_work(request: HookWork) -> Nothing:
    """Leave nothing behind: the run command is removed, which stops its script; a job that goes on is stopped."""
    if request.kind == "run-command":
        return await remove_script(
            RemoveScript(machine_id=request.target, name=hook_work_name(request), operation=request.operation)
        )
    job = RunbookJob(request.target, hook_work_name(request))
    status = text_of(object_at(await job.find_job() or {}, "properties").get("status"))
    if status in RUNNING_STATES - {"Stopping", "Removing"} or status == "Suspended":
        try:
            await job.stop_job(client_request_id(request.operation, request.target, f"{request.id} stop", 1))
        except Refused:  # it has ended meanwhile
            if text_of(object_at(await job.find_job() or {}, "properties").get("status")) in RUNNING_STATES:
                raise
    return Nothing()


async def run_hook(request: RunHook) -> HookAnswer:
    """POST the moment to a hook: 2xx means well; no answer, 429 and 5xx may mean so later, anything else does not.

    The same Idempotency-Key comes with each try.
    """
    body = {"operation": request.operation, "plan": request.plan, "moment": request.moment, "state": request.state}
    try:
        status, content = await post_json(request.url, body, {"Idempotency-Key": request.id})
    except (aiohttp.ClientError, TimeoutError) as error:
        return HookAnswer(state="unanswered", detail=f"no answer: {type(error).__name__}")
    detail = redact_text(content[:MAX_RESPONSE_BYTES].decode(errors="replace"))
    if status == 429 or status >= 500:
        return HookAnswer(state="unanswered", status=status, detail=detail)
    return HookAnswer(state="passed" if 200 <= status < 300 else "failed", status=status, detail=detail)
