"""operationresults: what Location of a 202 leads to, for each kind of resource."""

from collections.abc import Callable

from lab.azure.answers import Answer, Json
from lab.azure.asr import fabrics, items, policies, providers
from lab.azure.asr.common import (
    CONTAINER,
    FABRIC,
    FABRICS,
    ITEM,
    ITEMS,
    MAPPINGS,
    POLICIES,
    PROVIDERS,
    SITE_RECOVERY,
    VAULT,
    own_id,
)
from lab.azure.asr.job_routes import operation_result
from lab.azure.lab import Lab
from lab.azure.routing import Ask

type Document = Callable[[Lab, Json], Json]

_PLACES: tuple[tuple[str, str, Document], ...] = (
    (ITEM, ITEMS, items.document),
    (FABRIC, FABRICS, fabrics.document),
    (VAULT + "/replicationPolicies/{policy}", POLICIES, policies.policy_document),
    (CONTAINER + "/replicationProtectionContainerMappings/{mapping}", MAPPINGS, policies.mapping_document),
    (FABRIC + "/replicationRecoveryServicesProviders/{provider}", PROVIDERS, providers.document),
)


def serve_results(template: str, kind: str, document: Document) -> None:
    """Register operationresults below a kind of resource."""

    @SITE_RECOVERY.route("GET", template + "/operationresults/{operation}")
    def result(lab: Lab, ask: Ask) -> Answer:
        resource = lab.store.get(kind, own_id(ask.path.rpartition("/operationresults/")[0]))
        return operation_result(lab, ask, lambda: document(lab, resource) if resource else None)


for _template, _kind, _document in _PLACES:
    serve_results(_template, _kind, _document)
