"""The contract's part for onboarding: what prepares a site, and what starts and follows the replication of its VMs."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from shared.activity import Activity
from shared.messages import Message, VaultRef
from shared.onboarding.preflight.facts import AzureFacts
from shared.sites.site import SiteDocument

ResourceKind = Literal["group", "storage", "vault", "cluster", "network"]
EnsureOutcome = Literal["absent", "created", "started", "kept", "differs"]


class EnsureResource(Message):
    """See to it that a resource is there; one that is there is compared and never changed.

    Attributes:
        body: What to ask for when it is missing; None only to look.
        expect: What it should say, by the dotted path of the field ("properties.addressSpace"), compared as text
            without regard to case; {} to take it as it is.
        show: What to answer of it, by the same paths.
    """

    operation: str
    resource_id: str
    kind: ResourceKind
    body: dict[str, Any] | None = None
    expect: dict[str, str] = Field(default_factory=dict)
    show: tuple[str, ...] = ()


class EnsureAnswer(Message):
    """How it was found.

    Attributes:
        differences: Each as a sentence: "location is northeurope, not westeurope".
        facts: The values of the fields that were to be shown, by path; empty where it has none.
        state: Its provisioningState, empty when it has none.
        job: The job that makes it, when "started".
    """

    outcome: EnsureOutcome
    differences: tuple[str, ...] = ()
    facts: dict[str, str] = Field(default_factory=dict)
    state: str = ""
    job: str = ""


class EnsureRole(Message):
    """See to it that a principal has a role on a scope, or above it.

    Attributes:
        role: GUID of the built-in role.
        sufficient: Other roles that do as well.
    """

    operation: str
    scope: str
    role: str
    principal: str
    sufficient: tuple[str, ...] = ()


class EnsureInVault(Message):
    """See to it that a vault has a Hyper-V site, a policy or their association; "started" names the job that makes it.

    Attributes:
        name: Of the site or the policy; of the association: any, should it have to be made.
        settings: For a policy: as the API's input names them. Compared only as far as `compare` says.
        site: For an association: the Hyper-V site.
        policy: For an association: the policy's name.
        create: Whether to ask for one that is missing.
        since: No job of this run is older.
    """

    vault: VaultRef
    operation: str
    kind: Literal["site", "policy", "association"]
    name: str
    settings: dict[str, int] = Field(default_factory=dict)
    compare: bool = True
    site: str = ""
    policy: str = ""
    create: bool = True
    attempt: int = 1
    since: datetime


class ReadRegistrations(Message):
    """Read the jobs by which hosts registered with a vault since then."""

    vault: VaultRef
    since: datetime


class Registration(Message):
    """One such job; `outcome` is empty while it runs."""

    host: str
    outcome: str = ""
    detail: str = ""
    at: datetime | None = None


class RegistrationsRead(Message):
    """The newest job of each host."""

    registrations: tuple[Registration, ...]


ENSURE_RESOURCE = Activity("ensure_resource", EnsureResource, EnsureAnswer)
ENSURE_ROLE = Activity("ensure_role", EnsureRole, EnsureAnswer)
ENSURE_IN_VAULT = Activity("ensure_in_vault", EnsureInVault, EnsureAnswer)
READ_REGISTRATIONS = Activity("read_registrations", ReadRegistrations, RegistrationsRead)


class ReadSite(Message):
    """Read all that Azure shows of a site; what is not there yet is absent, what may not be read is named."""

    site: SiteDocument


READ_SITE = Activity("read_site_facts", ReadSite, AzureFacts)
