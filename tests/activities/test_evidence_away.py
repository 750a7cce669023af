"""What is seen in Azure counts, whether it can be kept as evidence or not; what could not be kept is kept later."""

import asyncio
import errno
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import activities.evidence
import shared.azure.evidence_store
from activities.evidence import keep_job, read_pack, seal_pack, write_records
from activities.vault import _read_end
from shared.azure.evidence_store import EvidenceFolder, open_evidence_store
from shared.errors import Refused, SiteRecoveryError, Transient
from shared.evidence.chain import FIRST_PREVIOUS, EvidenceEntry, job_attachments
from shared.evidence.contract import SealPack, WriteRecords
from shared.evidence.verify import check_pack, load_pack
from shared.messages import VaultRef
from shared.site_recovery.contract import JobEnd

AT = datetime(2027, 3, 1, 3, tzinfo=UTC)
VAULT = VaultRef.from_id("/subscriptions/s/resourceGroups/rg/providers/Microsoft.RecoveryServices/vaults/v")
JOB = {"name": "j1", "properties": {"state": "Succeeded", "startTime": "2027-03-01T02:00:00Z"}}
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


@pytest.mark.usefixtures("folder")
async def test_a_job_that_could_not_be_kept_is_read_once_more_for_its_record() -> None:
    written = await write_records(WriteRecords(pack="drill-1", count=0, head=FIRST_PREVIOUS, entries=(TOLD,)))
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
    written = await write_records(WriteRecords(pack="drill-1", count=0, head=FIRST_PREVIOUS, entries=(TOLD,)))
    sealed = await seal_pack(SealPack(pack="drill-1", head=written.head, facts={}))
    (folder / "drill-1/attachments/.job-j2.json.77.1").write_bytes(b"")
    assert check_pack(load_pack(folder / "drill-1"), sealed.head) == []
    store = open_evidence_store()
    assert store
    assert all("/." not in name for name in await store.list_names("drill-1/"))
