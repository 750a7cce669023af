"""Alerts and workbook ask for lines that the code writes: marks, codes, events and fields come from the code itself."""

import ast
import importlib
import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest

from activities.cloud_events import LOGGED, turning_point_facts
from orchestrators.reconcile import reconcile
from shared.log_lines import ARM_THROTTLED, TIMER_LOOK_ENDED, TURNING_POINT
from shared.operations.contract import PublishEvent
from shared.operations.pacing import DELIVERY_PAUSES
from shared.operations.timer_looks import TimerLooks
from tests.infra.templates import INFRA, ROOT, deploy_main, of_type, read_template
from tests.orchestrators.test_drills import timer
from triggers import failures
from triggers.timer_schedule import find_silent_since

QUERIES = {path.stem: path.read_text() for path in sorted((INFRA / "queries").glob("*.kql"))}
COLUMNS = {
    "AppTraces": {"TimeGenerated", "Message", "_ResourceId"},
    "AppRequests": {"TimeGenerated", "ResultCode", "_ResourceId"},
}
"""Source: the reference of Azure Monitor's tables."""
PRODUCT = ("activities", "orchestrators", "shared", "triggers")
LEVELS = {"info", "warning", "error", "critical"}


def modules() -> Iterator[tuple[ModuleType, ast.Module]]:
    for folder in PRODUCT:
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text()
            if "log" in text.lower():
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
                yield importlib.import_module(name), ast.parse(text)


def line_starts() -> set[str]:
    """How each line begins that the product can write to its log."""
    return {start for module, tree in modules() for call in log_calls(tree) for start in starts_of(call, module)}


def log_calls(tree: ast.Module) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in LEVELS
            and node.args
        ):
            yield node


def starts_of(call: ast.Call, module: ModuleType) -> Iterator[str]:
    first = call.args[0]
    if isinstance(first, ast.Call) and isinstance(first.func, ast.Name) and first.func.id == "log_line":
        yield from (f"{mark} " for mark in values_of(first.args[0], module))
    elif isinstance(first, ast.Constant) and str(first.value).startswith("%s"):
        yield from values_of(call.args[1], module)
    elif isinstance(first, ast.Constant):
        yield str(first.value)


def values_of(node: ast.expr, module: ModuleType) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield str(getattr(module, node.id, ""))
    elif isinstance(node, ast.Attribute) and node.attr == "code":
        yield from (value.code for value in vars(failures).values() if isinstance(value, failures.Outage))


STARTS = line_starts()


def test_the_starts_of_lines_are_found_in_the_code() -> None:
    assert {f"{mark} " for mark in (TURNING_POINT, TIMER_LOOK_ENDED, ARM_THROTTLED)} <= STARTS
    assert {"evidence-unsigned", "evidence-log-broken", "engine-unreachable"} <= STARTS


@pytest.mark.parametrize("name", QUERIES)
def test_each_line_that_is_asked_for_is_one_that_the_code_writes(name: str) -> None:
    asked = re.findall(r'Message startswith "([^"]+)"', QUERIES[name])
    assert asked or "AppRequests" in QUERIES[name]
    assert [text for text in asked if not any(start.startswith(text) for start in STARTS)] == []


def test_every_outage_of_the_engine_and_every_mark_is_asked_for() -> None:
    asked = set(re.findall(r'Message startswith "([^"]+)"', " ".join(QUERIES.values())))
    outages = {value.code for value in vars(failures).values() if isinstance(value, failures.Outage)}
    marks = {f"{mark} " for mark in (TURNING_POINT, TIMER_LOOK_ENDED, ARM_THROTTLED)}
    assert outages | marks <= asked


def published_types() -> set[str]:
    """The types of events that code builds, and of those whose last part is put in, by the words of the same file."""
    types: set[str] = set()
    for path in (ROOT / "orchestrators").rglob("*.py"):
        text = path.read_text().replace("{EVENT_TYPE_PREFIX}", "HciSiteRecovery.Operation")
        types |= set(re.findall(r'"(HciSiteRecovery\.\w+\.\w+)"', text))
        words = {word.capitalize() if word.islower() else word for word in re.findall(r'"([A-Za-z]+)"', text)}
        types |= {prefix + word for prefix in re.findall(r'"(HciSiteRecovery\.\w+\.)\{', text) for word in words}
        published = re.findall(r'publish_(?:operation|site)_event\(\s*ctx, \w+, "(\w+)"', text)
        types |= {f"HciSiteRecovery.Operation.{word.capitalize()}" for word in published}
    return types


