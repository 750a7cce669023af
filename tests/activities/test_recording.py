"""Evidence is written once: in a folder and in a container of blobs alike."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from aiohttp import web

from activities.evidence import keep_job, read_pack, seal_lost_pack, seal_pack, write_records
from shared.azure.clients import close_azure
from shared.azure.evidence_store import open_evidence_store
from shared.errors import Refused, Transient
from shared.evidence.chain import FIRST_PREVIOUS, EvidenceEntry, job_attachments
from shared.evidence.contract import SealLostPack, SealPack, WriteRecords
from shared.evidence.verify import check_pack
from shared.site_recovery.contract import JobEnd
from tests.listening import listening

AT = datetime(2027, 3, 1, 3, tzinfo=UTC)
SECRET = "c2VjcmV0LXZhbHVl"


class Blobs:
    """Blob storage as far as a container of evidence needs it: put if absent, get, list."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.down = False

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        name = request.path.removeprefix("/evidence").lstrip("/")
        content = await request.read()
        if self.down:
            return web.Response(status=503)
        if request.method == "PUT":
            return self._put(name, content, request.headers.get("If-None-Match", ""))
        if not name:
            return self._list(request.query.get("prefix", ""))
        return self._get(name)

    def _put(self, name: str, content: bytes, condition: str) -> web.Response:
        assert condition == "*", "evidence is never written over"
        if name in self.held:
            return _problem(409, "BlobAlreadyExists")
        self.held[name] = content
        return web.Response(status=201, headers={"ETag": '"1"', "Last-Modified": "Mon, 01 Mar 2027 03:00:00 GMT"})

    def _get(self, name: str) -> web.Response:
        if name not in self.held:
            return _problem(404, "BlobNotFound")
        content = self.held[name]
        size = len(content)
        headers = {"ETag": '"1"', "Content-Range": f"bytes 0-{size - 1}/{size}", "x-ms-blob-type": "BlockBlob"}
        return web.Response(status=206, body=content, headers=headers)

    def _list(self, prefix: str) -> web.Response:
        names = sorted(name for name in self.held if name.startswith(prefix))
        blobs = "".join(f"<Blob><Name>{escape(name)}</Name><Properties/></Blob>" for name in names)
        text = f'<?xml version="1.0"?><EnumerationResults><Blobs>{blobs}</Blobs><NextMarker/></EnumerationResults>'
        return web.Response(text=text, content_type="application/xml")


def _problem(status: int, code: str) -> web.Response:
    text = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>no</Message></Error>'
    return web.Response(status=status, text=text, content_type="application/xml", headers={"x-ms-error-code": code})


@pytest.fixture
async def blobs(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Blobs]:
    fake = Blobs()
    async with listening(fake.answer) as url:
        monkeypatch.setenv("EVIDENCE_STORE", f"{url}/evidence")
        yield fake
        await close_azure()


