"""Secrets never enter a pack."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.redaction import redact_json, redact_text

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
SECRET = "c2VjcmV0LXZhbHVl"
JWT = f"eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.{SECRET}"


@pytest.mark.parametrize(
    "said",
    [
        {"password": SECRET},
        {"adminPassword": SECRET},
        {"storageAccountKey": SECRET},
        {"protectedSettings": {"anything": SECRET}},
        {"sasUri": f"https://x.blob.core.windows.net/c?{SECRET}"},
        {"accessToken": SECRET},
        {"connectionString": f"AccountKey={SECRET}"},
        {"Authorization": f"Bearer {SECRET}"},
        {"deep": [{"clientSecret": SECRET}]},
        {"url": f"https://x.blob.core.windows.net/c/b?sv=2024&sig={SECRET}"},
        {"url": f"https://user:{SECRET}@example.org/x"},
        {"text": f"see https://example.org/x?code={SECRET}, then go on"},
        {"text": f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={SECRET};EndpointSuffix=x"},
        {"text": f"failed with Bearer {SECRET}"},
        {"text": f"token {JWT} was refused"},
        [f"SharedAccessSignature {SECRET}"],
    ],
)
def test_a_secret_is_taken_out_wherever_it_stands(said: Any) -> None:
    assert SECRET not in json.dumps(redact_json(said))


def test_what_is_no_secret_stays() -> None:
    job = {
        "name": "01e3aac6",
        "activityId": "34942d64 ActivityId: cd7637e1",
        "errors": [{"code": "539", "message": "see https://aka.ms/asr for more"}],
        "KeyVaultName": "kv-1",
        "endTime": None,
        "password": None,
        "attempts": 3,
    }
    assert redact_json(job) == job


@given(ANYTHING)
def test_it_is_json_afterwards_and_doing_it_twice_changes_nothing(said: Any) -> None:
    once = redact_json(said)
    assert json.loads(json.dumps(once)) == json.loads(json.dumps(redact_json(once)))


def test_the_path_of_a_signed_url_is_still_to_be_read() -> None:
    assert redact_text("at https://h.example/a/b?sig=x#y now") == "at https://h.example/a/b?[redacted] now"
