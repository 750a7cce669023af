"""ARM's token buckets: per subscription, principal and kind of operation, refilled on the simulated clock.

Source: the limits that ARM documents since 2024 (reads 250 + 25/s, writes and deletes 200 + 10/s).
"""

import math
from dataclasses import dataclass
from datetime import datetime

from lab.azure.simulator.answers import ArmError
from lab.azure.simulator.requests import ArmRequest

LIMITS = {"reads": (250, 25.0), "writes": (200, 10.0), "deletes": (200, 10.0)}
"""Size of the bucket, and tokens a simulated second."""


def operation_of(method: str) -> str:
    """Which bucket a method draws on."""
    return {"GET": "reads", "HEAD": "reads", "DELETE": "deletes"}.get(method, "writes")


@dataclass
class Bucket:
    """Tokens left at an instant."""

    size: int
    rate: float
    tokens: float
    at: datetime

    def take_token(self, now: datetime) -> int | None:
        """Draw a token: None when there was one, else the whole seconds until there is one."""
        self.tokens = min(self.size, self.tokens + max(0.0, (now - self.at).total_seconds()) * self.rate)
        self.at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return None
        return max(1, math.ceil((1 - self.tokens) / self.rate))


class Throttle:
    """The buckets of every caller, full when the simulator starts."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str, str], Bucket] = {}
        self.refused = 0

    def clear(self) -> None:
        """Fill every bucket again."""
        self._buckets.clear()
        self.refused = 0

    def admit_request(self, request: ArmRequest) -> dict[str, str]:
        """Let a request in: gives the headers that say how much is left.

        Raises:
            ArmError: 429 with Retry-After.
        """
        operation = operation_of(request.method)
        size, rate = LIMITS[operation]
        scope = (request.subscription or "tenant").lower()
        bucket = self._buckets.setdefault((scope, request.principal, operation), Bucket(size, rate, size, request.at))
        wait = bucket.take_token(request.at)
        level = "subscription" if request.subscription else "tenant"
        headers = {f"x-ms-ratelimit-remaining-{level}-{operation}": str(int(bucket.tokens))}
        if wait is None:
            headers[f"x-ms-ratelimit-remaining-{level}-global-{operation}"] = str(int(bucket.tokens) + 14 * size)
            return headers
        self.refused += 1
        message = (
            f"Number of {operation} for {level} '{scope}' exceeded the limit. Please try again after '{wait}' seconds."
        )
        code = "SubscriptionRequestsThrottled" if request.subscription else "TenantRequestsThrottled"
        raise ArmError(429, code, message, headers=headers | {"Retry-After": str(wait)})
