"""Protected items over HTTP: lists, with a filter and in pages, and one by its id."""

from lab.azure.arm.paging import paged_answer
from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest
from lab.azure.site_recovery.api.common import (
    CONTAINER,
    CONTAINERS,
    ITEM,
    ITEMS,
    PLANS,
    SITE_RECOVERY,
    VAULT,
    require_record,
    vault_of,
)
from lab.azure.site_recovery.api.crud import serve_get
from lab.azure.site_recovery.api.filters import Test, parse_filter
from lab.azure.site_recovery.items.item_documents import item_document
from lab.azure.site_recovery.items.items import state_of
from lab.azure.site_recovery.jobs.operation_results import serve_results

_PAGE = 1000


def _parse_item_filter(lab: Lab, request: ArmRequest) -> Test:
    def is_in_plan(item: Json, name: str) -> bool:
        plan = lab.store.get(PLANS, f"{vault_of(request)}/replicationRecoveryPlans/{name}")
        return plan is not None and item["id"].lower() in plan["members"]

    keys = {
        "recoveryplanname": is_in_plan,
        "friendlyname": lambda item, value: item["friendlyName"].lower() == value.lower(),
        "fabricname": lambda item, value: item["fabric"].lower().endswith(f"/{value.lower()}"),
        "protectedstate": lambda item, value: state_of(item).protection == value,
    }
    return parse_filter(request.query.get("$filter"), keys)


@SITE_RECOVERY.route("GET", VAULT + "/replicationProtectedItems")
def list_of_vault(lab: Lab, request: ArmRequest) -> Answer:
    """All items of a vault; more than 1,000 come in pages."""
    test = _parse_item_filter(lab, request)
    items = [item for item in lab.store.all(ITEMS, vault_of(request)) if test(item)]
    return _page_of_items(lab, request, items)


@SITE_RECOVERY.route("GET", CONTAINER + "/replicationProtectedItems")
def list_of_container(lab: Lab, request: ArmRequest) -> Answer:
    """The items of one container."""
    container = require_record(lab, request, CONTAINERS, "replicationProtectionContainers")
    return _page_of_items(lab, request, lab.store.all(ITEMS, container["id"]))


def _page_of_items(lab: Lab, request: ArmRequest, items: list[Json]) -> Answer:
    return paged_answer(request, [item_document(lab, item) for item in items], _PAGE)


serve_get(ITEM, ITEMS, item_document)
serve_results(ITEM, ITEMS, item_document)