@pytest.mark.parametrize("name", QUERIES)
def test_each_event_that_is_asked_for_is_published_and_documented(name: str) -> None:
    asked = set(re.findall(r'"(HciSiteRecovery\.[\w.]+)"', QUERIES[name]))
    whole = {event for event in asked if not event.endswith(".")}
    page = (ROOT / "docs/events.md").read_text()
    types = published_types()
    assert whole <= types
    assert [event for event in whole if f"`{event}`" not in page] == []
    assert [event for event in asked - whole if not any(each.startswith(event) for each in types)] == []


def sample_lines(caplog: pytest.LogCaptureFixture) -> dict[str, set[str]]:
    """The fields of each line, from lines that the code makes: `event`, `look` and `throttled` as queries call them."""
    data: dict[str, Any] = dict.fromkeys(LOGGED, "x") | {"evidence": {"complete": False, "code": "x"}}
    event = PublishEvent(id="i", type="t", subject="s", at=datetime(2026, 1, 1, tzinfo=UTC), data=data)
    with caplog.at_level(logging.INFO, reconcile.__name__):
        timer().look()
    line = next(record.getMessage() for record in caplog.records if record.getMessage().startswith(TIMER_LOOK_ENDED))
    pacer = (ROOT / "shared/azure/request_pacer.py").read_text()
    throttled = re.search(r"log_line\(ARM_THROTTLED, \{(.+)\}\)", pacer)
    assert throttled
    return {
        "event": set(turning_point_facts(event)),
        "look": set(json.loads(line.partition(" ")[2])),
        "throttled": set(re.findall(r'"(\w+)":', throttled[1])),
    }


def test_each_field_that_is_asked_for_is_in_the_line(caplog: pytest.LogCaptureFixture) -> None:
    fields = sample_lines(caplog)
    for name, query in QUERIES.items():
        for line, field in re.findall(r"\b(event|look|throttled)\.(\w+)", query):
            assert field in fields[line], f"{name}: {line}.{field}"


def test_each_state_that_is_compared_is_one_of_an_operation() -> None:
    schema = json.loads(re.findall(r"```json\n(.*?)```", (ROOT / "docs/events.md").read_text(), re.DOTALL)[0])
    for query in QUERIES.values():
        assert set(re.findall(r'tostring\(event\.state\) == "(\w+)"', query)) <= set(
            schema["properties"]["state"]["enum"]
        )


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_asks_tables_that_there_are_for_columns_that_they_have(name: str) -> None:
    query = QUERIES[name]
    tables = set(re.findall(r"\b(App[A-Z]\w+)\b", query))
    assert tables
    assert tables <= set(COLUMNS)
    used = {word for word in ("TimeGenerated", "Message", "ResultCode", "_ResourceId") if word in query}
    assert used <= set().union(*(COLUMNS[table] for table in tables))
    assert len(re.findall(r'_ResourceId =~ "\{component\}"', query)) == len(re.findall(r"\bApp[A-Z]\w+\b", query))
    for opening, closing in ("()", "[]", "{}"):
        assert query.count(opening) == query.count(closing)


@pytest.mark.parametrize("name", QUERIES)
def test_what_is_read_from_json_is_given_a_type_before_it_is_compared(name: str) -> None:
    """Kusto compares dynamic values with literals of some types only."""
    assert re.findall(r"(?<![(\w.])(?:event|look|throttled)\.\w+ *(?:==|=~|>|in\b)", QUERIES[name]) == []


def deployed_queries() -> dict[str, str]:
    """As Azure gets them, by name of the rule or section."""
    resources = deploy_main(alertEmails="a@x.org").resources
    found = {}
    for rule in of_type(resources, "Microsoft.Insights/scheduledQueryRules"):
        (criterion,) = rule["properties"]["criteria"]["allOf"]
        found[rule["name"].partition("-")[2].split("-", 3)[-1]] = criterion["query"]
    (workbook,) = of_type(resources, "Microsoft.Insights/workbooks")
    for item in json.loads(workbook["properties"]["serializedData"])["items"]:
        if item["type"] == 3:
            found[f"workbook-{item['name']}"] = item["content"]["query"]
    return found


def test_each_query_is_deployed_under_its_name_and_for_this_app_alone() -> None:
    (component,) = (each.id for each in deploy_main().resources if each.type == "Microsoft.Insights/components")
    assert deployed_queries() == {name: query.replace("{component}", component) for name, query in QUERIES.items()}


def summarised(query: str) -> set[str]:
    """Names that the last summarize gives, so that a rule can split or measure by them."""
    last = query.rpartition("| summarize ")[2].partition("\n")[0]
    return {part.partition("=")[0].strip() for part in re.split(r", | by ", last)}


def test_a_rule_measures_and_splits_by_columns_that_its_query_gives() -> None:
    for rule in of_type(deploy_main().resources, "Microsoft.Insights/scheduledQueryRules"):
        (criterion,) = rule["properties"]["criteria"]["allOf"]
        given = summarised(criterion["query"])
        wanted = {each["name"] for each in criterion.get("dimensions", [])}
        wanted |= {criterion["metricMeasureColumn"]} if "metricMeasureColumn" in criterion else set()
        assert wanted <= given, rule["name"]
        assert (criterion["timeAggregation"] == "Total") == ("metricMeasureColumn" in criterion)


