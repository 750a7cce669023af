"""Recovery points of an item: they follow from how long it has been replicating, so none is kept.

While it replicates an item gets a point every hour, which is kept for as long as the policy says, and its newest one
every replication cycle. A failover keeps those there are; the commit deletes all but the one that was used.
"""

import uuid
from datetime import datetime, timedelta

from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest
from lab.azure.site_recovery.api.common import (
    ITEM,
    ITEMS,
    POLICIES,
    SITE_RECOVERY,
    caller_of,
    list_answer,
    require_record,
    type_of,
)
from lab.azure.site_recovery.api.errors import missing_error
from lab.azure.site_recovery.api.times import exact_time, parse_time

_HOUR = timedelta(hours=1)
_DEFAULTS = {
    "recoveryPointHistoryDurationInHours": 24,
    "applicationConsistentSnapshotFrequencyInHours": 1,
    "replicationInterval": 300,
}


def policy_of(lab: Lab, item: Json) -> Json:
    """The settings of the item's policy."""
    policy = lab.store.get(POLICIES, item["policy"])
    return _DEFAULTS | (policy["details"] if policy else {})


def last_cycle_end(lab: Lab, item: Json) -> datetime | None:
    """When the last replication cycle ended: None before the first; stands still once replication was cut off."""
    if item["since"] is None:
        return None
    since, until = parse_time(item["since"]), lab.now()
    if item["until"] is not None:
        return min(parse_time(item["until"]), until)
    cycle = timedelta(seconds=policy_of(lab, item)["replicationInterval"])
    return since + ((until - since) // cycle) * cycle


def points_of(lab: Lab, item: Json) -> list[Json]:
    """The recovery points as they are listed, oldest first; empty until replication has begun."""
    last = last_cycle_end(lab, item)
    if last is None:
        return []
    policy = policy_of(lab, item)
    since = parse_time(item["since"])
    oldest = max(since, last - timedelta(hours=policy["recoveryPointHistoryDurationInHours"]))
    hours = range(-((since - oldest) // _HOUR), (last - since) // _HOUR + 1)
    times = [since + _HOUR * hour for hour in hours]
    shown = [_point_document(item, when, is_consistent=_is_consistent(policy, since, when)) for when in times]
    if not times or times[-1] != last:
        shown.append(_point_document(item, last, is_consistent=False))
    return shown


def _is_consistent(policy: Json, since: datetime, when: datetime) -> bool:
    every = policy["applicationConsistentSnapshotFrequencyInHours"]
    return bool(every) and ((when - since) // _HOUR) % every == 0


def newest_point(lab: Lab, item: Json) -> Json | None:
    """The newest point."""
    return next(reversed(points_of(lab, item)), None)


def find_point(lab: Lab, item: Json, name: str) -> Json | None:
    """The point of that name or id."""
    wanted = name.rpartition("/")[2].lower()
    return next((point for point in points_of(lab, item) if point["name"] == wanted), None)


def _point_document(item: Json, when: datetime, *, is_consistent: bool) -> Json:
    name = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{item['vmId']}/{when.timestamp()}"))
    arm_id = f"{item['id']}/recoveryPoints/{name}"
    return {
        "id": arm_id,
        "name": name,
        "type": type_of(arm_id),
        "properties": {
            "recoveryPointTime": exact_time(when),
            "recoveryPointType": "ApplicationConsistent" if is_consistent else "CrashConsistent",
            "providerSpecificDetails": None,
        },
    }


@SITE_RECOVERY.route("GET", ITEM + "/recoveryPoints")
def list_points(lab: Lab, request: ArmRequest) -> Answer:
    """All points of an item."""
    return list_answer(points_of(lab, require_record(lab, request, ITEMS, "replicationProtectedItems")))


@SITE_RECOVERY.route("GET", ITEM + "/recoveryPoints/{point}")
def get_point(lab: Lab, request: ArmRequest) -> Answer:
    """One point by its name."""
    point = find_point(lab, require_record(lab, request, ITEMS, "replicationProtectedItems"), request.params["point"])
    if point is None:
        raise missing_error(request.params["point"], caller_of(request))
    return Answer(200, point)
