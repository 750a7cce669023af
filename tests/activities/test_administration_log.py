"""Acts of administration stand in the log of heads once each, whoever else writes, and are read in pages."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from activities import administration_log
from activities.administration_log import log_acts, read_acts, read_end
from activities.evidence import seal_pack, write_records
from activities.evidence_log import append_once, make_checkpoint
from shared.activity import Nothing
from shared.errors import Refused, Transient
from shared.evidence.administration import Act, ActQuestion, AdministrationRecord
from shared.evidence.chain import FIRST_PREVIOUS, EvidenceEntry
from shared.evidence.contract import LogActs, SealPack, WriteRecords
from shared.evidence.verify import check_log, entry_name, read_json
from tests.shared.evidence.signing import signer

AT = datetime(2025, 3, 1, 3, tzinfo=UTC)
KEY = signer(4711)
ADA = "11111111-1111-4111-8111-111111111111"


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("EVIDENCE_STORE", f"folder:{tmp_path / 'store'}")
    monkeypatch.setenv("TENANT_ID", "22222222-2222-4222-8222-222222222222")
    (tmp_path / "key.pem").write_bytes(KEY.private_pem())
    monkeypatch.setenv("EVIDENCE_KEY", f"file:{tmp_path / 'key.pem'}")
    return tmp_path / "store"


def act(number: int = 0, **changes: Any) -> Act:
    facts = {"act": "changed", "subject": "plans/payroll", "at": AT + timedelta(minutes=number), "by": "Ada"}
    return Act.model_validate({**facts, "by_id": ADA, **changes})


def request(run: str, *acts: Act, after: int = 0, **more: Any) -> LogActs:
    return LogActs(record=AdministrationRecord(id=f"administration-{run}", acts=acts or (act(),)), after=after, **more)


async def seal(run: str) -> Any:
    last = EvidenceEntry.of("outcome", AT, {"state": "succeeded"})
    written = await write_records(WriteRecords(pack=run, count=0, head=FIRST_PREVIOUS, entries=(last,)))
    return await seal_pack(SealPack(pack=run, head=written.head, facts={"state": "succeeded"}))


async def test_an_act_is_a_signed_entry_between_those_of_packs(store: Path) -> None:
    await seal("drill-1")
    assert (await read_end(Nothing())).size == 1
    assert (await log_acts(request("a", after=1))).entry == 2
    assert (await seal("drill-2")).entry == 3
    entry = read_json((store / entry_name(2)).read_bytes())
    assert (entry["kind"], entry["tenant"][:4], entry["acts"][0]["byId"]) == ("administration", "2222", ADA)
    assert check_log(store, read_json(await make_checkpoint()), [KEY.public]) == ([], 3)


async def test_an_act_that_is_logged_twice_is_one_entry(store: Path) -> None:
    end = await read_end(Nothing())
    first = await log_acts(request("a", after=end.size))
    await seal("drill-1")
    assert await log_acts(request("a", after=end.size)) == first
    assert await log_acts(request("a", after=end.size, unsigned="the key was away")) == first
    assert check_log(store, None, [KEY.public]) == ([], 2)


async def test_whoever_writes_at_once_each_gets_one_entry(store: Path) -> None:
    """Two hosts, each with an activity that runs twice, and packs that are sealed meanwhile."""
    asked = [request(f"{number}", act(number)) for number in range(8)]
    written = await asyncio.gather(
        *map(log_acts, asked), *map(log_acts, asked), *(seal(f"drill-{n}") for n in range(4))
    )
    assert written[:8] == written[8:16]
    assert sorted([one.entry for one in written[:8]] + [one.entry for one in written[16:]]) == list(range(1, 13))
    assert check_log(store, None, [KEY.public]) == ([], 12)


WRITE_TEN = """
import asyncio, sys
from tests.activities.test_administration_log import act, log_acts, request
for number in range(10):
    asyncio.run(log_acts(request(sys.argv[1] + str(number), act(number))))
    asyncio.run(log_acts(request("shared" + str(number), act(number))))
