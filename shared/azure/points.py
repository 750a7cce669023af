"""What the vault says of recovery points."""

from collections.abc import Iterable

from shared.azure.wire import Json, part, text, utc
from shared.recovery_points import RecoveryPoint


def point_views(listed: Iterable[Json]) -> list[RecoveryPoint]:
    """Read recovery points; those without a time are left out."""
    told = [(point, part(point, "properties")) for point in listed]
    timed = [(point, facts, utc(facts.get("recoveryPointTime"))) for point, facts in told]
    return [
        RecoveryPoint(
            id=text(point.get("id")),
            name=text(point.get("name")),
            at=at,
            consistent=_is_consistent(facts),
            kind=text(facts.get("recoveryPointType")),
        )
        for point, facts, at in timed
        if at
    ]


def _is_consistent(facts: Json) -> bool:
    """Source: recorded as "CrashConsistent"; the others are spelt "AppConsistent" or "ApplicationConsistent"."""
    return text(facts.get("recoveryPointType")).lower().startswith("app")
