"""What the documents that people declare have in common: ARM ids, names, digests, and faults that name their field."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Annotated, Any, NamedTuple, Never
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from shared.grouping import find_repetitions
from shared.network_addresses import LOOPBACK, find_host_flaw
from shared.problem_details import error_lines, plain_detail
from shared.secret_formats import has_secret_format

_SEGMENT = r"[\w(][\w.()\-]*"  # never empty, never "..", nothing that means something in a URL
_GROUP = rf"/subscriptions/{_SEGMENT}/resourceGroups/{_SEGMENT}"
_SHAPE = "/subscriptions/{id}/resourceGroups/{name}"
type FieldPath = tuple[str | int, ...]
"""Where in a document, as pydantic writes it: ("items", 2, "after", 0)."""


_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")


def _require_text_of_time(value: object) -> object:
    """A number would be read as seconds since 1970, which nobody means."""
    if not isinstance(value, str) or not _ISO_TIME.match(value):
        raise ValueError("must be a time with its zone, as 2026-01-31T18:00:00Z")
    return value


def _require_text_of_duration(value: object) -> object:
    """A number would be read as seconds, and `true` as one of them, which nobody means."""
    if not isinstance(value, str | timedelta):
        raise ValueError("must be an ISO 8601 duration such as PT2H")  # noqa: TRY004 - pydantic takes no TypeError
    return value


TEXT_OF_DURATION = BeforeValidator(_require_text_of_duration)
"""Comes after the limits of a duration, so that an error names them as people write them."""
Duration = Annotated[timedelta, TEXT_OF_DURATION]
"""How long something takes. In JSON: ISO 8601, "PT2H"."""
Whole = Annotated[int, Field(strict=True)]
"""A whole number; neither a text nor true or false."""
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A number that JSON has."""
type TimeWithZone = Annotated[AwareDatetime, BeforeValidator(_require_text_of_time)]
"""A moment as people send it."""


class Fault(NamedTuple):
    """One thing that is wrong with a document."""

    path: FieldPath
    code: str
    detail: str


def raise_faults(title: str, faults: Iterable[Fault], given: Any) -> Never:
    """Refuse a document for all its faults at once, each at its own place.

    Raises:
        ValidationError: always.
    """
    lines = [
        InitErrorDetails(
            type=PydanticCustomError(fault.code, "{detail}", {"detail": fault.detail}), loc=fault.path, input=given
        )
        for fault in faults
    ]
    raise ValidationError.from_exception_data(title, lines)


def faults_of(error: ValidationError) -> list[Fault]:
    """The same errors as faults, to be reported together with others."""
    return [Fault(line["loc"], line["type"], plain_detail(line)) for line in error_lines(error)]


class _ArmId(NamedTuple):
    """Checks that a string is the ARM id of one sort of resource; an empty resource type means a resource group.

    `child` is the type below the resource that is meant, if one is.
    """

    resource_name: str
    resource_type: str = ""
    optional: bool = False
    child: str = ""

    def __call__(self, given: str) -> str:
        """The id without a slash at its end, in the casing it was given in."""
        if self.optional and not given:
            return given
        wanted, shape = _GROUP, _SHAPE
        if self.resource_type:
            wanted += rf"/providers/{re.escape(self.resource_type)}/{_SEGMENT}"
            shape += f"/providers/{self.resource_type}/{{name}}"
        if self.child:
            wanted += rf"/{self.child}/{_SEGMENT}"
            shape += f"/{self.child}/{{name}}"
        trimmed = given.rstrip("/")
        if not re.fullmatch(wanted, trimmed, re.IGNORECASE):
            raise ValueError(f"must be the ARM id of {self.resource_name}: {shape}")
        return trimmed


