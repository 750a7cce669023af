"""What the timer reads once: what cannot be read is named, and hides nothing of the rest."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from activities.durable_runs import read_documents
from shared.plans.contract import ReadDocuments
from tests.shared.samples import PAYROLL
from tests.telemetry import recording
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


OWED_AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
DUES: tuple[Any, ...] = ("2026-11-22T10:00:00Z", "2026-11-22T10:00:01Z", None, 7, "soon")


async def test_a_look_of_the_timer_measures_what_is_owed_and_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A due that cannot be read is no late one, and hides no other; what a person has settled is owed no more."""
    owed = {f"k{at}": {"kind": "commit", "plan": "p", "due": due} for at, due in enumerate(DUES)}
    owed["settled"] = {"kind": "commit", "plan": "p", "due": DUES[0], "settled": {"by": "ann"}}
    hub = cast("Any", Hub(entities={"@obligations@vault": owed}))
    with recording(monkeypatch) as recorded:
        await read_documents(hub, ReadDocuments())
        assert recorded.metrics() == {}
        await read_documents(hub, ReadDocuments(look_at=OWED_AT))
        assert recorded.metric("hci.obligations.open")[(("kind", "commit"),)] == 5
        assert recorded.metric("hci.obligations.late")[(("kind", "commit"),)] == 1
        assert recorded.metric("hci.obligations.late")[(("kind", "cleanup"),)] == 0
        assert len(recorded.metric("hci.timer.look.age")) == 1
