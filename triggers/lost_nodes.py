"""Declaring over HTTP that a node never comes back, so that nothing waits for it any more; and withdrawing that."""

import uuid
from typing import Annotated

import azure.durable_functions as df
import azure.functions as func
from pydantic import StringConstraints

from activities.nodes import read_nodes
from shared.errors import Refused
from shared.healing.contract import ReadNodes
from shared.messages import Document
from shared.operations.durable_names import CHANGE_LOST_NODE
from shared.principals import require_role
from shared.sites.lost_nodes import LostNode, LostNodeChange, LostNodeOutcome, lost_node_sentence
from shared.sites.node_health import is_agent_connected
from shared.sites.nodes import NodeView, same_host
from shared.sites.site import SiteDocument
from triggers import declared_documents
from triggers.failures import Outage
from triggers.http_endpoint import (
    PREVIEW,
    body_of,
    caller_of,
    handle_for_role,
    json_response,
    not_found,
    outage_problem,
    read_body,
    require_confirmation,
)
from triggers.request_checks import wants_preview
from triggers.short_runs import ShortRun, await_short_run

bp = df.Blueprint()
ROUTE = "sites/{site}/nodes/{node}/lost"
GIVEN_UP = Outage(code="lost-node-failed", detail="The durable engine gave the change up; the app's log says why.")
CHANGE = ShortRun(CHANGE_LOST_NODE, LostNodeOutcome, GIVEN_UP)


class LostNodeRequest(Document):
    """Declare a node lost.

    Attributes:
        confirm: The sentence of the preview.
    """

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
    confirm: str = ""


@bp.function_name("declare_lost_node")
@bp.route(ROUTE, methods=["POST"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read", PREVIEW, body=LostNodeRequest, action_roles=("Dr.Operate",), statuses=(201, 200))
async def declare_lost_node(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Declare a node lost that does not answer: 201, or 200 when it is; 409 for one that is connected.

    It takes the sentence that `?preview=true` shows, word for word, and a reason.
    """
    is_looking = wants_preview(req) and body_of(req) == b"{}"  # a preview needs no reason
    request = None if is_looking else read_body(req, LostNodeRequest)
    site = await declared_documents.read_site(client, req.route_params["site"])
    node = await _read_node(site, req.route_params["node"])
    sentence = lost_node_sentence(node.name)
    if wants_preview(req) or request is None:
        return json_response({"node": node.name, "status": node.status, "confirm": sentence})
    require_role(caller_of(req), "Dr.Operate")
    if is_agent_connected(node):
        detail = f"{node.name} is {node.status}: only a node that does not answer can be declared lost"
        raise Refused("node-answers", detail)
    require_confirmation(request.confirm, sentence)
    person = caller_of(req)
    change = LostNodeChange(
        id=uuid.uuid4().hex,
        action="declare",
        site=req.route_params["site"],
        node=node.name,
        reason=request.reason,
        confirmed=request.confirm,
        by=person.name,
        by_id=person.id,
    )
    outcome = await _make_change(client, change)
    return json_response(_outcome_view(outcome), 201 if outcome.outcome == "declared" else 200)


@bp.function_name("withdraw_lost_node")
@bp.route(ROUTE, methods=["DELETE"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Operate")
async def withdraw_lost_node(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Withdraw it: what only the node can say is waited for once more. 404 for one that is not declared lost."""
    site, node = req.route_params["site"], req.route_params["node"]
    person = caller_of(req)
    change = LostNodeChange(
        id=uuid.uuid4().hex, action="withdraw", site=site, node=node, by=person.name, by_id=person.id
    )
    outcome = await _make_change(client, change)
    if outcome.outcome == "missing":
        raise not_found("lost node", node)
    return json_response(_outcome_view(outcome))


async def _read_node(site: SiteDocument, name: str) -> NodeView:
    """A node of the site's cluster, as Azure shows it.

    Raises:
        HttpProblem: there is none of this name (404): nothing waits for it then.
    """
    nodes = (await read_nodes(ReadNodes(cluster_id=site.cluster))).nodes
    node = next((one for one in nodes if same_host(one.name, name)), None)
    if node is None:
        raise not_found("node", name)
    return node


async def _make_change(client: df.DurableFunctionsClient, change: LostNodeChange) -> LostNodeOutcome:
    """Make the change, and wait for what becomes of it.

    Raises:
        HttpProblem: nobody can say yet (503).
    """
    hint = f"It may be done all the same: /api/sites/{change.site}/nodes shows it then. It is safe to send it again."
    return await await_short_run(client, CHANGE, change, lambda outage: outage_problem(outage, hint))


def _outcome_view(outcome: LostNodeOutcome) -> dict[str, object]:
    return {"outcome": outcome.outcome, "lost": lost_node_view(outcome.lost)}


def lost_node_view(lost: LostNode | None) -> dict[str, object] | None:
    """As people read it."""
    return lost.model_dump(mode="json", by_alias=True) if lost else None
