"""Notification rules over HTTP: declare, read, withdraw."""

from typing import Any

import azure.durable_functions as df
import azure.functions as func

from activities.durable_state import list_entities, read_entity
from shared.notifications.budget import Deliveries
from shared.notifications.rule import MOST_RULES, NotificationRule
from shared.operations.durable_names import NOTIFICATIONS
from shared.problem_details import FieldError
from triggers import declared_documents
from triggers.declarations import document_view, history_view, put_document, read_document_name, withdraw_document
from triggers.http_endpoint import HttpProblem, body_of, handle_for_role, invalid_request, json_response
from triggers.scope_checks import find_rule_scope_errors

bp = df.Blueprint()


@bp.function_name("put_notification_rule")
@bp.route("notification-rules/{rule}", methods=["PUT"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Admin", is_conditional=True, body=NotificationRule, statuses=(201, 200, 202))
async def put_notification_rule(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Declare a notification rule: 201 or 200; 202 where those have to approve the change who are told by it."""
    rule = NotificationRule.model_validate_json(body_of(req))
    name = read_document_name(req, "notification-rule")
    if errors := find_rule_scope_errors(rule):
        raise invalid_request(*errors)
    rules = await declared_documents.read_documents(client, "notification-rule")
    if name not in rules:
        await _require_new(client, rule, len(rules))
    return await put_document(req, client, "notification-rule", rule)


async def _require_new(client: df.DurableFunctionsClient, rule: NotificationRule, count: int) -> None:
    """See that a rule can be added; what one that stands names may be withdrawn since.

    Raises:
        HttpProblem: there are as many as there may be (409), or it names what there is not (400).
    """
    if count >= MOST_RULES:
        detail = f"There are {count} notification rules, and no more can be: withdraw one first."
        raise HttpProblem(409, "Too many notification rules", detail, code="too-many-rules")
    covers = rule.covers
    if covers is None:
        return
    named = (("sites", "site", covers.sites), ("plans", "plan", covers.plans))
    errors = [
        FieldError(field=f"covers.{part}[{index}]", detail=f"there is no {kind} {one!r}: nobody would hear of it")
        for part, kind, names in named
        for index, one in enumerate(names)
        if one not in await declared_documents.read_documents(client, kind)
    ]
    if errors:
        raise invalid_request(*errors)


@bp.function_name("get_notification_rule")
@bp.route("notification-rules/{rule}", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def get_notification_rule(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """A declared notification rule, and what became of its notifications."""
    name = read_document_name(req, "notification-rule")
    versioned = await declared_documents.read_document(client, "notification-rule", name)
    deliveries = deliveries_view(await read_entity(client, NOTIFICATIONS, name))
    view = document_view(name, versioned) | history_view(versioned) | {"deliveries": deliveries}
    return json_response(view, headers={"ETag": versioned.etag})


def deliveries_view(state: dict[str, Any]) -> dict[str, Any]:
    """What became of the notifications of a rule, as people read it."""
    kept = Deliveries.model_validate(state)
    last = kept.last_given_up
    return {
        "sent": kept.sent,
        "givenUp": kept.given_up,
        "leftOut": kept.left_out,
        "lastGivenUp": {"at": last.at.isoformat(), "event": last.event, "detail": last.detail} if last else None,
    }


@bp.function_name("delete_notification_rule")
@bp.route("notification-rules/{rule}", methods=["DELETE"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Admin", is_conditional=True, statuses=(200, 202))
async def delete_notification_rule(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Withdraw a notification rule; 202 where those have to approve that who are told by it."""
    return await withdraw_document(req, client, "notification-rule")


@bp.function_name("list_notification_rules")
@bp.route("notification-rules", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def list_notification_rules(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """All declared notification rules, each with what became of its notifications."""
    rules = await declared_documents.read_documents(client, "notification-rule")
    kept = await list_entities(client, NOTIFICATIONS)
    views = [
        document_view(name, one) | {"deliveries": deliveries_view(kept.get(name, {}))} for name, one in rules.items()
    ]
    return json_response({"value": views})