"""


def test_two_hosts_write_one_log_and_what_both_write_is_one_entry(store: Path) -> None:
    hosts = [subprocess.Popen([sys.executable, "-c", WRITE_TEN, name]) for name in "ab"]
    assert [host.wait(60) for host in hosts] == [0, 0]
    assert check_log(store, None, [KEY.public]) == ([], 30)


async def test_a_store_that_fails_in_the_middle_is_written_once_when_it_is_back(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry is written and its answer is lost."""

    async def lose_answer(*given: Any) -> Any:
        await append_once(*given)
        raise Transient("the answer was lost")

    monkeypatch.setattr(administration_log, "append_once", lose_answer)
    with pytest.raises(Transient):
        await log_acts(request("a"))
    monkeypatch.undo()
    monkeypatch.setenv("EVIDENCE_STORE", f"folder:{store}")
    monkeypatch.setenv("TENANT_ID", "another one by now")
    assert (await log_acts(request("a"))).entry == 1
    assert check_log(store)[1] == 1


async def test_without_a_store_nothing_is_written_and_a_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVIDENCE_STORE")
    assert (await read_end(Nothing())).kept is False
    assert (await log_acts(request("a"))).kept is False
    with pytest.raises(Refused, match="evidence-store-missing"):
        await read_acts(ActQuestion(), 10)


async def test_a_key_that_fails_is_told_and_the_entry_can_be_written_without(
    store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EVIDENCE_KEY", f"file:{tmp_path / 'gone.pem'}")
    with pytest.raises(Refused, match="evidence-key-unusable"):
        await log_acts(request("a"))
    await log_acts(request("a", unsigned="no such file"))
    assert read_json((store / entry_name(1)).read_bytes())["unsigned"] == "no such file"
    assert (await read_acts(ActQuestion(), 10)).value[0]["signed"] is False


async def test_pages_have_all_acts_newest_first_and_each_once(store: Path) -> None:
    for number in range(1, 8):
        await (
            seal(f"drill-{number}")
            if number % 3 == 0
            else log_acts(request(f"{number}", act(number), act(number + 100)))
        )
    found, before = list[dict[str, Any]](), 0
    for _ in range(10):
        page = await read_acts(ActQuestion(before=before), 3)
        assert page.flaws == []
        found += page.value
        before = page.before
        if not before:
            break
    assert [one["entry"] for one in found] == [7, 7, 5, 5, 4, 4, 2, 2, 1, 1]
    assert len({one["at"] for one in found}) == 10
    assert found[0]["at"] > found[1]["at"]


async def test_a_page_reads_so_many_entries_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(administration_log, "MOST_READ", 4)
    monkeypatch.setattr(administration_log, "BLOCK", 2)
    await log_acts(request("first", act(1)))
    for number in range(6):
        await seal(f"drill-{number}")
    page = await read_acts(ActQuestion(), 10)
    assert (page.value, page.before) == ([], 4)
    page = await read_acts(ActQuestion(before=page.before), 10)
    assert ([one["entry"] for one in page.value], page.before) == ([1], 0)


async def test_what_is_older_than_asked_for_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(administration_log, "BLOCK", 2)
    for number in range(6):
        await log_acts(request(f"{number}", act(number)))
    page = await read_acts(ActQuestion(since=datetime.now(UTC) + timedelta(days=1)), 10)
    assert (page.value, page.before) == ([], 0)
    assert len((await read_acts(ActQuestion(since=AT + timedelta(minutes=4)), 10)).value) == 2


async def test_what_somebody_put_into_the_log_is_named_and_not_shown(store: Path) -> None:
    for number in range(4):
        await log_acts(request(f"{number}", act(number)))
    (store / entry_name(2)).write_bytes(b'{"kind": "administration", "acts": [{"act": "planted"}]}')
    (store / entry_name(9)).write_bytes((store / entry_name(1)).read_bytes())
    page = await read_acts(ActQuestion(), 50)
    assert [one["entry"] for one in page.value] == [9, 4, 3, 1]
    for number in (9, 8, 3, 2):
        assert any(line.startswith(entry_name(number)) for line in page.flaws)
    assert not any(line.startswith((entry_name(4), entry_name(1))) for line in page.flaws)
