"""What a plan may say, and how it hears of all its mistakes at once."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.plans.plan import PlanDocument
from shared.problem_details import field_errors
from tests.people import object_id_of
from tests.shared.samples import ISOLATED, PAYROLL, plan

ANN, BOB = object_id_of("ann"), object_id_of("bob")


def faults(**changes: Any) -> dict[str, str]:
    """What is wrong, by field."""
    with pytest.raises(ValidationError) as caught:
        PlanDocument.model_validate_json(json.dumps({**PAYROLL, **changes}))
    return {error.field: error.detail for error in field_errors(caught.value)}


def test_a_plan_is_read_as_it_was_written() -> None:
    read = plan()
    assert read.edges == {"dc-01": (), "sql-01": ("dc-01",), "app-01": ("sql-01",), "web-01": ("app-01",)}
    assert read.drill is not None
    assert read.drill.time_to_live == timedelta(hours=3)
    assert read.site_names == ("hci-01",)


def test_a_plan_says_the_same_after_a_round_trip() -> None:
    """It is kept in histories and read back on every replay."""
    again = PlanDocument.model_validate_json(plan().model_dump_json(by_alias=True))
    assert again == plan()
    assert PlanDocument.model_validate(plan().model_dump(mode="json")) == plan()


def test_names_mean_the_same_machine_in_any_casing() -> None:
    read = plan(items=[{"vm": "SQL-01"}, {"vm": "app-01", "after": ["sql-01"]}])
    assert read.items[1].after == ("SQL-01",)


def test_every_mistake_is_told_at_once_and_names_its_field() -> None:
    told = faults(
        items=[
            {"vm": "sql-01", "after": ["app-01", "mail-01"], "probes": [{"port": 0, "path": "x"}]},
            {"vm": "app-01", "after": ["sql-01"]},
            {"vm": "App-01"},
            {"vm": "web-01", "after": ["web-01"]},
            {"after": 3},
        ],
        drill={"network": "vnet-drill", "schedule": "0 0 3 1 * MON", "timeZone": "Mars/X", "timeToLive": "PT0S"},
        onFailure="maybe",
        patience="soon",
        pattience="PT1H",
    )
    assert set(told) == {
        "items[0].after[0]",
        "items[0].after[1]",
        "items[0].probes[0].port",
        "items[0].probes[0].path",
        "items[2].vm",
        "items[3].after[0]",
        "items[4].vm",
        "items[4].after",
        "drill.network",
        "drill.schedule",
        "drill.timeZone",
        "drill.timeToLive",
        "onFailure",
        "patience",
        "pattience",
    }
    assert told["items[2].vm"] == "App-01 is already items[1]"
    assert told["items[0].after[1]"] == "the plan has no VM 'mail-01'"
    assert told["pattience"] == "is not known here"
    assert told["items[4].vm"] == "is required"


def test_a_circle_is_shown_in_the_words_of_the_plan() -> None:
    told = faults(
        items=[{"vm": "dc-01"}, {"vm": "SQL-01", "after": ["dc-01", "app-01"]}, {"vm": "app-01", "after": ["sql-01"]}]
    )
    assert told == {"items[1].after[1]": "each waits for the next: SQL-01 -> app-01 -> SQL-01"}


def test_a_machine_that_is_named_twice_is_told_once() -> None:
    assert faults(items=[{"vm": "a"}, {"vm": "b", "after": ["a", "A"]}]) == {"items[1].after[1]": "A is named twice"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"items": []}, "items"),
        ({"items": [{"vm": f"vm-{n}"} for n in range(5001)]}, "items"),
        ({"items": "all"}, "items"),
        ({"items": [{"vm": ""}]}, "items[0].vm"),
        ({"items": [{"vm": "../x"}]}, "items[0].vm"),
        ({"items": [{"vm": "x", "site": "No Name"}]}, "items[0].site"),
        ({"site": "HCI 01"}, "site"),
        ({"maxStarts": 0}, "maxStarts"),
        ({"maxStarts": 51}, "maxStarts"),
        ({"targets": {"rto": "-PT1H"}}, "targets.rto"),
        ({"items": [{"vm": "x", "probes": [{"port": 80, "deadline": "PT0S"}]}]}, "items[0].probes[0].deadline"),
        ({"items": [{"vm": "x", "probes": [{"kind": "ping", "port": 80}]}]}, "items[0].probes[0].kind"),
    ],
)
def test_a_wrong_value_is_told_at_its_field(changes: dict[str, Any], field: str) -> None:
    assert set(faults(**changes)) == {field}


def test_a_body_that_is_no_object_is_told_as_such() -> None:
    with pytest.raises(ValidationError) as caught:
        PlanDocument.model_validate_json("[1]")
    assert field_errors(caught.value)[0].field == "body"


def test_a_plan_spans_the_sites_of_its_items() -> None:
    assert plan(items=[{"vm": "a"}, {"vm": "b", "site": "hci-02"}]).site_names == ("hci-01", "hci-02")
    assert plan(items=[{"vm": "b", "site": "hci-02"}]).site_names == ("hci-02",)


def test_the_digest_is_of_what_is_said_and_not_of_how() -> None:
    other_words = plan(patience="PT120M", drill={**PAYROLL["drill"], "timeToLive": "PT180M"})  # type: ignore[dict-item]
    assert other_words.digest == plan().digest
    assert plan(patience="PT3H").digest != plan().digest
    assert plan(drill={"network": ISOLATED}).digest != plan().digest


def test_the_digest_of_a_plan_does_not_change_between_versions() -> None:
    """An approval is bound to it; and a field that is added later must not void the approvals there are."""
    assert plan().digest == "841e3dbfe05fb42a30830381e1609f0fb14c4b003ca49084103f394963e77b64"


@given(st.permutations(range(30)), st.data())
def test_a_plan_without_a_circle_is_always_accepted(places: list[int], data: st.DataObject) -> None:
    names = [f"vm-{place}" for place in places]
    afters = [data.draw(st.sets(st.sampled_from(names[:n]), max_size=3)) if n else set() for n in range(len(names))]
    items = [{"vm": vm, "after": sorted(after)} for vm, after in zip(names, afters, strict=True)]
    read = plan(items=data.draw(st.permutations(items)))
    assert {vm: set(after) for vm, after in read.edges.items()} == dict(zip(names, afters, strict=True))


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda some: st.lists(some) | st.dictionaries(st.text(), some))
)
def test_whatever_is_sent_as_items_is_a_mistake_at_a_field_and_never_a_crash(sent: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        PlanDocument.model_validate({**PAYROLL, "items": [sent, {"vm": sent, "after": sent}]})
    assert all(error.field.startswith("items") for error in field_errors(caught.value))


def test_an_address_that_two_machines_of_a_network_have_is_told() -> None:
    items = [{"vm": "a", "address": "10.1.0.5"}, {"vm": "b", "address": "10.1.0.5"}, {"vm": "c", "site": "other"}]
    items[2]["address"] = "10.1.0.5"
    with pytest.raises(ValidationError) as wrong:
        PlanDocument.model_validate({"site": "hci-01", "items": items})
    assert [(e["loc"], e["type"]) for e in wrong.value.errors()] == [(("items", 1, "address"), "duplicate_address")]


@pytest.mark.parametrize(
    ("approvals", "fields"),
    [
        ({"count": 3, "approvers": [ANN, BOB]}, ["approvals.count"]),
        ({"count": 2, "approvers": [ANN, ANN.upper()]}, ["approvals.approvers", "approvals.count"]),
        ({"approvers": ["  "]}, ["approvals.approvers[0]"]),
        ({"approvers": [ANN, "bob@contoso.com", "Bob"]}, ["approvals.approvers[1]", "approvals.approvers[2]"]),
    ],
)
def test_approvers_that_can_never_be_enough_are_told(approvals: dict[str, Any], fields: list[str]) -> None:
    with pytest.raises(ValidationError) as caught:
        plan(approvals=approvals)
    assert [error.field for error in field_errors(caught.value)] == fields


def test_an_approver_is_known_by_object_id_in_any_casing() -> None:
    wish = plan(approvals={"count": 2, "approvers": [ANN.upper(), BOB]}).approvals
    assert wish is not None
    assert wish.approvers == (ANN, BOB)
    assert plan(approvals={}).approvals == type(wish)()


ITEMS = plan().model_dump(mode="json", by_alias=True, exclude={"items": {"__all__": {"site"}}})["items"]


def test_a_plan_needs_no_site_of_its_own_where_each_item_names_one() -> None:
    named = [{**item, "site": "hci-02" if item["vm"] == "dc-01" else "hci-01"} for item in ITEMS]
    whole = PlanDocument.model_validate({**PAYROLL, "site": None, "items": named})
    assert whole.site_names == ("hci-02", "hci-01")
    assert PlanDocument.model_validate(whole.model_dump(mode="json", by_alias=True)) == whole
    left_out = PlanDocument.model_validate(
        {key: value for key, value in PAYROLL.items() if key != "site"} | {"items": named}
    )
    assert (left_out, left_out.digest) == (whole, whole.digest)


def test_a_vm_without_a_site_is_named() -> None:
    named = [{**item, "site": "hci-01"} if item["vm"] != "sql-01" else item for item in ITEMS]
    assert faults(site=None, items=named) == {"items[1].site": "is required here, or as the plan's own site"}
    assert faults(site=None) == {"site": "is required, unless each item names its own"}
