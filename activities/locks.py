"""Management locks: read, taken off for a while, and put back exactly as they were."""

from shared.activity import Nothing
from shared.azure import arm
from shared.azure.json_fields import Json, part, text
from shared.errors import Refused
from shared.healing.contract import LocksRead, ReadLocks, RemoveLocks, RestoreLocks
from shared.operations.obligations import Lock
from shared.request_ids import client_request_id

LOCKS_API = "2020-05-01"


async def read_locks(ask: ReadLocks) -> LocksRead:
    """Read the locks of a machine.

    Source: managementLocks list at resource level, which shows those of the levels above as well.
    """
    found = await arm.list_all(f"{ask.machine_id}/providers/Microsoft.Authorization/locks", LOCKS_API)
    return LocksRead(locks=tuple(_lock(lock) for lock in found))


def _lock(lock: Json) -> Lock:
    properties = part(lock, "properties")
    owners = (text(owner.get("applicationId")) for owner in properties.get("owners") or ())
    return Lock(id=lock["id"], level=text(properties.get("level")), notes=properties.get("notes"), owners=tuple(owners))


async def remove_locks(ask: RemoveLocks) -> Nothing:
    """Take each lock off that is there."""
    for lock in ask.locks:
        if await arm.find(lock.id, LOCKS_API) is not None:
            await arm.delete(lock.id, LOCKS_API, client_request_id(ask.operation, lock.id, "unlock", 1))
    return Nothing()


async def restore_locks(ask: RestoreLocks) -> Nothing:
    """Put each lock back that is not there.

    Raises:
        Refused: one is there, and is not as it was: somebody changed it meanwhile, which is theirs to judge.
    """
    for lock in ask.locks:
        found = await arm.find(lock.id, LOCKS_API)
        if found is None:
            await arm.put(lock.id, LOCKS_API, _body(lock), client_request_id(ask.operation, lock.id, "lock", 1))
        elif _lock(found).level != lock.level:
            raise Refused("lock-changed", f"{lock.id} is {_lock(found).level} now and was {lock.level}")
    return Nothing()


def _body(lock: Lock) -> Json:
    properties: dict[str, object] = {"level": lock.level}
    if lock.notes is not None:
        properties["notes"] = lock.notes
    if lock.owners:
        properties["owners"] = [{"applicationId": owner} for owner in lock.owners]
    return {"properties": properties}
