"""A subscription's budget: grants are promises in the order of the asks, and never more than Azure refills."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.site_recovery.request_budget import (
    AZURE_READS,
    AZURE_WRITES,
    READS,
    WRITES,
    BucketLimit,
    Buckets,
    CallRequest,
    grant_calls,
)

T0 = datetime(2026, 1, 5, 8, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def test_a_full_bucket_grants_at_once_and_an_empty_one_as_it_fills() -> None:
    known, grant = grant_calls(Buckets(), CallRequest(now=T0, writes=WRITES.size))
    assert grant.writes_from == T0
    known, grant = grant_calls(known, CallRequest(now=T0, writes=19))
    assert grant.writes_from == after(19 / WRITES.rate)
    _, grant = grant_calls(known, CallRequest(now=after(3600), writes=WRITES.size))
    assert grant.writes_from == after(3600)


def test_who_asks_for_nothing_is_not_told_to_wait_for_what_others_were_promised() -> None:
    known, _ = grant_calls(Buckets(), CallRequest(now=T0, writes=WRITES.size + 100))
    _, grant = grant_calls(known, CallRequest(now=T0, reads=1))
    assert (grant.reads_from, grant.writes_from) == (T0, T0)


def test_what_was_not_used_comes_back_and_what_was_used_beyond_is_taken_off() -> None:
    known, _ = grant_calls(Buckets(), CallRequest(now=T0, reads=READS.size, writes=WRITES.size))
    known, grant = grant_calls(known, CallRequest(now=T0, writes=30, unused_writes=30, unused_reads=-10))
    assert grant.writes_from == T0
    _, grant = grant_calls(known, CallRequest(now=T0, reads=1))
    assert grant.reads_from == after(11 / READS.rate)


def test_nothing_comes_back_beyond_a_full_bucket() -> None:
    known, _ = grant_calls(Buckets(), CallRequest(now=T0, unused_writes=500))
    _, grant = grant_calls(known, CallRequest(now=T0, writes=WRITES.size + 19))
    assert grant.writes_from == after(19 / WRITES.rate)


def test_while_azure_throttles_nobody_is_promised_a_write_before_it_wants_to_be_asked_again() -> None:
    known, _ = grant_calls(Buckets(), CallRequest(now=T0, shut_until=after(17)))
    _, grant = grant_calls(known, CallRequest(now=T0, writes=1, reads=1))
    assert after(17) < grant.writes_from < after(18)
    assert grant.reads_from == T0


def test_an_ask_that_arrives_late_refills_nothing_twice() -> None:
    known, _ = grant_calls(Buckets(), CallRequest(now=after(10), writes=WRITES.size))
    known, early = grant_calls(known, CallRequest(now=T0, writes=19))
    assert early.writes_from == after(10 + 19 / WRITES.rate)
    _, grant = grant_calls(known, CallRequest(now=after(10), writes=19))
    assert grant.writes_from == after(10 + 38 / WRITES.rate)


asks = st.lists(st.tuples(st.floats(0, 30), st.integers(0, 5), st.integers(0, 50), st.booleans()), max_size=60)


@given(asks)
def test_whoever_asks_and_whenever_azures_own_bucket_never_runs_dry(
    wishes: list[tuple[float, int, int, bool]],
) -> None:
    """Each sends what it was promised at its moment, all of it or half, and says so when it asks again."""
    known, now, unused = Buckets(), T0, dict.fromkeys(range(6), 0)
    sent: list[tuple[datetime, int]] = []
    for pause, run, count, whole in wishes:
        now += timedelta(seconds=pause)
        known, grant = grant_calls(known, CallRequest(now=now, writes=count, unused_writes=unused[run]))
        used = count if whole else count // 2
        sent.append((grant.writes_from, used))
        unused[run] = count - used
    lowest(sent, AZURE_WRITES)


@given(asks)
def test_promises_keep_the_order_of_the_asks(wishes: list[tuple[float, int, int, bool]]) -> None:
    known, now, last = Buckets(), T0, T0
    for pause, _, count, _ in wishes:
        now += timedelta(seconds=pause)
        known, grant = grant_calls(known, CallRequest(now=now, writes=count, reads=count))
        assert not count or last <= grant.writes_from <= max(now, last) + timedelta(seconds=count / WRITES.rate + 1e-3)
        last = max(last, grant.writes_from) if count else last


def lowest(sent: list[tuple[datetime, int]], limit: BucketLimit) -> None:
    """Replay requests on Azure's own bucket, which must have a token for each."""
    tokens, at = float(limit.size), T0
    for moment, count in sorted(sent):
        tokens = min(float(limit.size), tokens + (moment - at).total_seconds() * limit.rate) - count
        at = moment
        assert tokens > -1e-6


def test_runs_are_granted_less_than_azure_grants_the_app() -> None:
    assert READS.size < AZURE_READS.size
    assert READS.rate < AZURE_READS.rate
    assert WRITES.size < AZURE_WRITES.size
    assert WRITES.rate < AZURE_WRITES.rate
