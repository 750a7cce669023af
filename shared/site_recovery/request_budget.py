"""The requests that one subscription grants this app: Azure Resource Manager's token buckets, kept by ourselves. Pure.

Grants are promises in the order of the requests: a bucket may go below zero, and what is granted then holds from the
moment on at which it would be at zero again. So nobody waits for more than those who asked before.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import Field

from shared.errors import CallKind
from shared.messages import Message
from shared.site_recovery.pacing import PROMISE_HOLDS


class BucketLimit(NamedTuple):
    """A bucket: how many tokens it holds, and how many come a second."""

    size: int
    rate: float


AZURE_READS, AZURE_WRITES = BucketLimit(250, 25.0), BucketLimit(200, 10.0)
"""Source: the limits of Azure Resource Manager for a subscription and a principal, documented since 2024."""
READS, WRITES = BucketLimit(225, 23.75), BucketLimit(180, 9.5)
"""What runs may have of it: the rest is for what does not draw on the budget: previews, repairs and the timers.

Other principals have buckets of their own."""


class Bucket(Message):
    """How many tokens there were at an instant; below zero while more is promised than there was."""

    level: float
    at: datetime


class Buckets(Message):
    """What is known of one subscription; None for a bucket that nobody has drawn on: it is full."""

    reads: Bucket | None = None
    writes: Bucket | None = None


class CallRequest(Message):
    """What a run wants to send soon, and what it has to say of what it was granted before.

    Attributes:
        now: When it asks.
        reads: GETs that it means to send next.
        writes: Verbs that it means to send next.
        unused_reads: Of what was granted before, what was not sent; negative where more was sent.
        unused_writes: The same of writes.
        shut_until: While Azure throttles verbs in this subscription: when it wants to be asked again.
    """

    now: datetime
    reads: int = Field(default=0, ge=0)
    writes: int = Field(default=0, ge=0)
    unused_reads: int = 0
    unused_writes: int = 0
    shut_until: datetime | None = None


class Closure(Message):
    """Azure refused a request for the number of all: when it wants to be asked again."""

    now: datetime
    kind: CallKind
    until: datetime


class Calls(Message):
    """Requests that were sent to one subscription."""

    reads: int = 0
    writes: int = 0


class Allowance(Message):
    """What a run was granted in one subscription and has not used.

    Attributes:
        promised: Writes that it may send from `promised_from` on.
        unused_reads: Reads that were granted and not sent; negative where more were sent.
        unused_writes: Writes that were granted and not sent, without those that are promised.
        shut_until: While Azure throttles: when it wants to be asked again.
    """

    promised: int = 0
    promised_from: datetime | None = None
    unused_reads: int = 0
    unused_writes: int = 0
    shut_until: datetime | None = None

    def holds_promise(self, now: datetime) -> bool:
        """Whether writes are promised that can still be sent, now or later."""
        return bool(self.promised) and self.promised_from is not None and now <= self.promised_from + PROMISE_HOLDS

    def time_to_open(self, now: datetime) -> timedelta:
        """How long until something may be sent, or asked for."""
        if self.promised_from is None or not self.holds_promise(now):
            return timedelta(0)
        return max(timedelta(0), self.promised_from - now)


class Grant(Message):
    """All that was asked for, and from when on it may be sent."""

    reads_from: datetime
    writes_from: datetime


def grant_calls(buckets: Buckets, request: CallRequest) -> tuple[Buckets, Grant]:
    """Grant all that a run asks for: what is there at once, the rest as it comes."""
    reads = _give_back(refill_bucket(buckets.reads, READS, request.now), READS, request.unused_reads)
    writes = _give_back(refill_bucket(buckets.writes, WRITES, request.now), WRITES, request.unused_writes)
    reads, reads_from = draw_tokens(reads, READS, request.reads)
    writes, writes_from = draw_tokens(_close_bucket(writes, WRITES, request.shut_until), WRITES, request.writes)
    return Buckets(reads=reads, writes=writes), Grant(reads_from=reads_from, writes_from=writes_from)


def close_calls(buckets: Buckets, closure: Closure) -> Buckets:
    """Grant nobody anything before Azure wants to be asked again; what was promised before that stays promised."""
    limit = READS if closure.kind == "reads" else WRITES
    bucket = refill_bucket(buckets.reads if closure.kind == "reads" else buckets.writes, limit, closure.now)
    return buckets.model_copy(update={closure.kind: _close_bucket(bucket, limit, closure.until)})


def draw_tokens(bucket: Bucket, limit: BucketLimit, count: int) -> tuple[Bucket, datetime]:
    """Take so many tokens out of a bucket, and when they will have been there."""
    level = bucket.level - count
    wait = timedelta(seconds=max(0.0, -level / limit.rate)) if count else timedelta(0)
    return bucket.model_copy(update={"level": level}), bucket.at + wait


def _give_back(bucket: Bucket, limit: BucketLimit, unused: int) -> Bucket:
    return bucket.model_copy(update={"level": min(float(limit.size), bucket.level + unused)})


def _close_bucket(bucket: Bucket, limit: BucketLimit, until: datetime | None) -> Bucket:
    """Nothing is there before Azure wants to be asked again: somebody else has drawn on its bucket."""
    if until is None or until <= bucket.at:
        return bucket
    level = -limit.rate * (until - bucket.at).total_seconds()
    return bucket.model_copy(update={"level": min(bucket.level, level)})


def refill_bucket(bucket: Bucket | None, limit: BucketLimit, now: datetime) -> Bucket:
    """The bucket at a later instant; one that comes too late changes nothing: runs do not read their clocks at once."""
    if bucket is None:
        return Bucket(level=limit.size, at=now)
    passed = max(0.0, (now - bucket.at).total_seconds())
    return Bucket(level=min(float(limit.size), bucket.level + passed * limit.rate), at=max(bucket.at, now))
