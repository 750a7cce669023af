"""A look at machines on the nodes of their clusters: where they are, whether they run, and what room there is.

It takes some minutes: a run command is slow, and a node does one at a time.
"""

from collections.abc import Sequence

from durabletask import task

from activities.node_contract import READ_NODES, NodesRead, ReadNodes, RunScript, ScriptView
from orchestrators.scripts import run_scripts
from orchestrators.steps import Steps, call_all
from shared.messages import NodeView
from shared.sources import Page, SourceLook, joined, page_of

BATCH = 100
"""Names a script: a node has some of them only, and says these in pages."""
MOST_PAGES = 20


def read_clusters(ctx: task.OrchestrationContext, clusters: Sequence[str]) -> Steps[tuple[list[NodeView], list[str]]]:
    """The nodes of these clusters, and the clusters that could not be read or show none."""
    seen = yield from call_all(ctx, READ_NODES, [ReadNodes(cluster_id=cluster) for cluster in clusters])
    nodes = [node for some in seen if isinstance(some, NodesRead) for node in some.nodes]
    unread = [
        cluster.rpartition("/")[2]
        for cluster, some in zip(clusters, seen, strict=True)
        if not isinstance(some, NodesRead) or not some.nodes
    ]
    return nodes, unread


def look_at_sources(
    ctx: task.OrchestrationContext, operation: str, mark: str, nodes: Sequence[NodeView], vms: Sequence[str]
) -> Steps[SourceLook]:
    """Ask every node of these for every machine of these.

    Args:
        operation: Whose look it is.
        mark: Tells the looks of one operation apart: a name of a run command is used once.
    """
    silent = {node.name: f"it is {node.status}" for node in nodes if node.status.lower() != "connected"}
    batches = [vms[first : first + BATCH] for first in range(0, len(vms), BATCH)]
    at = [(node, number, 0) for node in nodes if node.name not in silent for number in range(len(batches))]
    pages: list[Page] = []
    for _ in range(MOST_PAGES):
        if not at:
            break
        asks = [_script(operation, mark, node, number, first, batches[number]) for node, number, first in at]
        views = yield from run_scripts(ctx, asks)
        read = [_page(node.name, view) for (node, _, _), view in zip(at, views, strict=True)]
        silent |= {node.name: page for (node, _, _), page in zip(at, read, strict=True) if isinstance(page, str)}
        pages += [page for page in read if isinstance(page, Page)]
        at = [
            (node, number, page.following)
            for (node, number, _), page in zip(at, read, strict=True)
            if isinstance(page, Page) and page.following is not None
        ]
    silent |= {node.name: f"it has more than {MOST_PAGES} pages of machines" for node, _, _ in at}
    return joined(pages, silent)


def _script(operation: str, mark: str, node: NodeView, number: int, first: int, names: Sequence[str]) -> RunScript:
    return RunScript(
        machine_id=node.id,
        name=f"{operation}-{mark}-{number}-{first}",
        script="read-source",
        operation=operation,
        parameters={"Names": "/".join(names), "From": str(first)},
    )


def _page(node: str, view: ScriptView | str) -> Page | str:
    if isinstance(view, str):
        return view
    try:
        return page_of(node, view.result or {})
    except ValueError as wrong:
        return str(wrong)
