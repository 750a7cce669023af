"""Instants as Site Recovery writes them."""

from datetime import UTC, datetime

NOT_SET = "0001-01-01T00:00:00"
"""A task's time that has not come; without a Z, as recorded."""

NEVER = "1753-01-01T01:01:01Z"
"""startTime of the scenario "None", as recorded."""


def exact_time(when: datetime) -> str:
    """Seven decimals: start times, creation times, heartbeats."""
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond:06d}0Z"


def whole_time(when: datetime) -> str:
    """Whole seconds: end times of jobs."""
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def parse_time(text: str) -> datetime:
    """Read either form back; aware UTC, cut to the microsecond."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
