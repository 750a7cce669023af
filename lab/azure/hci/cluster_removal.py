"""The removal of a cluster's resource, with its Arc settings and their extensions; the nodes and their machines stay.

Inferred: how long it takes, and that the extensions on the nodes stay as they are.
"""

from datetime import timedelta

from lab.azure.arm import activity_log, lro, resources
from lab.azure.hci.cluster_extensions import EXTENSION, operation_headers
from lab.azure.hci.clusters import CLUSTER, CLUSTERS, provider
from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab, due
from lab.azure.simulator.requests import ArmRequest
from lab.azure.simulator.waits import shortened_wait

_TAKES = timedelta(minutes=1)


@provider.route("DELETE", CLUSTERS + "/{cluster}")
def delete_cluster(lab: Lab, request: ArmRequest) -> Answer:
    """Remove a cluster: 202, or 204 when there is none."""
    cluster = resources.find_resource(lab, request.path)
    if cluster is None:
        return Answer(204)
    resources.require_unlocked(lab, request.path, deleting=True)
    operation = lro.start_operation(lab, status="InProgress")
    args = {"cluster": cluster["id"], "operation": operation["name"], "origin": activity_log.origin_of(request)}
    lab.call_after(shortened_wait(_TAKES), "cluster-removed", args)
    return lro.accepted_answer(operation_headers(request, operation["name"]))


@due("cluster-removed")
def end_removal(lab: Lab, args: Json) -> None:
    """The cluster is gone, and all that is below it."""
    for key, _ in list(lab.store.items(EXTENSION.lower(), args["cluster"])):
        lab.store.delete(EXTENSION.lower(), key)
    for key, _ in list(lab.store.items(f"{CLUSTER}/arcSettings".lower(), args["cluster"])):
        lab.store.delete(f"{CLUSTER}/arcSettings".lower(), key)
    resources.delete_resource(lab, args["cluster"])
    lro.end_operation(lab, args["operation"])
    activity_log.log_ended(lab, args["origin"], args["cluster"], f"{CLUSTER}/delete")
