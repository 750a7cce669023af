"""Where evidence is kept: a folder, or a container of blob storage; written once, never changed."""

import asyncio
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from shared.azure.clients import azure
from shared.azure.errors import translate_errors
from shared.errors import SiteRecoveryError, Transient
from shared.settings import AzureSettings

if TYPE_CHECKING:
    from azure.storage.blob.aio import ContainerClient

_LOG = logging.getLogger(__name__)
KEPT_BESIDE_WITHIN = 10.0
"""Seconds for a file that nothing waits for."""


class EvidenceStore(Protocol):
    """Files by name, such as "drill-payroll-1/records/000001-request.json"."""

    async def put_new(self, name: str, content: bytes) -> bytes:
        """Keep a file unless there is one of this name: what is kept now.

        Raises:
            Transient: the store did not answer; the file may be there all the same.
        """

    async def read_file(self, name: str) -> bytes | None:
        """A file, None when there is none."""

    async def list_names(self, prefix: str) -> list[str]:
        """Names that begin so, sorted."""


class EvidenceFolder:
    """Packs in a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put_new(self, name: str, content: bytes) -> bytes:
        """Write a file in one go: a process that is killed leaves no half of it."""
        return await asyncio.to_thread(self._write_file, name, content)

    def _write_file(self, name: str, content: bytes) -> bytes:
        path = self._root / name
        draft = path.with_name(f".{path.name}.{os.getpid()}.{id(content)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                draft.write_bytes(content)
                return content if _publish_draft(draft, path) else path.read_bytes()
            finally:
                draft.unlink(missing_ok=True)
        except OSError as error:
            raise Transient(f"the evidence cannot be written: {error.strerror}") from error

    async def read_file(self, name: str) -> bytes | None:
        """Read a file."""
        path = self._root / name
        return await asyncio.to_thread(path.read_bytes) if path.is_file() else None

    async def list_names(self, prefix: str) -> list[str]:
        """List the files; a prefix ends with a slash."""
        return await asyncio.to_thread(self._list_files, prefix)

    def _list_files(self, prefix: str) -> list[str]:
        found = (path for path in (self._root / prefix).rglob("*") if path.is_file() and path.name[0] != ".")
        return sorted(path.relative_to(self._root).as_posix() for path in found)


def _publish_draft(draft: Path, path: Path) -> bool:
    """Give a draft its name; False where that is taken already."""
    try:
        os.link(draft, path)  # fails where the file is there, unlike a rename
    except FileExistsError:
        return False
    return True


class EvidenceContainer:
    """Packs in a container of blob storage, where the app's identity may write blobs."""

    def __init__(self, client: "ContainerClient") -> None:
        self._client = client

    async def put_new(self, name: str, content: bytes) -> bytes:
        """Upload a blob, if none of this name is there."""
        from azure.core.exceptions import ResourceExistsError  # noqa: PLC0415 - only when used

        with translate_errors():
            try:
                await self._client.upload_blob(name, content, overwrite=False)
            except ResourceExistsError:
                return await (await self._client.download_blob(name)).readall()
        return content

    async def read_file(self, name: str) -> bytes | None:
        """Download a blob."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - only when used

        with translate_errors():
            try:
                return await (await self._client.download_blob(name)).readall()
            except ResourceNotFoundError:
                return None

    async def list_names(self, prefix: str) -> list[str]:
        """List blobs."""
        with translate_errors():
            return sorted([str(name) async for name in self._client.list_blob_names(name_starts_with=prefix)])


class KeptBeside(NamedTuple):
    """What stands under a name that something was to be kept under.

    Attributes:
        content: What is kept there now; None where that is not known, and where there is no store.
        unkept: Why it could not be kept; empty when it is, and when there is no store.
    """

    content: bytes | None = None
    unkept: str = ""


async def keep_beside(name: str, content: bytes, within: float | None = None) -> KeptBeside:
    """Keep a file beside something that has to go on whether it can be kept or not.

    Args:
        within: How many seconds it may take; by default what nothing waits for.
    """
    store, seconds = open_evidence_store(), KEPT_BESIDE_WITHIN if within is None else within
    if store is None:
        return KeptBeside()
    try:
        async with asyncio.timeout(seconds):
            return KeptBeside(await store.put_new(name, content))
    except (SiteRecoveryError, TimeoutError) as failure:
        reason = f"{failure}" or f"the store said nothing for {seconds:.0f} s"
        _LOG.warning("evidence-not-kept: %s: %s", name, reason)
        return KeptBeside(unkept=reason)


def open_evidence_store() -> EvidenceStore | None:
    """The store of evidence that the settings name, None when they name none."""
    place = AzureSettings.from_environment(os.environ).evidence_store
    if place is None:
        return None
    return (
        EvidenceFolder(Path(place.removeprefix("folder:")))
        if place.startswith("folder:")
        else EvidenceContainer(azure().blob_container(place))
    )
