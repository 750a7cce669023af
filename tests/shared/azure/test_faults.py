"""What the SDKs raise becomes a Transient or a Refused, and tells no secret."""

import json

import pytest

from shared.azure.errors import NotFound
from shared.azure.vault import Vault
from shared.errors import Refused, Transient
from shared.messages import VaultRef
from tests.shared.azure.fake import ITEM, VAULT, FakeArm, Reply, item

REF = VaultRef.from_id(VAULT)
WRONG_DIRECTION = {  # shape as recorded for a re-protect in the wrong direction
    "error": {
        "code": "BadRequest",
        "message": "see details",
        "details": [
            {
                "code": "InvalidFailoverDirection",
                "message": "The direction is invalid.",
                "possibleCauses": "It is already there.",
                "recommendedAction": "Give the other one.",
            }
        ],
    }
}


async def read(arm: FakeArm, reply: Reply) -> None:
    arm.says("GET", "/sql-01", reply)
    await Vault(REF).read_item(ITEM)


@pytest.mark.parametrize("status", [401, 408, 429, 500, 502, 503, 504])
async def test_what_may_pass_is_transient(arm: FakeArm, status: int) -> None:
    with pytest.raises(Transient, match=f"Azure answered {status} to GET {ITEM}$"):
        await read(arm, Reply(status))


@pytest.mark.parametrize(
    ("status", "header", "wait"), [(429, "17", 17), (429, None, 30), (503, "5", 5), (503, None, None)]
)
async def test_the_wait_that_azure_asks_for_is_kept(
    arm: FakeArm, status: int, header: str | None, wait: int | None
) -> None:
    with pytest.raises(Transient) as caught:
        await read(arm, Reply(status, headers={"Retry-After": header} if header else {}))
    assert caught.value.retry_after == wait


async def test_a_lost_connection_is_transient(arm: FakeArm) -> None:
    with pytest.raises(Transient, match="did not answer"):
        await read(arm, Reply(lost=True))


async def test_an_answer_that_is_no_json_is_transient(arm: FakeArm) -> None:
    arm.says("GET", "/replicationProtectedItems", Reply(200))
    with pytest.raises(Transient, match="cannot be read"):
        await Vault(REF).list_items()


async def test_a_refusal_has_site_recoverys_own_code_and_advice(arm: FakeArm) -> None:
    with pytest.raises(Refused) as caught:
        await read(arm, Reply(400, WRONG_DIRECTION))
    assert caught.value.code == "InvalidFailoverDirection"
    assert caught.value.detail == "The direction is invalid. Give the other one."


async def test_a_refusal_of_arm_itself_has_its_code(arm: FakeArm) -> None:
    with pytest.raises(Refused, match="AuthorizationFailed: no rights"):
        await read(arm, Reply(403, {"error": {"code": "AuthorizationFailed", "message": "no rights"}}))


async def test_what_is_not_there_is_missing(arm: FakeArm) -> None:
    with pytest.raises(NotFound, match="ResourceNotFound"):
        await read(arm, Reply(404, {"error": {"code": "ResourceNotFound", "message": "gone"}}))


UNREADABLE: dict[str, Reply] = {
    "nothing": Reply(200),
    "204": Reply(204),
    "302": Reply(302, headers={"Location": "https://login.example.org/"}),
    "null": Reply(200, raw=b"null"),
    "a list": Reply(200, []),
    "an empty text": Reply(200, ""),
    "a text": Reply(200, "x"),
    "an empty object": Reply(200, {}),
    "a list that is null": Reply(200, {"value": None}),
    "a list of null": Reply(200, {"value": [None]}),
    "a list of nothing": Reply(200, {"value": [{}]}),
    "cut": Reply(200, raw=b'{"id": "/subscriptions/s1", "na'),
    "html": Reply(200, raw=b"<html>Sign in</html>", headers={"Content-Type": "text/html"}),
    "another charset": Reply(
        200, raw='{"name": "x"}'.encode("utf-16"), headers={"Content-Type": "application/json; charset=ascii"}
    ),
}


@pytest.mark.parametrize("reply", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_an_answer_that_says_nothing_of_an_item_is_transient_and_named(arm: FakeArm, reply: Reply) -> None:
    with pytest.raises(Transient, match=r"Azure('s answer|answered| answered)"):
        await read(arm, reply)


@pytest.mark.parametrize("reply", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_an_answer_that_is_no_list_is_transient_and_never_an_empty_list(arm: FakeArm, reply: Reply) -> None:
    arm.says("GET", "/replicationProtectedItems", reply)
    with pytest.raises(Transient, match=r"Azure('s answer|answered| answered)"):
        await Vault(REF).list_items()


async def test_an_answer_about_something_else_is_transient(arm: FakeArm) -> None:
    with pytest.raises(Transient, match="names nothing"):
        await read(arm, Reply(200, {"value": []}))


async def test_a_byte_order_mark_changes_nothing(arm: FakeArm) -> None:
    arm.says("GET", "/sql-01", Reply(200, raw=json.dumps(item()).encode("utf-8-sig")))
    assert (await Vault(REF).read_item(ITEM))["name"] == "sql-01"


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "x",
        {"error": None},
        {"error": "x"},
        {"error": {"code": None, "details": None}},
        {"error": {"details": [None]}},
        {"error": {"details": "x"}},
    ],
)
async def test_a_refusal_without_words_is_named_by_its_status(arm: FakeArm, body: object) -> None:
    with pytest.raises(Refused, match="http-400: Azure answered 400 to GET"):
        await read(arm, Reply(400, body))


async def test_without_an_identity_nothing_is_sent(arm: FakeArm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeArm, "_token", staticmethod(lambda: Reply(400, {"message": "no such identity"})))
    with pytest.raises(Refused, match="400 to GET /msi/token"):
        await read(arm, Reply())
    assert arm.sent("GET", "/sql-01") == []


async def test_an_answer_without_a_token_is_transient(arm: FakeArm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeArm, "_token", staticmethod(lambda: Reply(200, {"error": "try later"})))
    with pytest.raises(Transient):
        await read(arm, Reply())
    assert arm.sent("GET", "/sql-01") == []


async def test_an_error_shows_neither_query_nor_token(arm: FakeArm) -> None:
    with pytest.raises(Transient) as caught:
        await read(arm, Reply(503))
    assert "api-version" not in str(caught.value)
    assert "t0ken" not in repr(caught.value)
