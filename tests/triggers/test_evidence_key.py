"""The public key and the checkpoint are read over HTTP by whoever checks evidence elsewhere."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from activities.evidence import seal_pack, write_records
from shared.evidence.chain import FIRST_PREVIOUS, EvidenceEntry
from shared.evidence.contract import SealPack, WriteRecords
from shared.evidence.verify import check_log, entry_name, read_key
from tests.shared.evidence.signing import signer
from tests.triggers.doors import ALL_ROLES, DOORS, Answer
from tests.triggers.hub import Hub

KEY = signer(4711)
ENTRIES = (EvidenceEntry.of("outcome", datetime(2027, 3, 1, tzinfo=UTC), {"state": "succeeded"}),)


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("KEY_ROLES", ALL_ROLES)
    monkeypatch.setenv("EVIDENCE_STORE", f"folder:{tmp_path / 'store'}")
    (tmp_path / "key.pem").write_bytes(KEY.private_pem())
    monkeypatch.setenv("EVIDENCE_KEY", f"file:{tmp_path / 'key.pem'}")
    return tmp_path / "store"


async def ask(name: str, **parameters: str) -> Answer:
    return await next(one for one in DOORS if one.name == name).answer(Hub(), **parameters)


async def seal(run: str) -> Any:
    written = await write_records(WriteRecords(pack=run, count=0, head=FIRST_PREVIOUS, entries=ENTRIES))
    return await seal_pack(SealPack(pack=run, head=written.head, facts={"state": "succeeded"}))


async def test_the_public_key_is_shown_and_nothing_of_the_private_one() -> None:
    answer = await ask("get_evidence_key")
    shown = json.loads(answer.text)
    assert (answer.status, shown["kid"], shown["alg"]) == (200, KEY.public.thumbprint, "ES256")
    assert read_key(answer.text.encode()) == KEY.public
    assert shown.keys() == {"kty", "crv", "x", "y", "kid", "alg", "use"}


async def test_without_a_key_there_is_none_to_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVIDENCE_KEY")
    assert (await ask("get_evidence_key")).status == 404


async def test_a_key_that_cannot_be_used_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EVIDENCE_KEY", f"file:{tmp_path / 'gone.pem'}")
    answer = await ask("get_evidence_key")
    assert (answer.status, json.loads(answer.text)["code"]) == (409, "evidence-key-unusable")
    shown = json.loads((await ask("get_evidence_checkpoint")).text)
    assert "evidence-key-unusable" in shown["unsigned"]


async def test_a_checkpoint_is_signed_and_holds_for_the_log_as_it_grows(store: Path) -> None:
    await seal("drill-1")
    answer = await ask("get_evidence_checkpoint")
    assert answer.status == 200
    await seal("drill-2")
    assert check_log(store, json.loads(answer.text), [KEY.public]) == ([], 2)


async def test_there_is_no_checkpoint_of_a_log_with_a_gap(store: Path) -> None:
    for run in ("drill-1", "drill-2"):
        await seal(run)
    (store / entry_name(1)).unlink()
    answer = await ask("get_evidence_checkpoint")
    assert (answer.status, json.loads(answer.text)["code"]) == (409, "evidence-log-broken")


async def test_the_evidence_of_a_run_says_in_words_whether_it_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    await seal("drill-1")
    shown = json.loads((await ask("get_evidence", id="drill-1")).text)
    assert (shown["signed"], shown["intact"], shown["logEntry"]["seq"]) == (True, True, 1)
    monkeypatch.delenv("EVIDENCE_KEY")
    await seal("drill-2")
    shown = json.loads((await ask("get_evidence", id="drill-2")).text)
    assert (shown["signed"], shown["intact"]) == (False, True)
    assert "no EVIDENCE_KEY" in shown["signature"]


async def test_the_log_is_not_taken_for_a_run() -> None:
    await seal("drill-1")
    assert (await ask("get_evidence", id="heads")).status == 404
