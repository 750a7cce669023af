"""The list of operations: pages that lack and double nothing, and only what is shown is read whole."""

from datetime import timedelta
from typing import Any, cast

import azure.durable_functions as df
import pytest
from durabletask.client import OrchestrationState, OrchestrationStatus
from hypothesis import given
from hypothesis import strategies as st

from shared.concurrency import AT_ONCE
from shared.operations.kinds import OPERATION_KINDS
from tests.triggers.engine_states import EngineClient, state_of
from triggers.operation_list import Place, Question, list_page


def drill(number: int, plan: str = "payroll", state: str = "succeeded") -> OrchestrationState:
    return state_of(
        f"drill-{plan}-{number:012d}",
        "drill",
        OrchestrationStatus.COMPLETED,
        timedelta(minutes=number),
        {"plan": plan},
        {"state": state, "kind": "drill"},
    )


def question(top: int = 50, state: str | None = None, plan: str | None = None, after: Place | None = None) -> Question:
    return Question(OPERATION_KINDS, plan, state, top, after)


async def page_of(client: EngineClient, asked: Question) -> tuple[list[dict[str, Any]], Place | None]:
    return await list_page(cast("df.DurableFunctionsClient", client), asked)


async def all_pages(client: EngineClient, top: int, **asked: Any) -> list[list[str]]:
    pages: list[list[str]] = []
    views, last = await page_of(client, question(top, **asked))
    while True:
        pages.append([view["id"] for view in views])
        if last is None:
            return pages
        views, last = await page_of(client, question(top, after=Place.parse(str(last)), **asked))


@given(count=st.integers(0, 40), top=st.integers(1, 45))
async def test_the_pages_together_have_each_run_once_newest_first(count: int, top: int) -> None:
    runs = [drill(number) for number in range(count)]
    pages = await all_pages(EngineClient(runs[::-1]), top)
    assert [run for page in pages for run in page] == [run.instance_id for run in runs]
    assert all(len(page) <= top for page in pages)


async def test_runs_that_began_at_once_are_not_lost_between_pages() -> None:
    runs = [state_of(f"drill-payroll-{number}", "drill", given={"plan": "payroll"}) for number in range(9)]
    pages = await all_pages(EngineClient(runs), 2)
    assert sorted(run for page in pages for run in page) == [run.instance_id for run in runs]


async def test_only_the_runs_of_the_page_are_read_whole() -> None:
    client = EngineClient([drill(number) for number in range(400)])
    await page_of(client, question(top=20))
    assert len(client.read_whole) <= 20 + AT_ONCE


@pytest.mark.parametrize("state", ["succeeded", "failed"])
async def test_a_state_that_only_the_outcome_shows_is_found(state: str) -> None:
    runs = [drill(number, state="failed" if number % 3 else "succeeded") for number in range(30)]
    views, _ = await page_of(EngineClient(runs), question(state=state))
    assert len(views) == (20 if state == "failed" else 10)


async def test_a_plan_s_list_has_none_of_a_plan_that_begins_alike() -> None:
    client = EngineClient([drill(1, "payroll"), drill(2, "payroll-eu")])
    views, _ = await page_of(client, question(plan="payroll"))
    assert [view["plan"] for view in views] == ["payroll"]


async def test_a_run_that_is_gone_before_it_is_read_is_left_out() -> None:
    class Forgetful(EngineClient):
        async def get_orchestration_state(self, run: str, *, fetch_payloads: bool = True) -> OrchestrationState | None:
            return (
                None if run.endswith("1") else await super().get_orchestration_state(run, fetch_payloads=fetch_payloads)
            )

    views, last = await page_of(Forgetful([drill(1), drill(2)]), question())
    assert ([view["id"] for view in views], last) == ([drill(2).instance_id], None)


def look_of_the_timer() -> OrchestrationState:
    return state_of("reconcile", "reconcile", OrchestrationStatus.COMPLETED)


@given(ages=st.lists(st.integers(0, 40 * 24), max_size=40), top=st.integers(1, 15), has_look=st.booleans())
async def test_runs_of_many_weeks_are_in_the_pages_once_newest_first(ages: list[int], top: int, has_look: bool) -> None:
    runs = [drill(60 * age) for age in sorted(set(ages))]
    client = EngineClient([*([look_of_the_timer()] if has_look else []), *runs[::-1]])
    pages = await all_pages(client, top)
    assert [run for page in pages for run in page] == [run.instance_id for run in runs]
    assert all(len(page) == top for page in pages[:-1])


async def test_a_page_lists_the_runs_of_its_time_and_not_those_of_months() -> None:
    runs = [drill(60 * hour) for hour in range(24 * 90)]
    client = EngineClient([look_of_the_timer(), *runs])
    _, last = await page_of(client, question(top=30))
    assert len(client.listed) <= 24 * 3
    client.listed.clear()
    await page_of(client, question(top=30, after=last))
    assert len(client.listed) <= 24 * 3


async def test_what_is_rare_is_found_however_old_it_is() -> None:
    runs = [drill(60 * hour, state="failed" if hour == 24 * 80 else "succeeded") for hour in range(24 * 90)]
    views, last = await page_of(EngineClient([look_of_the_timer(), *runs]), question(state="failed"))
    assert ([view["state"] for view in views], last) == (["failed"], None)
