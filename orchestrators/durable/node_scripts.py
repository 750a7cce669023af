"""Scripts on nodes: started on all at once, followed to their end, and removed with what Azure keeps of their output.

1. Start each script (`follow_scripts`).
2. Read every `SCRIPT_EVERY` those that have not ended yet, for `SCRIPT_WITHIN` at the most.
3. Delete the run commands. One that cannot be deleted now is noted in its node's record: the timer deletes it later,
   as a machine takes 25 of them and no more.
4. Where a script answers in pages, do the same for the next page of each node that has one (`read_pages`).
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from orchestrators.durable.steps import Context, Steps, call_all, call_entity, now, sleep
from shared.arm_ids import key_of
from shared.errors import Refused, Transient
from shared.healing.contract import (
    READ_SCRIPT,
    REMOVE_SCRIPT,
    RUN_SCRIPT,
    ReadScript,
    RemoveScript,
    RunScript,
    ScriptView,
)
from shared.healing.node_record import LeftScripts
from shared.healing.pacing import SCRIPT_EVERY, SCRIPT_WITHIN
from shared.operations.durable_names import NODES
from shared.sites.node_output import Page

_LOG = logging.getLogger(__name__)
MOST_PAGES = 20


class PagedScript(NamedTuple):
    """A script that answers in pages.

    Attributes:
        node: Name of the node that it runs on.
        request: Its run command for the first page; the others are called the same, with where they begin.
        later_parameters: Parameters that have another value from the second page on.
    """

    node: str
    request: RunScript
    later_parameters: Mapping[str, str] = {}

    def page_request(self, first: int) -> RunScript:
        """The run command for the page that begins with this VM."""
        later = self.later_parameters if first else {}
        parameters = {**self.request.parameters, **later, "From": str(first)}
        return self.request.model_copy(update={"name": f"{self.request.name}-{first}", "parameters": parameters})


class NodeParts[Part](NamedTuple):
    """What nodes wrote, page by page.

    Attributes:
        by_node: The pages of each node that answered every page, in order.
        silent: Why a node did not.
    """

    by_node: dict[str, list[Part]]
    silent: dict[str, str]


def read_pages[Part](
    ctx: Context,
    scripts: Sequence[PagedScript],
    read_page: Callable[[str, Mapping[str, Any]], Page[Part]],
    show_page: Callable[[int, int], None] = lambda _nodes, _number: None,
) -> Steps[NodeParts[Part]]:
    """Run scripts on many nodes at once, page after page, until each has answered the last one.

    Args:
        scripts: Several of one node are run side by side.
        read_page: Reads what a node wrote; raises ValueError where it is something else.
        show_page: Is given how many scripts are about to run, and the number of the page.
    """
    by_node: dict[str, list[Part]] = {}
    silent: dict[str, str] = {}
    pending = [(script, 0) for script in scripts]
    for number in range(1, MOST_PAGES + 1):
        if not pending:
            break
        show_page(len(pending), number)
        views = yield from run_scripts(ctx, [script.page_request(first) for script, first in pending])
        answered: list[tuple[PagedScript, Page[Part]]] = []
        for (script, _), view in zip(pending, views, strict=True):
            try:
                answered.append((script, read_page(script.node, _result_of(script.request, view))))
            except ValueError as error:
                silent[script.node] = str(error)
        for script, page in answered:
            by_node.setdefault(script.node, []).append(page.part)
        pending = [(script, page.next_start) for script, page in answered if page.next_start is not None]
    silent |= {script.node: f"it has more than {MOST_PAGES} pages of VMs" for script, _ in pending}
    return NodeParts({node: parts for node, parts in by_node.items() if node not in silent}, silent)


def _result_of(request: RunScript, view: ScriptView | Refused | Transient) -> dict[str, Any]:
    """The JSON that the script wrote.

    Raises:
        ValueError: it did not run, did not end in time, or did not succeed.
    """
    if isinstance(view, Exception):
        raise ValueError(str(view)) from view  # noqa: TRY004 - it is no wrong type, but an answer that is no result
    if not view.has_ended:
        raise ValueError(f"{request.script} has not ended after {SCRIPT_WITHIN}")
    if view.state != "Succeeded" or view.exit_code not in {0, None} or view.result is None:
        raise ValueError(f"{request.script} ended as {view.state}: {view.error[-200:] or 'no result'}")
    return view.result


def run_script(ctx: Context, request: RunScript) -> Steps[ScriptView]:
    """Run one script: how it ended, or how it stood when there was no more time.

    Raises:
        Refused, Transient: it was not started.
    """
    view = (yield from run_scripts(ctx, [request]))[0]
    if isinstance(view, Exception):
        raise view
    return view


def run_scripts(ctx: Context, requests: Sequence[RunScript]) -> Steps[list[ScriptView | Refused | Transient]]:
    """How each script ended, in order, or how it stood when there was no more time, or why it was not started."""
    answers = yield from call_all(ctx, RUN_SCRIPT, requests)
    started = [at for at, answer in enumerate(answers) if not isinstance(answer, Exception)]
    views: dict[int, ScriptView] = dict.fromkeys(started, ScriptView(state="Unknown", error="it was never read"))
    deadline = now(ctx) + SCRIPT_WITHIN
    while (pending := [at for at in started if not views[at].has_ended]) and now(ctx) < deadline:
        yield from sleep(ctx, SCRIPT_EVERY)
        reads = [ReadScript(machine_id=requests[at].machine_id, name=requests[at].name) for at in pending]
        for at, view in zip(pending, (yield from call_all(ctx, READ_SCRIPT, reads)), strict=True):
            views[at] = ScriptView(state="Unknown", error=str(view)) if isinstance(view, Exception) else view
    yield from _remove_scripts(ctx, [requests[at] for at in started])
    return [answer if isinstance(answer, Exception) else views[at] for at, answer in enumerate(answers)]


def _remove_scripts(ctx: Context, requests: Sequence[RunScript]) -> Steps[None]:
    removals = [RemoveScript(machine_id=one.machine_id, name=one.name, operation=one.operation) for one in requests]
    for removal, answer in zip(removals, (yield from call_all(ctx, REMOVE_SCRIPT, removals)), strict=True):
        if isinstance(answer, Exception):
            ctx.create_replay_safe_logger(_LOG).warning("the run command %s was not deleted: %s", removal.name, answer)
            yield from _note_left_script(ctx, removal)


def _note_left_script(ctx: Context, removal: RemoveScript) -> Steps[None]:
    request = LeftScripts(machine_id=removal.machine_id, left=(removal.name,)).model_dump(mode="json")
    try:
        yield from call_entity(ctx, NODES, key_of(removal.machine_id), "note_left_scripts", request)
    except Transient as silence:  # what the script found is worth more than its tidiness
        ctx.create_replay_safe_logger(_LOG).warning("the run command %s is not noted: %s", removal.name, silence)
