"""Asking others over HTTP: the hooks of a drill."""

import aiohttp

from activities.app_contract import HookRan, RunHook
from shared.evidence.redaction import redacted_text

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
