"""Which scripts and runbook jobs the hooks of a run have in Azure: each is named for the run and the hook. Pure."""

from shared.operations.hook_work import HookWork
from shared.plans.hooks import HOOK_MOMENTS, HOOK_OCCASIONS, Hook
from shared.plans.plan import PlanDocument
from shared.secret_references import references_in


def hook_request_id(operation: str, occasion: str, moment: str, number: int) -> str:
    """Unique for the run and the hook, and the same after a crash."""
    return f"{operation}:{occasion}:{moment}:{number}"


def hook_work_of(operation: str, request_id: str, hook: Hook) -> HookWork | None:
    """What the hook has run in Azure; None for one of another kind."""
    match hook.kind:
        case "run-command" | "runbook" as kind:
            return HookWork(
                id=request_id,
                operation=operation,
                kind=kind,
                target=hook.target,
                message_member=hook.message_member,
                keep_output=hook.keep_output,
                secrets=references_in(hook.parameters.values()),
            )
        case _:
            return None


def list_hook_work(operation: str, document: PlanDocument) -> tuple[HookWork, ...]:
    """All that a run on this plan may have in Azure, whatever it has begun of it."""
    found = (
        hook_work_of(operation, hook_request_id(operation, occasion, moment, number), hook)
        for occasion in sorted(set(HOOK_OCCASIONS.values()))
        for moment in HOOK_MOMENTS
        for number, hook in enumerate(document.hooks_at(occasion, moment))
    )
    return tuple(work for work in found if work)
