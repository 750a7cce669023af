"""What is seen in Azure counts, whether it can be kept as evidence or not; what could not be kept is kept later."""

import asyncio
import errno
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import activities.evidence
import shared.azure.evidence_store
from activities.evidence import find_store_obstacle, keep_job, read_pack, seal_pack, write_records
from activities.plan_checks import _check_evidence_store
from activities.vault import _read_end
from shared.azure.evidence_store import EvidenceFolder, open_evidence_store
from shared.errors import Refused, SiteRecoveryError, Transient
from shared.evidence.chain import FIRST_PREVIOUS, EvidenceEntry, job_attachments
from shared.evidence.contract import SealPack, WriteRecords
from shared.evidence.verify import check_pack, load_pack
from shared.messages import VaultRef
from shared.site_recovery.contract import JobEnd
from tests.shared.samples import plan

AT = datetime(2027, 3, 1, 3, tzinfo=UTC)
VAULT = VaultRef.from_id("/subscriptions/s/resourceGroups/rg/providers/Microsoft.RecoveryServices/vaults/v")
JOB = {"name": "j1", "properties": {"state": "Succeeded", "startTime": "2027-03-01T02:00:00Z"}}
OUTCOME = EvidenceEntry.of("outcome", AT, {})
TOLD = EvidenceEntry(kind="job", at=AT, body={"job": "j1"}, attach=job_attachments("j1"), vault=VAULT)


class AnsweringVault:
    """A vault with the job JOB."""

    reads = 0
    error: SiteRecoveryError | None = None

    def __init__(self, _ref: VaultRef) -> None:
        pass

    async def read_job(self, _name: str) -> dict[str, Any]:
        type(self).reads += 1
        if self.error:
            raise self.error
        return JOB


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("EVIDENCE_STORE", f"folder:{tmp_path}")
    monkeypatch.setattr(activities.evidence, "Vault", AnsweringVault)
    monkeypatch.setattr(AnsweringVault, "reads", 0)
    return tmp_path


