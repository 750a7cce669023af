"""A request is one span: what it is about and how it was answered, and nothing that it carries."""

from typing import Any, cast

import azure.durable_functions as df
import azure.functions as func
import pytest

from tests.telemetry import recording
from triggers.http_endpoint import handle_for_role, json_response

KEY_DOOR = {"DOOR": "keys", "KEY_ROLES": "Dr.Read"}


@handle_for_role("Dr.Read", "note")
async def read_it(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    if req.params["note"] == "broken":
        raise KeyError("hunter2")
    return json_response({"hunter2": 1})


@pytest.mark.parametrize(("note", "status", "failed"), [("hunter2", 200, None), ("broken", 500, "500")])
async def test_a_request_is_a_span_with_its_subject_and_its_status(
    note: str, status: int, failed: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEY_DOOR.items():
        monkeypatch.setenv(name, value)
    request = func.HttpRequest(
        method="GET",
        url=f"https://app/api/plans/payroll?code=hunter2&note={note}",
        headers={"x-functions-key": "hunter2", "Authorization": "Bearer hunter2"},
        params={"note": note},
        route_params={"plan": "payroll", "other": "hunter2"},
        body=b"",
    )
    with recording(monkeypatch) as recorded:
        await read_it(request, cast("Any", None))
        (span,) = recorded.named("GET read_it")
        about = {"http.request.method": "GET", "hci.plan": "payroll", "http.response.status_code": status}
        assert span.attributes == about | ({"error.type": "500"} if failed else {})
        assert span.status.description == failed
        assert "hunter2" not in span.to_json()