ClusterId = Annotated[str, AfterValidator(_ArmId("an Azure Stack HCI cluster", "Microsoft.AzureStackHCI/clusters"))]
VaultId = Annotated[str, AfterValidator(_ArmId("a Recovery Services vault", "Microsoft.RecoveryServices/vaults"))]
GroupId = Annotated[str, AfterValidator(_ArmId("a resource group"))]
_NETWORK = _ArmId("a virtual network", "Microsoft.Network/virtualNetworks")
NetworkId = Annotated[str, AfterValidator(_NETWORK)]
NetworkIdOrNone = Annotated[str, AfterValidator(_NETWORK._replace(optional=True))]
"""A virtual network, or empty."""
_ACCOUNT = _ArmId("a storage account", "Microsoft.Storage/storageAccounts", optional=True)
StorageIdOrNone = Annotated[str, AfterValidator(_ACCOUNT)]
"""A storage account, or empty."""
_MACHINE = _ArmId("an Arc machine", "Microsoft.HybridCompute/machines", optional=True)
MachineIdOrNone = Annotated[str, AfterValidator(_MACHINE)]
"""An Arc machine, or empty."""
_RUNBOOK = _ArmId("an Automation runbook", "Microsoft.Automation/automationAccounts", optional=True, child="runbooks")
RunbookIdOrNone = Annotated[str, AfterValidator(_RUNBOOK)]
"""A runbook of an Automation account, or empty."""
CHECKED: dict[str, bool] = {"checked": True}
"""Validation context of a plan that was accepted before: a run reads its own again in each of its replays."""


def hook_url_flaw(url: str) -> str:
    """Why an address cannot be asked over HTTP, empty when it can."""
    try:
        address = urlsplit(url)
        is_port = address.port is None or address.port > 0
    except ValueError:  # of brackets that do not close, or of a port that is none
        return "must be an absolute https URL"
    if address.scheme not in {"https", "http"} or not address.hostname or not is_port:
        return "must be an absolute https URL"
    if address.scheme == "http" and address.hostname not in LOOPBACK:
        return "must be https: http is allowed for this machine only"
    if address.query or address.fragment or address.username or address.password:
        return "must be a URL without query, fragment and user: a plan holds no secrets"
    if has_secret_format(url):
        return "must be a URL without a key in its path: a plan holds no secrets"
    flaw = find_host_flaw(url, is_own_allowed=True)  # the app's own machine is judged where it is known whose it is
    return f"must lead to a service of yours: {flaw}" if flaw else ""


def _check_hook_url(url: str) -> str:
    if url and (flaw := hook_url_flaw(url)):
        raise ValueError(flaw)
    return url


HookUrlOrNone = Annotated[str, AfterValidator(_check_hook_url)]
"""A URL that this product calls, or empty."""
NAME_PATTERN = r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?"
Name = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]
VmName = Annotated[str, Field(max_length=100, pattern=r"^[^\s/\\\x00-\x1f]([^/\\\x00-\x1f]*[^\s/\\\x00-\x1f])?$")]
"""A VM on premises: Hyper-V and the vault take nearly every name that may be part of a path; Azure gets its own."""
"""Of a site or a plan, as it stands in a URL and in the ids of runs."""


def is_name(text: str) -> bool:
    """Whether a site or a plan can be called so."""
    return re.fullmatch(NAME_PATTERN, text) is not None


Span = Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=30)), TEXT_OF_DURATION]
"""How long something may take. In JSON: ISO 8601, "PT2H"."""
LongSpan = Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=366)), TEXT_OF_DURATION]
"""How long something counts: a year at most."""


def repeated_names(names: Sequence[str]) -> Iterator[tuple[int, str, int]]:
    """Of each name that was there before, in any casing: its index, itself, and the index of the first."""
    for index, _, first in find_repetitions(enumerate(map(str.casefold, names))):
        yield index, names[index], first


def digest_of(document: BaseModel) -> str:
    """SHA-256 of what the document says, in hex: equal however it was spelt.

    What a document leaves at its default does not count, so that a field that is added later changes no old digest.
    """
    content = document.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
