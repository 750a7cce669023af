"""Lists are read to their end: over empty pages, and past the number of jobs that the service shows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from shared.azure.vault import JOB_LIST_CAP, Vault
from shared.messages import VaultRef
from tests.shared.azure.fake import VAULT, Asked, FakeArm, Reply, item, job, listed

REF = VaultRef.from_id(VAULT)
SINCE = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


async def test_a_list_goes_on_to_its_last_page_which_may_be_empty(arm: FakeArm) -> None:
    following = f"{arm.base}{VAULT}/replicationProtectedItems?api-version=2025-08-01&$skipToken=Group%3ABegin"
    arm.says("GET", "/replicationProtectedItems", listed(item("a"), item("b"), next_link=following), listed())
    items = await Vault(REF).list_items()
    assert [one["name"] for one in items] == ["a", "b"]
    assert arm.sent("GET", "/replicationProtectedItems")[1].query["$skipToken"] == "Group:Begin"


async def test_jobs_are_asked_for_by_start_and_state(arm: FakeArm) -> None:
    arm.says("GET", "/replicationJobs", listed())
    await Vault(REF).list_jobs(SINCE, "InProgress")
    (sent,) = arm.sent("GET", "/replicationJobs")
    assert sent.query["$filter"] == "StartTime eq '2026-11-22T09:55:00.0000000Z' and ( JobStatus eq 'InProgress' )"


def capped(starts: list[datetime], now: datetime) -> Callable[[Asked], Reply]:
    """A vault that lists the newest 200 jobs of a span, and says what time it is."""
    jobs = [(at, job(f"j{n}", startTime=at.isoformat())) for n, at in enumerate(sorted(starts))]

    def answer(ask: Asked) -> Reply:
        given = dict(part.split(" eq ") for part in ask.query["$filter"].split(" and "))
        begin = datetime.fromisoformat(given["StartTime"].strip("'"))
        end = datetime.fromisoformat(given.get("EndTime", "2100-01-01T00:00:00Z").strip("'"))
        found = [shown for at, shown in reversed(jobs) if begin <= at <= end]
        return Reply(200, {"value": found[:JOB_LIST_CAP]}, {"Date": format_datetime(now, usegmt=True)})

    return answer


async def test_no_job_is_missed_when_there_are_more_than_the_service_lists(arm: FakeArm) -> None:
    """Half of them within half a minute, as the starts of a great failover are."""
    burst = [SINCE + timedelta(seconds=n / 15) for n in range(450)]
    trickle = [SINCE + timedelta(minutes=n) for n in range(1, 451)]
    arm.works("GET", "/replicationJobs", capped(burst + trickle, now=SINCE + timedelta(hours=8)))
    jobs = await Vault(REF).list_jobs(SINCE)
    assert {one["name"] for one in jobs} == {f"j{n}" for n in range(900)}
    assert len(jobs) == 900
    assert len(arm.sent("GET", "/replicationJobs")) < 40
