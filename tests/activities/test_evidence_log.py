"""Each sealed pack gets one entry in the log of heads, signed where there is a key; no key that fails loses a pack."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from activities import evidence_log
from activities.evidence import seal_lost_pack, seal_pack, write_records
from activities.evidence_log import make_checkpoint
from shared.azure.clients import close_azure
from shared.azure.evidence_key import UNUSABLE, open_signing_key
from shared.azure.evidence_store import EvidenceFolder
from shared.errors import Refused, SiteRecoveryError, Transient
from shared.evidence.chain import FIRST_PREVIOUS, EvidenceEntry
from shared.evidence.contract import PackSealed, SealLostPack, SealPack, WriteRecords
from shared.evidence.verify import (
    LOG_ENTRY,
    MANIFEST,
    check_log,
    check_pack,
    entry_name,
    find_log_flaws,
    is_signed_by,
    load_pack,
    read_json,
    read_key,
    sha256_of,
)
from shared.settings import Settings, WrongSettings
from tests.activities.conftest import lab, server
from tests.activities.lab import Lab
from tests.shared.azure.fake import Reply, standing
from tests.shared.evidence.signing import signer

__all__ = ["lab", "server"]
AT = datetime(2027, 3, 1, 3, tzinfo=UTC)
KEY = signer(4711)
IN_VAULT = "https://kv-dr.vault.azure.net/keys/evidence"
ENTRIES = (EvidenceEntry.of("request", AT, {"by": "Ada"}), EvidenceEntry.of("outcome", AT, {"state": "succeeded"}))


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("EVIDENCE_STORE", f"folder:{tmp_path / 'store'}")
    (tmp_path / "key.pem").write_bytes(KEY.private_pem())
    monkeypatch.setenv("EVIDENCE_KEY", f"file:{tmp_path / 'key.pem'}")
    return tmp_path / "store"


async def request_of(run: str, **more: Any) -> SealPack:
    written = await write_records(WriteRecords(pack=run, count=0, head=FIRST_PREVIOUS, entries=ENTRIES))
    return SealPack(pack=run, head=written.head, records=written.count, facts={"state": "succeeded"}, **more)


async def seal(run: str, **more: Any) -> PackSealed:
    return await seal_pack(await request_of(run, **more))


async def test_a_sealed_pack_is_signed_and_names_the_one_before(store: Path) -> None:
    first, second = await seal("drill-1"), await seal("drill-2")
    assert (first.entry, first.code, second.entry, second.code) == (1, "", 2, "")
    for sealed, run in ((first, "drill-1"), (second, "drill-2")):
        files = load_pack(store / run)
        assert check_pack(files, sealed.head, run, [KEY.public]) == []
        assert check_pack(files, sealed.head, run, [signer(7).public]) != []
    entry = read_json((store / "drill-2" / LOG_ENTRY).read_bytes())
    assert (entry["pack"], entry["head"], entry["records"]) == ("drill-2", second.head, 2)
    assert check_log(store, read_json(await make_checkpoint()), [KEY.public]) == ([], 2)


async def test_a_seal_that_is_done_twice_is_one_entry(store: Path) -> None:
    request = await request_of("drill-1")
    first = await seal_pack(request)
    await seal("drill-2")
    assert await seal_pack(request) == first
    (store / "drill-1" / LOG_ENTRY).unlink()  # killed before the copy was written
    assert await seal_pack(request) == first
    assert check_log(store, None, [KEY.public]) == ([], 2)


async def test_twenty_runs_that_end_at_once_are_one_line(store: Path) -> None:
    requests = [await request_of(f"drill-{number}") for number in range(20)]
    sealed = await asyncio.gather(*map(seal_pack, requests), *map(seal_pack, requests))
    assert sorted({one.entry for one in sealed}) == list(range(1, 21))
    assert sealed[:20] == sealed[20:]
    assert check_log(store, None, [KEY.public]) == ([], 20)


async def test_a_list_that_leaves_out_what_was_written_meanwhile_hides_nothing(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = await request_of("drill-2")
    await seal("drill-1")
    first = await seal_pack(request)
    await seal("drill-3")
    listed = EvidenceFolder.list_names

    async def list_some(self: EvidenceFolder, prefix: str) -> list[str]:
        return [name for name in await listed(self, prefix) if not name.endswith("00000002.json")]

    monkeypatch.setattr(EvidenceFolder, "list_names", list_some)
    assert await seal_pack(request) == first
    assert read_json(await make_checkpoint())["size"] == 3
    assert check_log(store, None, [KEY.public]) == ([], 3)


async def test_an_entry_that_somebody_planted_far_away_is_not_looked_for_one_by_one(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await seal("drill-1")
    (store / "heads" / "09999999.json").write_text("{}")
    reads: list[str] = []
    read = EvidenceFolder.read_file

    async def note_read(self: EvidenceFolder, name: str) -> bytes | None:
        reads.append(name)
        return await read(self, name)

    monkeypatch.setattr(EvidenceFolder, "read_file", note_read)
    await seal("drill-2")
    assert len(reads) < 50


async def test_without_a_key_entries_say_so(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVIDENCE_KEY")
    sealed = await seal("drill-1")
    assert (sealed.entry, sealed.code, sealed.detail) == (1, "evidence-unsigned", "the app has no EVIDENCE_KEY")
    assert check_log(store) == ([], 1)
    assert "is not signed" in check_pack(load_pack(store / "drill-1"), keys=[KEY.public])[0].detail
    assert check_log(store, None, [KEY.public])[0] != []


async def test_a_signed_checkpoint_vouches_for_what_was_not_signed_then(
    store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("EVIDENCE_KEY")
    await seal("drill-1")
    monkeypatch.setenv("EVIDENCE_KEY", f"file:{tmp_path / 'key.pem'}")
    checkpoint = read_json(await make_checkpoint())
    await seal("drill-2")
    assert check_log(store, checkpoint, [KEY.public]) == ([], 2)
    monkeypatch.delenv("EVIDENCE_KEY")
    await seal("drill-3")
    assert [one.file for one in check_log(store, checkpoint, [KEY.public])[0]] == [entry_name(3)]


async def test_a_key_that_fails_seals_nothing_by_itself_and_loses_nothing(
    store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EVIDENCE_KEY", f"file:{tmp_path / 'gone.pem'}")
    request = await request_of("drill-1")
    with pytest.raises(Refused, match=UNUSABLE):
        await seal_pack(request)
    sealed = await seal_pack(request.model_copy(update={"unsigned": "no such file"}))
    assert (sealed.entry, sealed.code, sealed.detail) == (1, "evidence-unsigned", "no such file")
    assert await seal_pack(request) == sealed
    assert check_log(store) == ([], 1)


async def test_a_lost_run_is_logged_with_a_key_or_without(
    store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for run, key in (("drill-1", "key.pem"), ("drill-2", "gone.pem")):
        monkeypatch.setenv("EVIDENCE_KEY", f"file:{tmp_path / key}")
        await write_records(WriteRecords(pack=run, count=0, head=FIRST_PREVIOUS, entries=ENTRIES[:1]))
        request = SealLostPack(pack=run, last_entry=ENTRIES[1], facts={"state": "succeeded"})
        sealed = await seal_lost_pack(request)
        assert await seal_lost_pack(request) == sealed
        assert (sealed.entry > 0, sealed.code) == (True, "" if key == "key.pem" else "evidence-unsigned")
    assert check_log(store) == ([], 2)


@pytest.mark.parametrize("planted", [b"{}", b"\xff", b"[" * 100_000])
async def test_an_entry_that_somebody_planted_stays_and_shows_and_stops_nothing(store: Path, planted: bytes) -> None:
    await seal("drill-1")
    (store / entry_name(2)).write_bytes(planted)
    assert (await seal("drill-2")).entry == 3
    assert [one.file for one in check_log(store, None, [KEY.public])[0]] == [entry_name(2)]


async def test_a_log_that_has_no_number_left_is_told_and_the_pack_is_sealed(store: Path) -> None:
    await seal("drill-1")
    (store / entry_name(99_999_999)).write_bytes(b"{}")
    sealed = await seal("drill-2")
    assert (sealed.entry, sealed.code, sealed.records) == (0, "evidence-log-broken", 2)
    assert check_pack(load_pack(store / "drill-2"), sealed.head) == []


async def test_an_entry_planted_into_the_pack_is_not_taken_over(store: Path) -> None:
    request = await request_of("drill-1")
    (store / "drill-1" / LOG_ENTRY).write_bytes(b"{}")
    with pytest.raises(Refused, match="evidence-broken"):
        await seal_pack(request)


async def test_no_checkpoint_of_a_log_with_a_gap_or_another_entry(store: Path) -> None:
    for number in range(4):
        await seal(f"drill-{number}")
    content = (store / entry_name(2)).read_bytes()
    (store / entry_name(2)).unlink()
    with pytest.raises(Refused, match=r"heads/00000002\.json is missing"):
        await make_checkpoint()
    (store / entry_name(2)).write_bytes(content.replace(b"drill-1", b"drill-7"))
    with pytest.raises(Refused, match="does not follow"):
        await make_checkpoint()


async def test_a_checkpoint_of_an_empty_log_holds_later(store: Path) -> None:
    checkpoint = read_json(await make_checkpoint())
    assert checkpoint["size"] == 0
    await seal("drill-1")
    assert check_log(store, checkpoint, [KEY.public]) == ([], 1)


async def test_too_many_that_end_at_once_ask_again_later(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_log, "ATTEMPTS", 0)
    with pytest.raises(Transient, match="meanwhile"):
        await seal("drill-1")
    monkeypatch.setattr(evidence_log, "ATTEMPTS", 2)
    assert (await seal("drill-1")).entry == 1


async def test_a_key_vault_signs_with_its_newest_version_or_the_named_one(
    lab: Lab, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVIDENCE_KEY", IN_VAULT)
    key = open_signing_key()
    assert key is not None
    public = await key.read_public_key()
    for number in range(8):  # both halves of the signatures come, and each is written in its one way
        assert (await seal(f"drill-{number}")).code == ""
    assert check_log(store, read_json(await make_checkpoint()), [public]) == ([], 8)
    assert read_key(json.dumps(public.jwk).encode()) == public
    await close_azure()


@pytest.mark.parametrize(
    ("key", "change", "reason"),
    [
        ("nothing", {}, "KeyNotFound"),
        (f"evidence/{'0' * 32}", {}, "KeyNotFound"),
        ("evidence", {"access": False}, "Forbidden"),
        ("evidence", {"disabled": ["evidence"]}, "disabled"),
        ("evidence", {"keys": {"evidence": "P-384"}}, "P-256"),
    ],
)
async def test_a_key_that_cannot_be_used_is_named(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, key: str, change: dict[str, Any], reason: str
) -> None:
    lab.world(keyVaults={"kv-dr": change})
    monkeypatch.setenv("EVIDENCE_KEY", f"https://kv-dr.vault.azure.net/keys/{key}")
    with pytest.raises(Refused, match=reason) as refused:
        await seal("drill-1")
    assert refused.value.code == UNUSABLE
    await close_azure()


def bundle(**changes: Any) -> Reply:
    kid = f"https://kv-dr.vault.azure.net/keys/evidence/{'a' * 32}"
    return Reply(200, {"key": {"kid": kid, "kty": "EC", **KEY.public.jwk, **changes}})


@pytest.mark.parametrize(
    ("replies", "signed", "error"),
    [
        ([Reply(503)], [], Transient),
        ([Reply(429)], [], Transient),
        ([Reply(200, {})], [], Refused),
        ([bundle(crv="P-384")], [], Refused),
        ([bundle()], [Reply(200, {"value": "AAAA"})], Transient),
        ([bundle()], [Reply(200, {"value": "A" * 86})], Transient),
        ([bundle()], [Reply(200, {"value": 7})], Transient),
        ([bundle()], [Reply(200, {"value": "\u00e9\x00=="})], Transient),
        ([bundle()], [Reply(503)], Transient),
        ([bundle()], [Reply(403, {"error": {"code": "Forbidden", "message": "no"}})], Refused),
    ],
)
async def test_what_a_key_vault_answers_is_checked_and_nothing_is_asked_twice(
    monkeypatch: pytest.MonkeyPatch, replies: list[Reply], signed: list[Reply], error: type[SiteRecoveryError]
) -> None:
    monkeypatch.setenv("EVIDENCE_KEY", IN_VAULT)
    async with standing(monkeypatch) as arm:
        arm.says("GET", "/keys/evidence", *replies)
        arm.says("POST", f"/keys/evidence/{'a' * 32}/sign", *signed)
        with pytest.raises(error):
            await seal("drill-1")
        assert len(arm.sent("POST", "/sign")) == len(signed)
        await close_azure()


async def test_a_key_file_has_to_be_a_private_key_on_p_256(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = ec.generate_private_key(ec.SECP384R1())
    pem = other.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    monkeypatch.setenv("EVIDENCE_KEY", f"file:{tmp_path / 'other.pem'}")
    for content in (pem, b"", KEY.public_pem(), b"\xff"):
        (tmp_path / "other.pem").write_bytes(content)
        key = open_signing_key()
        assert key is not None
        with pytest.raises(Refused, match=UNUSABLE) as refused:
            await key.sign(b"x")
        assert content.decode(errors="replace").strip()[:30] not in str(refused.value) or not content


@pytest.mark.parametrize(
    "place",
    [
        "https://kv-dr.vault.azure.net/secrets/evidence",
        "https://kv-dr.vault.example.com/keys/evidence",
        "http://kv-dr.vault.azure.net/keys/evidence",
        "https://kv-dr.vault.azure.net/keys/evidence/7",
        "https://kv-dr.vault.azure.net/keys/../secrets/x",
        "file:key.pem",
        "kv-dr/evidence",
    ],
)
def test_a_setting_that_names_no_key_is_told(place: str) -> None:
    with pytest.raises(WrongSettings, match="EVIDENCE_KEY"):
        Settings.from_environment({"EVIDENCE_KEY": place})


async def test_an_entry_proves_itself(store: Path) -> None:
    await seal("drill-1")
    content = (store / entry_name(1)).read_bytes()
    entry = read_json(content)
    unsigned = {name: value for name, value in entry.items() if name != "signature"}
    assert is_signed_by(
        KEY.public, json.dumps(unsigned, sort_keys=True, separators=(",", ":")).encode(), entry["signature"]
    )
    assert find_log_flaws({entry_name(1): content}, None, [KEY.public]) == []
    assert entry["manifest"] == sha256_of((store / "drill-1" / MANIFEST).read_bytes())
