"""What the engine forgets, and what it keeps."""

from datetime import timedelta
from typing import cast

import azure.durable_functions as df
import pytest
from durabletask.client import OrchestrationState, OrchestrationStatus

from activities.run_retention import MOST_AT_A_TIME, purge_ended_runs
from shared.operations.contract import PurgeEndedRuns
from tests.triggers.engine_states import BEGAN, EngineClient, state_of

LONG_AGO, LATELY = timedelta(days=91), timedelta(days=89)


def ended(run: str, name: str, age: timedelta) -> OrchestrationState:
    return state_of(run, name, OrchestrationStatus.COMPLETED, age)


async def purge(client: EngineClient, keep: tuple[str, ...] = ()) -> int:
    request = PurgeEndedRuns(now=BEGAN, keep=keep)
    return (await purge_ended_runs(cast("df.DurableFunctionsClient", client), request)).count


async def test_operations_are_kept_for_the_setting_s_time_and_errands_for_days() -> None:
    client = EngineClient(
        [
            ended("drill-payroll-1", "drill", LONG_AGO),
            ended("drill-payroll-2", "drill", LATELY),
            ended("declare-1", "declare_document", LATELY),
            ended("declare-2", "declare_document", timedelta(hours=1)),
        ]
    )
    assert await purge(client) == 2
    assert sorted(client.purged) == ["declare-1", "drill-payroll-1"]


async def test_the_time_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUN_RETENTION_DAYS", "1")
    client = EngineClient([ended("drill-payroll-1", "drill", timedelta(hours=25))])
    assert await purge(client) == 1


@pytest.mark.parametrize("status", ["RUNNING", "PENDING", "SUSPENDED"])
async def test_what_lives_is_never_forgotten(status: str) -> None:
    client = EngineClient([state_of("failover-payroll-1", "failover", OrchestrationStatus[status], LONG_AGO)])
    assert await purge(client) == 0


async def test_what_still_owes_something_is_kept() -> None:
    client = EngineClient([ended("failover-payroll-1", "failover", LONG_AGO)])
    assert await purge(client, keep=("failover-payroll-1",)) == 0
    assert client.purged == []


async def test_the_oldest_go_first_and_not_too_many_at_a_time() -> None:
    runs = [ended(f"drill-payroll-{day}", "drill", timedelta(days=day)) for day in range(91, 91 + MOST_AT_A_TIME + 5)]
    client = EngineClient(runs)
    assert await purge(client) == MOST_AT_A_TIME
    assert "drill-payroll-91" not in client.purged