def test_an_event_that_is_sent_again_for_a_day_is_one_alert_and_one_that_comes_late_is_no_less_one() -> None:
    """The first line counts, and not the time of the event: a host that was away logs it late."""
    for rule in of_type(deploy_main().resources, "Microsoft.Insights/scheduledQueryRules"):
        properties = rule["properties"]
        (criterion,) = properties["criteria"]["allOf"]
        if not criterion.get("dimensions"):
            assert "overrideQueryTimeRange" not in properties
            continue
        assert sum(DELIVERY_PAUSES, timedelta()) < timedelta(days=2)
        assert (properties["overrideQueryTimeRange"], properties["windowSize"]) == ("P2D", "PT15M")
        *_, first, last = criterion["query"].rstrip().splitlines()
        assert first.startswith("| summarize TimeGenerated = min(TimeGenerated) by id, subject")
        assert last == "| where TimeGenerated > ago(15m)"


def test_the_timer_counts_as_silent_no_sooner_than_health_says_so() -> None:
    """By the schedule that the template sets."""
    schedule = read_template("main")["parameters"]["reconcileSchedule"]["defaultValue"]
    start = datetime(2026, 1, 1, tzinfo=UTC)
    looks = TimerLooks(last_ended_at=start)
    silent = next(
        minute for minute in range(600) if find_silent_since(looks, start + timedelta(minutes=minute), schedule)
    )
    (rule,) = (
        each
        for each in of_type(deploy_main().resources, "Microsoft.Insights/scheduledQueryRules")
        if each["name"].endswith("timer-silent")
    )
    assert rule["properties"]["windowSize"] == "PT30M"
    assert silent <= 30
    assert rule["properties"]["criteria"]["allOf"][0]["operator"] == "LessThan"


WEBHOOK = "https://example.com/hook?code=s3cret"
GROUP = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Insights/actionGroups/on-call"


@pytest.mark.parametrize(
    ("parameters", "emails", "webhooks"),
    [
        ({"alertEmails": "a@x.org, b@x.org,"}, ["a@x.org", "b@x.org"], 0),
        ({"alertWebhook": WEBHOOK}, [], 1),
        ({"alertEmails": "a@x.org", "alertWebhook": WEBHOOK}, ["a@x.org"], 1),
    ],
)
def test_an_action_group_is_made_of_addresses_and_a_webhook(
    parameters: dict[str, Any], emails: list[str], webhooks: int
) -> None:
    resources = deploy_main(**parameters).resources
    (group,) = (each for each in resources if each.type == "Microsoft.Insights/actionGroups")
    assert [each["emailAddress"] for each in group.document["properties"]["emailReceivers"]] == emails
    assert len(group.document["properties"]["webhookReceivers"]) == webhooks
    for rule in of_type(resources, "Microsoft.Insights/scheduledQueryRules"):
        assert rule["properties"]["actions"]["actionGroups"] == [group.id]


@pytest.mark.parametrize(("existing", "told"), [("", []), (GROUP, [GROUP])])
def test_without_an_address_no_group_is_made_and_one_that_is_there_is_used(existing: str, told: list[str]) -> None:
    resources = deploy_main(existingActionGroup=existing).resources
    assert of_type(resources, "Microsoft.Insights/actionGroups") == []
    for rule in of_type(resources, "Microsoft.Insights/scheduledQueryRules"):
        assert rule["properties"]["actions"]["actionGroups"] == told


def test_the_address_of_the_webhook_is_a_secret_all_the_way() -> None:
    """A deployment shows its parameters to who may read the group, but those of type secureString."""

    def types(content: object) -> Iterator[str]:
        if isinstance(content, dict):
            for name, value in (
                content.get("parameters", {}).items() if isinstance(content.get("parameters"), dict) else ()
            ):
                if name in {"alertWebhook", "webhook"} and "type" in value:
                    yield value["type"].lower()
            for value in content.values():
                yield from types(value)
        elif isinstance(content, list):
            for value in content:
                yield from types(value)

    found = list(types(json.loads((INFRA / "main.json").read_text())))
    assert len(found) == 3
    assert set(found) == {"securestring"}


def test_no_line_that_an_alert_reads_is_left_out_by_sampling() -> None:
    host = json.loads((ROOT / "host.json").read_text())
    sampling = host["logging"].get("applicationInsights", {}).get("samplingSettings", {"isEnabled": False})
    assert not sampling["isEnabled"] or "Trace" in sampling["excludedTypes"].split(";")
