"""Files that somebody put into the evidence store before, during and after a run: none becomes a run's own word."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from activities.evidence import keep_job, seal_lost_pack, seal_pack, write_records
from shared.errors import Refused
from shared.evidence.chain import FIRST_PREVIOUS, EvidenceEntry, build_manifest, job_attachments
from shared.evidence.contract import RecordsWritten, SealLostPack, SealPack, WriteRecords
from shared.evidence.verify import LOG_ENTRY, MANIFEST, canonical_json, check_pack, first_previous, load_pack, sha256_of
from shared.site_recovery.contract import JobEnd
from tests.triggers.doors import ALL_ROLES, DOORS
from tests.triggers.hub import Hub, look

AT = datetime(2027, 3, 1, 3, tzinfo=UTC)
RUN = "commit-twin-1"
REQUEST = EvidenceEntry.of("request", AT, {"requestedBy": "Ada Admin"})
VERB = EvidenceEntry.of("verb", AT, {"vm": "web-02"})
JOB = EvidenceEntry(kind="job", at=AT, body={"job": "j1"}, attach=job_attachments("j1"))
OUTCOME = EvidenceEntry.of("outcome", AT, {"state": "succeeded"})
TRUE_JOB = {"name": "j1", "properties": {"state": "Failed", "scenarioName": "Commit"}}
ENDED = JobEnd(job="j1", outcome="failed", state="Failed")


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("EVIDENCE_STORE", f"folder:{tmp_path}")
    return tmp_path / RUN


def plant(folder: Path, name: str, content: Any) -> None:
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content if isinstance(content, bytes) else canonical_json(content))


async def write(*entries: EvidenceEntry, after: RecordsWritten | None = None) -> RecordsWritten:
    count, head = (after.count, after.head) if after else (0, FIRST_PREVIOUS)
    return await write_records(WriteRecords(pack=RUN, count=count, head=head, entries=entries))


async def seal(written: RecordsWritten) -> Any:
    return await seal_pack(SealPack(pack=RUN, head=written.head, records=written.count, facts={"state": "succeeded"}))


def forged(seq: int, kind: str, previous: str, **body: Any) -> dict[str, Any]:
    return {"seq": seq, "kind": kind, "at": AT.isoformat(), "previous": previous, "attachments": {}, "body": body}


async def test_a_record_that_stood_there_before_the_run_is_not_taken_over(folder: Path) -> None:
    record = forged(1, "request", first_previous(RUN), requestedBy="Carol Innocent")
    plant(folder, "records/000001-request.json", record)
    with pytest.raises(Refused, match="evidence-broken"):
        await write(REQUEST)


async def test_a_record_that_was_put_in_while_the_run_went_on_is_not_taken_over(folder: Path) -> None:
    first = await write(REQUEST, VERB)
    plant(folder, "records/000003-job.json", forged(3, "job", first.head, note="FORGED"))
    with pytest.raises(Refused, match="evidence-broken"):
        await write(JOB, after=first)
    with pytest.raises(Refused, match="evidence-broken"):
        await write(JOB, OUTCOME, after=first)


@pytest.mark.parametrize("name", ["records/000003-hook.json", "attachments/job-j9.json", "records/x", "note.txt"])
async def test_what_was_put_beside_breaks_the_seal(folder: Path, name: str) -> None:
    written = await write(REQUEST, VERB, JOB, OUTCOME)
    plant(folder, name, forged(3, "hook", written.head, note="FORGED"))
    with pytest.raises(Refused, match="evidence-broken"):
        await seal(written)


async def test_a_manifest_that_stood_there_before_is_not_the_seal(folder: Path) -> None:
    written = await write(REQUEST, OUTCOME)
    names = sorted((folder / "records").iterdir())
    records = [(f"records/{one.name}", sha256_of(one.read_bytes())) for one in names]
    plant(folder, MANIFEST, build_manifest(RUN, records, {"state": "failed"}))
    with pytest.raises(Refused, match="evidence-broken"):
        await seal(written)


async def test_a_job_that_is_not_what_azure_showed_breaks_the_pack(folder: Path) -> None:
    plant(folder, "attachments/job-j1.json", {"name": "j1", "properties": {"state": "Succeeded"}})
    await keep_job(RUN, TRUE_JOB, ENDED)
    written = await write(REQUEST, JOB, OUTCOME)
    with pytest.raises(Refused, match="evidence-broken"):
        await seal(written)


async def test_a_job_that_is_kept_twice_is_the_same_whatever_else_azure_says_of_it(folder: Path) -> None:
    await keep_job(RUN, TRUE_JOB, ENDED)
    properties = {**TRUE_JOB["properties"], "allowedActions": ["Restart"]}  # type: ignore[dict-item]
    await keep_job(RUN, {**TRUE_JOB, "properties": properties}, ENDED)
    sealed = await seal(await write(REQUEST, JOB, OUTCOME))
    assert check_pack(load_pack(folder), sealed.head, RUN) == []


async def test_a_record_that_was_written_before_its_job_could_be_attached_is_the_runs_own() -> None:
    first = await write(REQUEST, JOB)
    await keep_job(RUN, TRUE_JOB, ENDED)
    assert await write(REQUEST, JOB) == first


async def test_the_pack_of_a_lost_run_that_somebody_wrote_into_is_not_intact(folder: Path) -> None:
    written = await write(REQUEST, VERB)
    plant(folder, "records/000003-outcome.json", forged(3, "outcome", "0" * 64, state="succeeded"))
    facts = {"state": "failed", "code": "run-lost"}
    await seal_lost_pack(SealLostPack(pack=RUN, last_entry=OUTCOME, facts=facts))
    assert check_pack(load_pack(folder), "", RUN) != []
    assert written.count == 2


async def read_evidence(head: str) -> dict[str, Any]:
    """As the endpoint says it, of a run that says that its evidence ends with this head."""
    door = next(one for one in DOORS if one.name == "get_evidence")
    hub = Hub(runs={RUN: [look(RUN, output={"state": "succeeded", "facts": {"evidence": {"head": head}}})]})
    request = func.HttpRequest("GET", f"/api/operations/{RUN}/evidence", route_params={"id": RUN}, body=b"")
    response = await door.handler(request, hub)
    assert response.status_code == 200
    return dict(json.loads(response.get_body()))


async def test_the_endpoint_knows_with_what_the_run_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ROLES", ALL_ROLES)
    sealed = await seal(await write(REQUEST, VERB, OUTCOME))
    assert (await read_evidence(sealed.head))["intact"]
    for place in (folder / "records").iterdir():
        place.unlink()
    (folder / MANIFEST).unlink()
    (folder / LOG_ENTRY).unlink()
    await seal(await write(EvidenceEntry.of("request", AT, {"requestedBy": "Carol Innocent"}), OUTCOME))
    assert check_pack(load_pack(folder)) == []
    shown = await read_evidence(sealed.head)
    assert not shown["intact"]
    assert f"not with {sealed.head}" in shown["integrityErrors"][0]


@pytest.mark.parametrize("raw", [b"[" * 200_000, b"\xff", b"null", b'{"attachments": 7}'])
async def test_a_hostile_record_does_not_keep_the_evidence_from_being_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, raw: bytes
) -> None:
    monkeypatch.setenv("KEY_ROLES", ALL_ROLES)
    sealed = await seal(await write(REQUEST, VERB, OUTCOME))
    plant(folder, "records/000002-verb.json", raw)
    assert (await read_evidence(sealed.head))["integrityErrors"]
    plant(folder, MANIFEST, raw)
    assert (await read_evidence(sealed.head))["integrityErrors"]