@pytest.fixture(params=["folder", "container"])
def store(blobs: Blobs, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The container, or a folder in its place."""
    if request.param == "folder":
        monkeypatch.setenv("EVIDENCE_STORE", f"folder:{tmp_path}")


def entry(kind: str = "verb", **body: Any) -> EvidenceEntry:
    return EvidenceEntry(kind=kind, at=AT, body=body)


def ask(*entries: EvidenceEntry, count: int = 0, head: str = FIRST_PREVIOUS) -> WriteRecords:
    return WriteRecords(pack="drill-1", count=count, head=head, entries=entries)


@pytest.mark.usefixtures("store")
async def test_a_pack_is_written_sealed_and_found_intact() -> None:
    job = {"name": "j1", "properties": {"state": "Succeeded", "sasUrl": f"https://h.example/x?sig={SECRET}"}}
    await keep_job("drill-1", job, JobEnd(job="j1", outcome="succeeded", state="Succeeded"))
    told = EvidenceEntry(kind="job", at=AT, body={"vm": "sql-01"}, attach=job_attachments("j1"))
    first = await write_records(ask(entry("request", password=SECRET), told, entry("outcome")))
    sealed = await seal_pack(SealPack(pack="drill-1", head=first.head, facts={"state": "succeeded"}))
    files = await read_pack("drill-1") or {}
    assert sorted(files) == [
        "attachments/job-j1.json",
        "log-entry.json",
        "manifest.json",
        "records/000001-request.json",
        "records/000002-job.json",
        "records/000003-outcome.json",
    ]
    assert (first.count, sealed.records, check_pack(files, sealed.head)) == (3, 3, [])
    assert SECRET.encode() not in b"".join(files.values())


@pytest.mark.usefixtures("store")
async def test_an_activity_that_runs_twice_changes_nothing() -> None:
    first = await write_records(ask(entry(vm="sql-01"), entry("outcome")))
    assert await write_records(ask(entry(vm="sql-01"), entry("outcome"))) == first
    with pytest.raises(Refused, match="evidence-broken"):
        await write_records(ask(entry(vm="another")))
    sealed = SealPack(pack="drill-1", head=first.head, facts={})
    assert await seal_pack(sealed) == await seal_pack(sealed)


@pytest.mark.usefixtures("store")
async def test_a_pack_whose_records_do_not_end_where_the_run_says_is_not_sealed() -> None:
    await write_records(ask(entry(vm="sql-01")))
    with pytest.raises(Refused, match="evidence-broken"):
        await seal_pack(SealPack(pack="drill-1", head=FIRST_PREVIOUS, facts={}))


@pytest.mark.usefixtures("store")
async def test_a_run_without_evidence_has_no_pack() -> None:
    assert await read_pack("drill-2") is None


async def test_a_container_that_does_not_answer_is_asked_again_later(blobs: Blobs) -> None:
    blobs.down = True
    with pytest.raises(Transient):
        await write_records(ask(entry(vm="sql-01")))


async def test_without_a_store_nothing_is_kept_and_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVIDENCE_STORE", raising=False)
    assert open_evidence_store() is None
    assert (await write_records(ask(entry(vm="sql-01")))).kept is False
    assert (await seal_pack(SealPack(pack="drill-1", head=FIRST_PREVIOUS, facts={}))).kept is False


def lost_pack(**body: Any) -> SealLostPack:
    last = entry("outcome", state="failed", **body)
    return SealLostPack(pack="drill-1", last_entry=last, facts={"state": "failed", "code": "run-lost"})


@pytest.mark.usefixtures("store")
async def test_the_pack_of_a_lost_run_ends_with_how_it_ended_and_is_whole() -> None:
    """With a job that it had kept, and not recorded any more."""
    await keep_job("drill-1", {"name": "j1"}, JobEnd(job="j1", outcome="succeeded", state="Succeeded"))
    written = await write_records(ask(entry("request"), entry("verb", password=SECRET)))
    sealed = await seal_lost_pack(lost_pack(token=SECRET))
    files = await read_pack("drill-1") or {}
    last = json.loads(files["records/000003-outcome.json"])
    assert (last["previous"], last["body"]["state"], list(last["attachments"])) == (
        written.head,
        "failed",
        ["job-j1.json"],
    )
    assert (sealed.records, check_pack(files, sealed.head)) == (3, [])
    assert json.loads(files["manifest.json"])["code"] == "run-lost"
    assert SECRET.encode() not in b"".join(files.values())


@pytest.mark.usefixtures("store")
async def test_the_pack_of_a_lost_run_is_sealed_once() -> None:
    """Also where its sealing was cut off after the record."""
    await write_records(ask(entry("request")))
    first = await seal_lost_pack(lost_pack())
    assert await seal_lost_pack(lost_pack(detail="said otherwise")) == first
    other = WriteRecords(pack="drill-2", count=0, head=FIRST_PREVIOUS, entries=(entry("request"), entry("outcome")))
    written = await write_records(other)
    sealed = await seal_lost_pack(lost_pack().model_copy(update={"pack": "drill-2"}))
    assert (sealed.head, sealed.records) == (written.head, 2)


@pytest.mark.usefixtures("store")
async def test_a_pack_that_its_own_run_has_sealed_stays_as_it_is() -> None:
    written = await write_records(ask(entry("request"), entry("outcome")))
    sealed = await seal_pack(SealPack(pack="drill-1", head=written.head, facts={"state": "succeeded"}))
    before = await read_pack("drill-1")
    assert await seal_lost_pack(lost_pack()) == sealed
    assert await read_pack("drill-1") == before


@pytest.mark.usefixtures("store")
async def test_a_lost_run_that_has_recorded_nothing_has_no_pack() -> None:
    assert not (await seal_lost_pack(lost_pack())).kept
    assert await read_pack("drill-1") is None
