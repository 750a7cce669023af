"""What docs/deploy.md says of numbers, names and files is so."""

import json
import re
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from shared.settings import Settings
from tests.infra.templates import INFRA, ROOT, deploy_main, of_type
from tests.orchestrators.test_drills import timer
from tests.seals import MAC_KEY
from tools.releases import CONTAINER

PAGE = (ROOT / "docs/deploy.md").read_text()
NUMBERS = {"six": 6, "seven": 7, "eight": 8}


def rows_below(heading: str) -> list[list[str]]:
    section = PAGE.partition(f"\n{heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "---" not in line]


def test_each_alert_has_a_row_and_each_row_is_an_alert() -> None:
    rules = of_type(deploy_main().resources, "Microsoft.Insights/scheduledQueryRules")
    names = {rule["name"].split("-", 4)[4] for rule in rules}
    assert {row[0] for row in rows_below("## Alerts and workbook")[1:]} == names
    assert re.search(r"\| (\w+) alert rules", PAGE)[1] == "eight"  # type: ignore[index]
    assert len(names) == 8


@pytest.mark.parametrize(
    ("private_app", "pattern"), [(False, r"(\w+) endpoints, seven"), (True, r"endpoints, (\w+) with `privateApp`")]
)
def test_as_many_private_endpoints_are_billed_as_the_page_says(private_app: bool, pattern: str) -> None:
    found = re.search(pattern, PAGE)
    made = of_type(
        deploy_main(network="private", privateApp=private_app).resources, "Microsoft.Network/privateEndpoints"
    )
    assert found
    assert NUMBERS[found[1]] == len(made)


def test_a_look_of_the_timer_costs_what_the_page_says() -> None:
    bench = timer()
    bench.look()
    bench.azure.clock.advance_to(bench.azure.clock.now + timedelta(minutes=5))
    result = bench.reconciled("reconcile")
    actions = Counter(
        action.WhichOneof("orchestratorActionType") for episode in result.episodes for action in episode.actions
    )
    said = re.search(r"each is 1 timer, (\d+) activities, (\d+) turns of the orchestrator and (\d+) entity", PAGE)
    assert said
    look_at_seal = 1  # each run begins with it, and waits for it in a turn of its own
    assert [int(number) for number in said.groups()] == [
        actions["scheduleTask"] + look_at_seal,
        len(result.episodes) + look_at_seal,
        actions["sendEntityMessage"],
    ]


@pytest.mark.parametrize(("zones", "instances"), [(False, 2), (True, 4)])
def test_always_ready_instances_cost_what_the_page_says(zones: bool, instances: int) -> None:
    (app,) = of_type(deploy_main(zoneRedundant=zones).resources, "Microsoft.Web/sites")
    scale = app["properties"]["functionAppConfig"]["scaleAndConcurrency"]
    assert sum(each["instanceCount"] for each in scale["alwaysReady"]) == instances
    assert f"{2 * scale['instanceMemoryMB'] // 1024 * 3600:,} GB-s" in PAGE


def test_each_variable_of_azd_that_the_page_names_is_in_the_parameter_file() -> None:
    """Of the tables of parameters, both ways."""
    parameters = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    named = {match for row in rows_below("## Parameters")[1:] for match in re.findall(r"`([A-Z_]+)`", row[-1])}
    assert named == {re.findall(r"[A-Z_]+", each["value"])[0] for each in parameters.values()}


def test_each_file_and_command_that_the_page_names_is_there() -> None:
    for path in re.findall(r"(?:infra|tests|docs)/[\w./-]+\.(?:json|py|bicep|kql|lock)", PAGE):
        assert (ROOT / path).exists(), path
    for module in re.findall(r"python -m (tools\.\w+)", PAGE):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists(), module
    assert f"`{CONTAINER}` of `sthost…`" in PAGE


def test_every_output_that_the_page_reads_is_one() -> None:
    outputs: dict[str, Any] = json.loads((INFRA / "main.json").read_text())["outputs"]
    assert set(re.findall(r"azd env get-value (\w+)", PAGE)) <= set(outputs)


def test_the_example_of_local_settings_starts_once_its_key_is_made() -> None:
    values = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    assert Settings.from_environment(values | {"MAC_KEY": MAC_KEY}).door == "keys"
    assert values["AzureWebJobsStorage"] == "UseDevelopmentStorage=true"
    assert values["FUNCTIONS_WORKER_RUNTIME"] == "python"


def test_the_command_for_another_subscription_gives_what_the_module_asks_for() -> None:
    declared = set(re.findall(r"^param (\w+)", (INFRA / "modules/events.bicep").read_text(), re.MULTILINE))
    command = PAGE.partition("--template-file infra/modules/events.bicep")[2].partition("```")[0]
    assert set(re.findall(r"(\w+)=", command)) == declared
