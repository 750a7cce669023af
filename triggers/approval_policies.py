"""Approval policies over HTTP: declare, read, withdraw."""

import azure.durable_functions as df
import azure.functions as func

from shared.plans.approval_guards import Declared, covered_vms
from shared.plans.approval_policy import ApprovalPolicy
from shared.problem_details import FieldError
from triggers import declared_documents
from triggers.approvals import read_declared
from triggers.declarations import document_view, history_view, put_document, read_document_name, withdraw_document
from triggers.http_endpoint import body_of, handle_for_role, invalid_request, json_response

bp = df.Blueprint()


@bp.function_name("put_approval_policy")
@bp.route("approval-policies/{policy}", methods=["PUT"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Admin", is_conditional=True, body=ApprovalPolicy, statuses=(201, 200, 202))
async def put_approval_policy(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Declare an approval policy: 201; to change one takes the approvals of the policy as it is: 202 with the run."""
    policy = ApprovalPolicy.model_validate_json(body_of(req))
    name = read_document_name(req, "approval-policy")
    declared = await read_declared(client)
    unknown = _unknown_names(policy, declared)
    if unknown and name not in declared.policies:  # what one that stands names may be withdrawn since
        raise invalid_request(*unknown)
    return await put_document(req, client, "approval-policy", policy)


def _unknown_names(policy: ApprovalPolicy, declared: Declared) -> list[FieldError]:
    named = (
        ("sites", "site", policy.covers.sites, declared.sites),
        ("plans", "plan", policy.covers.plans, declared.plans),
    )
    return [
        FieldError(field=f"covers.{part}[{index}]", detail=f"there is no {noun} {one!r}: it would guard nothing")
        for part, noun, names, known in named
        for index, one in enumerate(names)
        if one not in known
    ]


@bp.function_name("get_approval_policy")
@bp.route("approval-policies/{policy}", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def get_approval_policy(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """A declared approval policy, with the VMs of plans that it covers now."""
    name = read_document_name(req, "approval-policy")
    versioned = await declared_documents.read_document(client, "approval-policy", name)
    covered = covered_vms(await read_declared(client), name)
    view = document_view(name, versioned) | history_view(versioned) | {"coveredVms": covered}
    return json_response(view, headers={"ETag": versioned.etag})


@bp.function_name("delete_approval_policy")
@bp.route("approval-policies/{policy}", methods=["DELETE"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Admin", is_conditional=True, statuses=(202,))
async def delete_approval_policy(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Withdraw an approval policy, once those have approved that whom it names: 202 with the run."""
    return await withdraw_document(req, client, "approval-policy")


@bp.function_name("list_approval_policies")
@bp.route("approval-policies", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def list_approval_policies(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """All declared approval policies."""
    policies = await declared_documents.read_documents(client, "approval-policy")
    return json_response({"value": [document_view(name, one) for name, one in policies.items()]})
