"""The calls that every kind of record in a vault has: its lists, and GET of one.

A record is a document of the store; what a call shows of it is made by a function of the lab and the record.
"""

from collections.abc import Callable

from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest
from lab.azure.site_recovery.api.common import SITE_RECOVERY, VAULT, list_answer, require_record, vault_of

type Document = Callable[[Lab, Json], Json]


def serve_vault_list(segment: str, kind: str, document: Document) -> None:
    """Register the list of all records of a kind in a vault, as "replicationFabrics"."""

    @SITE_RECOVERY.route("GET", f"{VAULT}/{segment}")
    def list_of_vault(lab: Lab, request: ArmRequest) -> Answer:
        return list_answer(document(lab, record) for record in lab.store.all(kind, vault_of(request)))


def serve_child_list(parent: str, parent_kind: str, segment: str, kind: str, document: Document) -> None:
    """Register the list of the records of a kind below another record; `parent` is the path of that one."""

    @SITE_RECOVERY.route("GET", f"{parent}/{segment}")
    def list_of_parent(lab: Lab, request: ArmRequest) -> Answer:
        above = require_record(lab, request, parent_kind, parent.split("/")[-2])
        return list_answer(document(lab, record) for record in lab.store.all(kind, above["id"]))


def serve_get(template: str, kind: str, document: Document) -> None:
    """Register GET of one record."""

    @SITE_RECOVERY.route("GET", template)
    def get_record(lab: Lab, request: ArmRequest) -> Answer:
        return Answer(200, document(lab, require_record(lab, request, kind, template.split("/")[-2])))
