"""The templates as they would deploy: the list of resources that Azure gets, for parameters of a test's own."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tools.arm.azure_answers import known_to_azure
from tools.arm.deployment import Deployment, Place, Resource

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
HERE = Place(SUBSCRIPTION, "rg-site-recovery")


def read_template(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((INFRA / f"{name}.json").read_text())
    return content


def deploy_main(**parameters: Any) -> Deployment:
    needed = {"environmentName": "prod", "allowedScopes": f"/subscriptions/{SUBSCRIPTION}"}
    return Deployment(read_template("main"), needed | parameters, HERE, known_to_azure)


def deploy_roles(subscription: str = SUBSCRIPTION, **parameters: Any) -> Deployment:
    return Deployment(read_template("roles"), parameters, Place(subscription), known_to_azure)


def of_type(resources: Iterable[Resource], kind: str) -> list[dict[str, Any]]:
    return [each.document for each in resources if each.type == kind]