def full_disk(path: Path, content: bytes) -> int:
    """Half of it is written, and then there is no room."""
    with path.open("wb") as file:
        file.write(content[: len(content) // 2])
    raise OSError(errno.ENOSPC, "No space left on device")


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def hang(*_given: Any) -> Any:
    await asyncio.Event().wait()


def refuse(error: Exception) -> Callable[..., Any]:
    async def put_new(*_given: Any) -> Any:
        raise error

    return put_new


AWAY: dict[str, Any] = {
    "full": full_disk,
    "closed": refuse(Refused("AuthorizationPermissionMismatch", "no")),
    "silent": refuse(Transient("503")),
    "hanging": hang,
}


def take_away(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared.azure.evidence_store, "KEPT_BESIDE_WITHIN", 0.05)
    monkeypatch.setattr(activities.evidence, "RECORD_WITHIN", 0.05)
    if how == "full":
        monkeypatch.setattr(Path, "write_bytes", AWAY[how])
    else:
        monkeypatch.setattr(EvidenceFolder, "put_new", AWAY[how])


@pytest.mark.parametrize("how", AWAY)
async def test_the_end_of_a_job_is_seen_while_the_store_is_away(
    how: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_away(how, monkeypatch)
    vault: Any = AnsweringVault(VAULT)
    end = await _read_end(vault, "j1", "drill-1")
    assert isinstance(end, JobEnd)
    assert end.outcome == "succeeded"
    assert files_in(folder) == [], "no draft is left"


@pytest.mark.parametrize("how", AWAY)
async def test_a_record_that_cannot_be_written_is_an_error_of_its_own(
    how: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_away(how, monkeypatch)
    with pytest.raises(SiteRecoveryError):
        await write_records(WriteRecords(pack="drill-1", count=0, head=FIRST_PREVIOUS, entries=(TOLD,)))
    assert files_in(folder) == []


@pytest.mark.parametrize("how", AWAY)
async def test_a_look_at_the_store_says_whether_it_takes_anything_now(
    how: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        assert await find_store_obstacle() is None
    with monkeypatch.context() as away:
        take_away(how, away)
        obstacle = await find_store_obstacle(0.05)
        assert obstacle
        assert (obstacle.code, obstacle.passing) == ("evidence-store-unavailable", True)
        assert obstacle.detail.removeprefix("the evidence store takes nothing now: ") not in {"", obstacle.detail}
    assert await find_store_obstacle() is None
    assert [path.name for path in files_in(folder)] == ["store-trial.json"]


async def test_an_app_without_a_store_is_told_from_a_store_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVIDENCE_STORE", raising=False)
    obstacle = await find_store_obstacle()
    assert obstacle
    assert (obstacle.code, obstacle.passing) == ("evidence-store-missing", False)


@pytest.mark.parametrize(
    ("evidence", "store", "errors", "warnings"),
    [
        ("required", "missing", ["evidence"], 0),
        ("required", "silent", [], 1),
        ("required", "well", [], 0),
        ("wanted", "missing", [], 1),
        ("wanted", "silent", [], 1),
        ("wanted", "well", [], 0),
    ],
)
@pytest.mark.usefixtures("folder")
async def test_who_declares_a_plan_hears_of_the_store(
    evidence: str, store: str, errors: list[str], warnings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if store == "missing":
        monkeypatch.delenv("EVIDENCE_STORE")
    elif store == "silent":
        take_away(store, monkeypatch)
    found, unchecked = await _check_evidence_store(plan(evidence=evidence))
    assert ([one.field for one in found], len(unchecked)) == (errors, warnings)


async def test_a_pack_that_lost_its_first_records_is_not_sealed_as_complete(folder: Path) -> None:
    """A share that was mounted anew, and empty, takes what follows: only what the run has written tells."""
    first = await write_records(WriteRecords(pack="drill-1", count=0, head=FIRST_PREVIOUS, entries=(TOLD,)))
    shutil.rmtree(folder / "drill-1")
    last = await write_records(WriteRecords(pack="drill-1", count=first.count, head=first.head, entries=(TOLD,)))
    with pytest.raises(Refused, match="has 1 records, and the run has written 2"):
        await seal_pack(SealPack(pack="drill-1", head=last.head, records=last.count, facts={}))


@pytest.mark.usefixtures("folder")
async def test_a_job_that_could_not_be_kept_is_read_once_more_for_its_record() -> None:
    written = await write_records(WriteRecords(pack="drill-1", count=0, head=FIRST_PREVIOUS, entries=(TOLD, OUTCOME)))
    sealed = await seal_pack(SealPack(pack="drill-1", head=written.head, facts={}))
    files = await read_pack("drill-1") or {}
    assert "attachments/job-j1.json" in files
    assert check_pack(files, sealed.head) == []
    assert AnsweringVault.reads == 1


@pytest.mark.usefixtures("folder")
async def test_a_job_that_is_kept_is_not_read_again() -> None:
    await keep_job("drill-1", JOB, JobEnd(job="j1", outcome="succeeded", state="Succeeded"))
    await write_records(WriteRecords(pack="drill-1", count=0, head=FIRST_PREVIOUS, entries=(TOLD,)))
    assert AnsweringVault.reads == 0


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("error", [Refused("NotFound", "gone"), Transient("503")])
async def test_a_record_is_written_without_a_job_that_is_not_there_any_more(
    error: SiteRecoveryError, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AnsweringVault, "error", error)
    written = await write_records(WriteRecords(pack="drill-1", count=0, head=FIRST_PREVIOUS, entries=(TOLD,)))
    assert written.count == 1


async def test_a_draft_of_a_process_that_was_killed_is_no_part_of_a_pack(folder: Path) -> None:
    written = await write_records(WriteRecords(pack="drill-1", count=0, head=FIRST_PREVIOUS, entries=(TOLD, OUTCOME)))
    sealed = await seal_pack(SealPack(pack="drill-1", head=written.head, facts={}))
    (folder / "drill-1/attachments/.job-j2.json.77.1").write_bytes(b"")
    assert check_pack(load_pack(folder / "drill-1"), sealed.head) == []
    store = open_evidence_store()
    assert store
    assert all("/." not in name for name in await store.list_names("drill-1/"))
