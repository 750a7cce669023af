"""What a caller is told while Azure answers 200 with something that is no answer: never an empty 500."""

from typing import Any

import pytest

from tests.product.conftest import Lab

READS: tuple[tuple[str, str, Any], ...] = (
    ("GET", "plans/payroll/readiness", None),
    ("GET", "sites/hci-01/nodes", None),
    ("GET", "sites/hci-01/replication", None),
    ("POST", "plans/payroll/failover?preview=true", {}),
    ("POST", "plans/payroll/drill?preview=true", {}),
)


BODIES = ("null", "[]", '"x"', "{}", '{"value": null}', '{"value": [null]}', '{"val', "<html>")


@pytest.mark.parametrize(("method", "path", "body"), READS, ids=[path for _, path, _ in READS])
def test_a_read_that_azure_does_not_answer_names_what_it_answered(lab: Lab, method: str, path: str, body: Any) -> None:
    for text in BODIES:
        lab.azure("PUT", "faults", [{"match": {"method": "GET"}, "effect": {"raw": {"text": text}}}])
        answer = lab.api(method, path, body)
        assert answer.status in {200, 503}, (text, answer)
        assert "cannot be read" in str(answer.body), (text, answer)
