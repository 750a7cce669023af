"""What the timer reads once: what cannot be read is named, and hides nothing of the rest."""

from typing import Any, cast

import pytest

from activities.durable_runs import read_documents
from shared.plans.contract import ReadDocuments
from tests.shared.samples import PAYROLL
from tests.triggers.hub import Hub

GOOD = {"document": PAYROLL, "version": 1, "digest": "d", "history": [{"declared_at": "2026-01-05T08:00:00Z"}]}
OWED = {"commit": {"kind": "commit", "plan": "payroll", "owner": "failover-1"}}
BROKEN: tuple[Any, ...] = ({"history": []}, {"history": [{}], "document": {}}, {"document": 7, "history": [GOOD]})


@pytest.mark.parametrize("broken", BROKEN, ids=str)
async def test_a_document_that_cannot_be_read_hides_no_other(broken: Any) -> None:
    entities = {"@documents@plan:bad": broken, "@documents@plan:payroll": GOOD, "@obligations@payroll": OWED}
    documents = await read_documents(cast("Any", Hub(entities=entities)), ReadDocuments())
    assert [plan.name for plan in documents.plans] == ["payroll"]
    assert documents.unreadable == ("plan:bad",)
    assert [one["owner"] for one in documents.obligations] == ["failover-1"]


@pytest.mark.parametrize("broken", [{"commit": 7}, {"commit": None}, {"past_runs": 7}], ids=str)
async def test_what_is_owed_or_remembered_of_one_plan_hides_nothing_of_another(broken: Any) -> None:
    entity = "plan_history" if "past_runs" in broken else "obligations"
    entities = {f"@{entity}@bad": broken, "@obligations@payroll": OWED, "@documents@plan:payroll": GOOD}
    documents = await read_documents(cast("Any", Hub(entities=entities)), ReadDocuments())
    unreadable = "bad" if entity == "plan_history" else "bad commit"
    assert (documents.unreadable, len(documents.obligations), len(documents.plans)) == ((unreadable,), 1, 1)
