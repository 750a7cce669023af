"""What hooks run in Azure, each begun once: scripts of the plan's author on Arc machines, and Automation runbooks."""

import hashlib

import aiohttp

from activities.call_authentication import authentication_headers
from activities.http_calls import encode_json, post_content
from activities.kept_answers import kept_output, public_message, without_values
from activities.nodes import Script, put_script, read_run_command, remove_script
from shared.activity import Nothing
from shared.arm_ids import name_of, split_at
from shared.azure.automation import RunbookJob
from shared.azure.errors import NotFound
from shared.azure.json_fields import object_at, text_of
from shared.azure.key_vault import read_secret
from shared.errors import Refused, Transient
from shared.healing.contract import ReadScript, RemoveScript
from shared.operations.hook_work import HookWork
from shared.recovery.contract import BeginHookWork, HookAnswer, RunHook
from shared.request_ids import client_request_id
from shared.secret_references import is_reference

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
        Refused: there is no such machine or runbook, it is a node of a cluster, or it does not take the call.
        Transient: Azure did not answer; it may have begun all the same.
    """
    if request.kind == "runbook":
        job = RunbookJob(request.target, hook_work_name(request))
        if await job.find_job() is None:
            await job.start_job(await _resolve_parameters(request), request.run_on, hook_work_name(request))
    else:
        secrets = {name for name, value in request.parameters.items() if is_reference(value)}
        script = Script(request.script, await _resolve_parameters(request), request.timeout, secrets)
        # Looked at again: the machine may have become a node since the plan was declared.
        await put_script(request.target, hook_work_name(request), script, request.operation, may_be_node=False)
    return Nothing()


async def _resolve_parameters(request: BeginHookWork) -> dict[str, str]:
    """The parameters with the values of secrets in place of the references to them."""
    return {
        name: await read_secret(value) if is_reference(value) else value for name, value in request.parameters.items()
    }


async def read_hook_work(request: HookWork) -> HookAnswer:
    """See how it stands; what is gone has not succeeded."""
    answer = await (_read_runbook_work(request) if request.kind == "runbook" else _read_script_work(request))
    return await _without_given_secrets(request, answer)


async def _without_given_secrets(request: HookWork, answer: HookAnswer) -> HookAnswer:
    """What is kept, without the secrets that the work was given: it may have written them.

    Nothing of it is kept where those cannot be read any more.
    """
    if answer.may_change or not request.secrets or not (request.keep_output or request.message_member):
        return answer
    try:
        values = [await read_secret(reference) for reference in request.secrets]
    except Refused as refusal:
        return answer.model_copy(update={"detail": f"nothing of its output is kept: {refusal.detail}", "output": ""})
    return answer.model_copy(
        update={"detail": without_values(answer.detail, values), "output": without_values(answer.output, values)}
    )


async def _read_script_work(request: HookWork) -> HookAnswer:
    script = await read_run_command(ReadScript(machine_id=request.target, name=hook_work_name(request)))
    if not script.has_ended:
        return HookAnswer(state="running", detail=f"the script is {script.state}")
    output = "\n".join(filter(None, (script.output, script.error)))
    code = script.exit_code
    detail = f"the script ended {script.state}" + ("" if code is None else f" with {code}")
    if script.state == "Missing":
        detail = "its run command is gone"
    passed = script.state == "Succeeded" and code in {0, None}
    if not passed and script.state != "Missing":
        kept = "its output is in the evidence" if request.keep_output else "its output is not kept without keepOutput"
        detail = f"{detail}; {kept}"
    return _hook_result(request, detail, output, passed=passed, status=code or 0, message_source=script.output)


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
    passed, account = status == "Completed", name_of(split_at(request.target, "runbooks")[0])
    detail = f"the job is {status}" + ("" if passed else f"; see job {hook_work_name(request)} of {account}")
    all_output = "\n".join(filter(None, (output, reason)))
    return _hook_result(request, detail, all_output, passed=passed, message_source=output)


def _hook_result(
    request: HookWork | RunHook, detail: str, output: str, *, passed: bool, status: int = 0, message_source: str = ""
) -> HookAnswer:
    """What is kept of how it ended; of what it wrote no more than its author wants."""
    message = public_message(message_source or output, request.message_member)
    known = (request.operation, name_of(request.target) if isinstance(request, HookWork) else request.plan)
    return HookAnswer(
        state="passed" if passed else "failed",
        status=status,
        detail=": ".join(filter(None, (detail, message))),
        output=kept_output(output, is_wanted=request.keep_output, known=known),
    )


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
    content = encode_json(body)
    try:
        authentication = await authentication_headers(request.authentication, request.id, request.at, content)
        headers = {"Idempotency-Key": request.id, **authentication}
        status, response_body = await post_content(request.url, content, headers)
    except Refused as refusal:
        return HookAnswer(state="failed", detail=f"not asked: {refusal}")
    except (aiohttp.ClientError, TimeoutError) as error:
        return HookAnswer(state="unanswered", detail=f"no answer: {type(error).__name__}")
    passed, text = 200 <= status < 300, response_body.decode(errors="replace")
    detail = f"it answered {status}" + ("" if passed else f"; its log has the call by Idempotency-Key {request.id}")
    answer = _hook_result(request, detail, text, passed=passed, status=status)
    return answer.model_copy(update={"state": "unanswered"}) if status == 429 or status >= 500 else answer
