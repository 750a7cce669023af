"""The calls that every resource type has: lists, GET and DELETE. What a type does differently it registers itself."""

from collections.abc import Callable

from lab.azure.arm import activity_log, resources
from lab.azure.arm.paging import paged_answer
from lab.azure.arm.routing import Provider
from lab.azure.simulator.answers import Answer, Json, not_simulated
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest

type Document = Callable[[Lab, Json], Json]


def _as_kept(_lab: Lab, resource: Json) -> Json:
    return resource


def serve_list(provider: Provider, template: str, kind: str, document: Document = _as_kept) -> None:
    """Register the list of a resource type in a resource group.

    Args:
        provider: The provider of the type.
        template: The path of the list.
        kind: The resource type.
        document: What the list shows of a resource.
    """

    @provider.route("GET", template)
    def list_in_group(lab: Lab, request: ArmRequest) -> Answer:
        resources.require_group(lab, request.path)
        found = lab.store.all(kind.lower(), request.id_up_to("resourceGroups"))
        return paged_answer(request, [document(lab, resource) for resource in found])


def serve_subscription_list(provider: Provider, kind: str) -> None:
    """Register the list of a resource type in a whole subscription."""

    @provider.route("GET", f"/subscriptions/{{subscription}}/providers/{kind}")
    def list_in_subscription(lab: Lab, request: ArmRequest) -> Answer:
        return paged_answer(request, lab.store.all(kind.lower(), request.id_up_to("subscriptions")))


def require_instance_view(request: ArmRequest) -> None:
    """Let $expand ask for the instance view, which is there always, and for nothing else.

    Raises:
        ArmError: 501.
    """
    if (wanted := request.query.get("$expand", "")).lower() not in ("", "instanceview"):
        raise not_simulated(f"$expand={wanted}")


def serve_child_list(provider: Provider, template: str, kind: str, parent: str) -> None:
    """Register the list of a type whose resources are below another; `parent` is its segment, as "machines"."""

    @provider.route("GET", template)
    def list_below(lab: Lab, request: ArmRequest) -> Answer:
        above = resources.require_resource(lab, request.id_up_to(parent))
        require_instance_view(request)
        return paged_answer(request, lab.store.all(kind.lower(), above["id"]))


def serve_get(provider: Provider, template: str, *, parent: str | None = None) -> None:
    """Register GET of one resource; with a `parent`, that must be there too."""

    @provider.route("GET", template)
    def get_resource(lab: Lab, request: ArmRequest) -> Answer:
        if parent:
            resources.require_resource(lab, request.id_up_to(parent))
        require_instance_view(request)
        return Answer(200, resources.require_resource(lab, request.path))


def serve_delete(provider: Provider, template: str, *, logged_as: str | None = None, locked: bool = False) -> None:
    """Register DELETE of a resource, done when it is answered: 204 when there was none.

    Args:
        provider: The provider of the type.
        template: The path of one resource.
        logged_as: The resource type, if the deletion is in the Activity Log.
        locked: Whether a lock forbids it.
    """

    @provider.route("DELETE", template)
    def delete_resource(lab: Lab, request: ArmRequest) -> Answer:
        if resources.find_resource(lab, request.path) is None:
            return Answer(204)
        if locked:
            resources.require_unlocked(lab, request.path, deleting=True)
        resources.delete_resource(lab, request.path)
        if logged_as:
            activity_log.log_ended(lab, activity_log.origin_of(request), request.path, f"{logged_as}/delete")
        return Answer(200)
