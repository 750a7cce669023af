"""The parameter files are valid: names, types, allowed values; and each says what its folder's name says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.infra.templates import INFRA, SUBSCRIPTION, deploy_roles, read_template
from tools.arm.azure_answers import known_to_azure
from tools.arm.deployment import Deployment, Place
from tools.arm.expressions import WrongTemplate

FILES = sorted([*INFRA.glob("*.parameters.json"), *(INFRA / "examples").rglob("*.parameters.json")])
VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_]+)(?P<has_default>=(?P<default>\w*))?\}")
OF_AZD = {
    "ALLOWED_SCOPES": "/subscriptions/00000000-0000-0000-0000-000000000001",
    "AZURE_ENV_NAME": "prod",
    "AZURE_LOCATION": "westeurope",
    "AUTH_CLIENT_ID": "00000000-0000-0000-0000-00000000000c",
    "IDENTITY_PRINCIPAL_ID": "00000000-0000-0000-0000-00000000000d",
}
"""What has no default in the files, as azd has it once it has asked or deployed."""


def as_azd_gives(value: Any) -> Any:
    """With its variables put in; Azure takes "false" for a bool."""
    if not isinstance(value, str):
        return value
    text = VARIABLE.sub(lambda one: one["default"] if one["has_default"] else OF_AZD[one["name"]], value)
    return {"true": True, "false": False}.get(text, text)


def read_parameters(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text())
    assert content["contentVersion"] == "1.0.0.0"
    assert content["$schema"].endswith("/deploymentParameters.json#")
    return {name: as_azd_gives(each["value"]) for name, each in content["parameters"].items()}


def template_of(path: Path) -> dict[str, Any]:
    return read_template(path.name.partition(".")[0])


def place_of(path: Path) -> Place:
    return Place(SUBSCRIPTION, "" if path.name.startswith("roles") else "rg-site-recovery")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_parameter_file_is_what_its_template_takes(path: Path) -> None:
    deployment = Deployment(template_of(path), read_parameters(path), place_of(path), known_to_azure)
    assert deployment.resources
    assert deployment.outputs


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_file_with_one_name_misspelt_is_refused(path: Path) -> None:
    """So that the test above cannot pass for a file that nobody reads."""
    parameters = read_parameters(path)
    for name in parameters:
        wrong = {key if key != name else f"{key}s": value for key, value in parameters.items()}
        with pytest.raises(WrongTemplate, match="there is no such parameter"):
            Deployment(template_of(path), wrong, place_of(path), known_to_azure)


def test_there_are_files_for_one_site_and_for_many() -> None:
    examples = {path.parent.name: path for path in FILES if path.name == "roles.parameters.json"}
    assert len(read_parameters(examples["one-site"])["sites"]) == 1
    assert len(read_parameters(examples["many-sites"])["sites"]) == 3


def granted(parameters: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Subscription, group and name of the role of each assignment that is made on a group."""
    deployment = deploy_roles(**parameters)
    roles = {
        each.document["name"]: each.document["properties"]["roleName"].rpartition(" ")[2].lower()
        for each in deployment.resources
        if each.type == "Microsoft.Authorization/roleDefinitions"
    }
    found = set()
    for each in deployment.resources:
        place = re.fullmatch(r"/subscriptions/([^/]+)(?:/resourceGroups/([^/]+))?/providers/.+", each.id)
        if each.type == "Microsoft.Authorization/roleAssignments" and place:
            role = each.document["properties"]["roleDefinitionId"].rpartition("/")[2]
            found.add((place[1], place[2] or "", roles[role]))
    return found


def test_one_file_gives_the_rights_on_three_sites_in_two_subscriptions_each_once() -> None:
    (path,) = (path for path in FILES if path.parent.name == "many-sites" and path.name.startswith("roles"))
    parameters = read_parameters(path)
    other = parameters["sites"][2]["subscription"]
    both = {(SUBSCRIPTION, "", "reader"), (other, "", "reader")}
    shared = {
        (SUBSCRIPTION, group, role)
        for group in ("rg-dr-vault", "rg-dr-target")
        for role in ("drill", "failover", "prepare")
    }
    assert granted(parameters) == both | shared | {
        (SUBSCRIPTION, "rg-automation", "drill"),
        (SUBSCRIPTION, "rg-automation", "failover"),
        (SUBSCRIPTION, "rg-dr-network", "prepare"),
        (SUBSCRIPTION, "rg-hci-ams", "failover"),
        (SUBSCRIPTION, "rg-hci-ams", "prepare"),
        (SUBSCRIPTION, "rg-hci-ams", "heal"),
        (SUBSCRIPTION, "rg-dr-target-berlin", "drill"),
        (SUBSCRIPTION, "rg-dr-target-berlin", "failover"),
        (SUBSCRIPTION, "rg-hci-ber", "failover"),
        (SUBSCRIPTION, "rg-hci-ber", "heal"),
        (SUBSCRIPTION, "rg-hci-ber-arc", "failover"),
        (SUBSCRIPTION, "rg-hci-ber-arc", "heal"),
        (other, "rg-cork-vault", "drill"),
        (other, "rg-cork-target", "drill"),
        (SUBSCRIPTION, "rg-hook-machines", "drill"),
    }  # fmt: skip
    made = [each.id.lower() for each in deploy_roles(**parameters).resources]
    assert len(made) == len(set(made))


def test_the_roles_can_be_assigned_wherever_they_are_assigned() -> None:
    (path,) = (path for path in FILES if path.parent.name == "many-sites" and path.name.startswith("roles"))
    parameters = read_parameters(path)
    definitions = [
        each.document["properties"]
        for each in deploy_roles(**parameters).resources
        if each.type == "Microsoft.Authorization/roleDefinitions"
    ]
    assert len(definitions) == 5
    for each in definitions:
        assert set(each["assignableScopes"]) == {f"/subscriptions/{place}" for place, _, _ in granted(parameters)}


def test_every_assignment_of_prepare_and_no_other_has_the_condition() -> None:
    (path,) = (path for path in FILES if path.parent.name == "many-sites" and path.name.startswith("roles"))
    deployment = deploy_roles(**read_parameters(path))
    prepare = deployment.outputs["roleIds"]["value"]["prepare"]
    condition = deployment.outputs["prepareCondition"]["value"]
    for each in deployment.resources:
        if each.type == "Microsoft.Authorization/roleAssignments":
            properties = each.document["properties"]
            is_prepare = properties["roleDefinitionId"].endswith(prepare)
            assert properties.get("condition") == (condition if is_prepare else None)
            assert properties.get("conditionVersion") == ("2.0" if is_prepare else None)
