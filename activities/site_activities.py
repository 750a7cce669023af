"""The activities of onboarding, each with the function that does it."""

from collections.abc import Awaitable, Callable
from typing import Any

from activities import preparing, protection
from activities import site_contract as contract
from activities.contract import Activity

SERVED: tuple[tuple[Activity[Any, Any], Callable[[Any], Awaitable[Any]]], ...] = (
    (contract.ENSURE_RESOURCE, preparing.ensure_resource),
    (contract.ENSURE_ROLE, preparing.ensure_role),
    (contract.ENSURE_IN_VAULT, preparing.ensure_in_vault),
    (contract.READ_REGISTRATIONS, preparing.read_registrations),
    (contract.READ_MACHINES, protection.read_machines),
    (contract.READ_COPIES, protection.read_copies),
    (contract.READ_POINTS, protection.read_points),
    (contract.START_PROTECTION, protection.start_protection),
)
