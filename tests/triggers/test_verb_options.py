"""The options of a verb: one message from the request to the call, and each kind of operation has its own of them."""

from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from shared.operations.kinds import PLAN_KINDS, Kind
from shared.plans.preview_kinds import RULES_OF_KINDS
from shared.recovery.operation import options_for
from shared.recovery.people import Approval, Decision
from shared.recovery.person_events import ApprovalGiven, DecisionGiven
from shared.site_recovery.verb_options import OptionOf, VerbOptions, option_names
from shared.site_recovery.verb_rules import RULES
from shared.site_recovery.views import Verb
from tests.shared.samples import plan
from triggers.http_endpoint import HttpProblem
from triggers.verb_requests import VerbRequest, options_of_request, parse_verb_request

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)


def test_every_option_belongs_to_some_kind_of_operation_on_a_plan() -> None:
    for name, field in VerbRequest.model_fields.items():
        owners = [option for option in field.metadata if isinstance(option, OptionOf)]
        assert name == "override" or {kind for option in owners for kind in option.kinds} <= set(PLAN_KINDS)
        assert name == "override" or len(owners) == 1


@pytest.mark.parametrize("kind", PLAN_KINDS)
def test_an_operation_has_the_options_of_its_kind_and_no_others(kind: Kind) -> None:
    everything = VerbOptions(failover_type="unplanned", shut_down_source=False, max_age=None, create_vm=True, host="n1")
    options = options_for(kind, everything, plan(failbackOrder="same"))
    assert {name for name in VerbOptions.model_fields if getattr(options, name) is not None} <= option_names(kind)
    if kind in {"failback", "roundtrip"}:
        assert (options.order, options.create_vm) == ("same", True)


def test_a_planned_failover_always_shuts_the_source_down() -> None:
    options = options_for("failover", VerbOptions(shut_down_source=False), plan())
    assert (options.failover_type, options.shut_down_source, options.shuts_down_source) == ("planned", True, True)


def test_what_goes_over_the_wire_leaves_out_what_is_not_set() -> None:
    options = options_for("commit", VerbOptions(), plan())
    assert options.model_dump(mode="json") == {}
    failover = options_for("failover", VerbOptions(failover_type="unplanned"), plan())
    shown = failover.model_dump(mode="json", by_alias=True)
    assert shown == {"type": "unplanned", "shutDownSource": True, "recoveryPoint": "latest"}
    assert VerbOptions.model_validate(failover.model_dump(mode="json")) == failover


@pytest.mark.parametrize(
    ("kind", "body", "fields"),
    [
        ("commit", '{"createVm": true, "nonsense": 1}', {"createVm", "nonsense"}),
        ("failback", '{"type": "planned", "drill": "leave", "host": 7}', {"type", "drill", "host"}),
        ("roundtrip", '{"dataSync": "full-download"}', {"dataSync"}),
        ("drill", '{"confirm": "yes", "maxAge": "soon"}', {"confirm", "maxAge"}),
    ],
)
def test_options_of_other_kinds_are_refused_with_everything_else_that_is_wrong(
    kind: Kind, body: str, fields: set[str]
) -> None:
    with pytest.raises(HttpProblem) as caught:
        parse_verb_request(kind, body.encode())
    assert {error.field for error in caught.value.errors} == fields


def test_points_are_named_by_the_plans_own_spelling_of_its_vms() -> None:
    request = parse_verb_request("failover", b'{"recoveryPoint": {"SQL-01": "5b2d"}}')
    options = options_of_request("failover", request, plan(), NOW)
    assert options.recovery_point == {"sql-01": "5b2d"}
    assert (options.point_choice.rule_for("Sql-01"), options.point_choice.rule_for("dc-01")) == ("5b2d", "latest")
    assert options.without_vms().recovery_point is None


def test_vms_are_named_in_any_casing_and_kept_as_the_plan_has_them() -> None:
    options = options_of_request("commit", parse_verb_request("commit", b'{"vms": ["SQL-01", "dc-01"]}'), plan(), NOW)
    assert options.vms == ("dc-01", "sql-01")
    assert options.without_vms().vms is None


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ('{"vms": ["dc-01", "nobody", "DC-01"]}', {"vms[1]", "vms[2]"}),
        ('{"vms": []}', {"vms"}),
        ('{"vms": ["dc-01"], "recoveryPoint": {"sql-01": "latest"}}', {"recoveryPoint.sql-01"}),
    ],
)
def test_vms_that_are_unknown_or_named_twice_are_refused(body: str, fields: set[str]) -> None:
    with pytest.raises(HttpProblem) as caught:
        options_of_request("failover", parse_verb_request("failover", body.encode()), plan(), NOW)
    assert {error.field for error in caught.value.errors} == fields


def test_what_persons_say_is_what_the_run_keeps_and_when_it_read_it() -> None:
    kept: list[tuple[Any, Any]] = [(Approval, ApprovalGiven), (Decision, DecisionGiven)]
    for record, event in kept:
        assert set(record.model_fields) == {*event.model_fields, "at"}


def test_every_verb_has_a_rule_and_every_verb_of_a_kind_is_one() -> None:
    verbs: tuple[Verb, ...] = get_args(Verb)
    assert set(RULES) == set(verbs)
    assert {verb for rule in RULES_OF_KINDS.values() for verb in rule.verbs} <= set(verbs)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("failover", '{"type": "unplanned", "outageAt": "2027-03-01T11:59:00Z"}'),
        ("roundtrip", '{"type": "unplanned", "outageAt": "2027-03-01T12:59:00+01:00"}'),
    ],
)
def test_an_outage_is_stated_for_an_unplanned_failover(kind: Kind, body: str) -> None:
    options = options_of_request(kind, parse_verb_request(kind, body.encode()), plan(), NOW)
    assert options.outage_at == datetime(2027, 3, 1, 11, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("failover", '{"type": "unplanned", "outageAt": "2027-03-01T12:01:00Z"}'),
        ("failover", '{"outageAt": "2027-03-01T11:59:00Z"}'),
        ("failover", '{"type": "unplanned", "outageAt": "2027-03-01T11:59:00"}'),
        ("failback", '{"outageAt": "2027-03-01T11:59:00Z"}'),
    ],
    ids=["future", "planned", "no-zone", "failback"],
)
def test_an_outage_to_come_or_of_a_site_that_is_not_lost_is_refused(kind: Kind, body: str) -> None:
    with pytest.raises(HttpProblem) as caught:
        options_of_request(kind, parse_verb_request(kind, body.encode()), plan(), NOW)
    assert (caught.value.status, [error.field for error in caught.value.errors]) == (400, ["outageAt"])
