"""Management locks: read, taken off for a while, and put back exactly as they were."""

from shared.activity import Nothing
from shared.azure import arm
from shared.azure.api_versions import LOCKS_API
from shared.azure.json_fields import Json, object_at, text_of
from shared.errors import Refused
from shared.healing.contract import LocksRead, ReadLocks, RemoveLocks, RestoreLocks
from shared.operations.obligations import Lock
from shared.request_ids import client_request_id


async def read_locks(request: ReadLocks) -> LocksRead:
    """Read the locks of a machine.

    Source: managementLocks list at resource level, which shows those of the levels above as well.
    """
    found = await arm.list_all(f"{request.machine_id}/providers/Microsoft.Authorization/locks", LOCKS_API)
    return LocksRead(locks=tuple(_lock_of(lock) for lock in found))


def _lock_of(lock: Json) -> Lock:
    properties = object_at(lock, "properties")
    owners = tuple(text_of(owner.get("applicationId")) for owner in properties.get("owners") or ())
    level = text_of(properties.get("level"))
    return Lock(id=lock["id"], level=level, notes=properties.get("notes"), owners=owners)


async def remove_locks(request: RemoveLocks) -> Nothing:
    """Take each lock off that is there."""
    for lock in request.locks:
        if await arm.find_resource(lock.id, LOCKS_API) is not None:
            await arm.delete_resource(lock.id, LOCKS_API, client_request_id(request.operation, lock.id, "unlock", 1))
    return Nothing()


async def restore_locks(request: RestoreLocks) -> Nothing:
    """Put each lock back that is not there.

    Raises:
        Refused: one is there, and is not as it was: somebody changed it meanwhile, which is theirs to judge.
    """
    for lock in request.locks:
        found = await arm.find_resource(lock.id, LOCKS_API)
        if found is None:
            properties: dict[str, object] = {"level": lock.level}
            properties |= {} if lock.notes is None else {"notes": lock.notes}
            properties |= {"owners": [{"applicationId": owner} for owner in lock.owners]} if lock.owners else {}
            request_id = client_request_id(request.operation, lock.id, "lock", 1)
            await arm.put_resource(lock.id, LOCKS_API, {"properties": properties}, request_id)
        elif _lock_of(found).level != lock.level:
            raise Refused("lock-changed", f"{lock.id} is {_lock_of(found).level} now and was {lock.level}")
    return Nothing()
