"""The options of a verb on a plan, defined once: request, preview, run and call to Azure hold the same message.

A new option is one field here, with the kinds of operation that have it; and a line where the body of the call is made.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AwareDatetime, ConfigDict, SerializerFunctionWrapHandler, StringConstraints, model_serializer
from pydantic.alias_generators import to_camel
from pydantic.fields import Field

from shared.documents import Span
from shared.messages import Message
from shared.site_recovery.recovery_points import LATEST, PointChoice

DataSync = Literal["full-download", "minimise-downtime"]
AZURE_DATA_SYNC: Mapping[DataSync | None, str] = {
    None: "ForSynchronization",
    "full-download": "ForSynchronization",
    "minimise-downtime": "ForDownTime",
}
"""What Site Recovery calls them; without a choice a failback downloads everything."""
type PointRule = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


type NamedVm = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class OptionOf(NamedTuple):
    """Which operations have an option.

    Attributes:
        kinds: Those whose request may name it.
        from_plan: Those that only take it over from the plan.
    """

    kinds: tuple[str, ...]
    from_plan: tuple[str, ...] = ()


_ANY_VERB = OptionOf(("drill", "failover", "commit", "cancel", "change-point", "failback", "reprotect", "roundtrip"))
_FROM_A_POINT = OptionOf(("drill", "failover", "roundtrip", "change-point"))
_FAILOVER = OptionOf(("failover", "roundtrip"))
_FAILBACK = OptionOf(("failback",), from_plan=("roundtrip",))


class VerbOptions(Message):
    """How a verb is to be done; None for what its operation does not have, or where nobody chose.

    Attributes:
        vms: The VMs of the plan that it is about; None for all for which the verb makes sense.
        failover_type: "planned" shuts the source down first and loses nothing; "unplanned" is for a site that is lost.
        outage_at: For "unplanned": when the source was lost, to which the loss of data counts; None where nobody said.
        shut_down_source: For "unplanned": try to shut the source VMs down first; goes on when that fails.
        recovery_point: "latest", "latestProcessed", "latestAppConsistent", or for a plan of one VM the name or ARM id
            of a point; or each VM's own, the others taking the latest.
        max_age: Of the point, when the verb is sent: one that is older is refused for its VM.
        data_sync: A full download with the VM in Azure off, or its changes while it runs.
        resume_at: For "minimise-downtime": when it goes on by itself after the data synchronisation.
        create_vm: Make a VM again that is gone on premises.
        host: With create_vm: the node that it is made on, of the same cluster; None for the one that had it last.
        order: "reverse" brings home first what nothing depends on.
        return_at: When the VMs of a round trip come home by themselves; None when a person says so.
    """

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    vms: Annotated[Annotated[tuple[NamedVm, ...], Field(min_length=1, max_length=5000)] | None, _ANY_VERB] = None
    failover_type: Annotated[Literal["planned", "unplanned"] | None, _FAILOVER, Field(alias="type")] = None
    shut_down_source: Annotated[bool | None, _FAILOVER] = None
    outage_at: Annotated[AwareDatetime | None, _FAILOVER] = None
    recovery_point: Annotated[PointRule | dict[str, PointRule] | None, _FROM_A_POINT] = None
    max_age: Annotated[Span | None, _FROM_A_POINT] = None
    data_sync: Annotated[DataSync | None, _FAILBACK] = None
    resume_at: Annotated[AwareDatetime | None, _FAILBACK] = None
    create_vm: Annotated[bool | None, _FAILBACK] = None
    host: Annotated[Annotated[str, StringConstraints(max_length=100)] | None, _FAILBACK] = None
    order: Annotated[Literal["reverse", "same"] | None, _FAILBACK] = None
    return_at: Annotated[AwareDatetime | None, OptionOf(("roundtrip",))] = None

    @model_serializer(mode="wrap")
    def _leave_out_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}

    @property
    def is_unplanned(self) -> bool:
        """Whether the source site counts as lost."""
        return self.failover_type == "unplanned"

    @property
    def shuts_down_source(self) -> bool:
        """Whether the VMs on premises are to be shut down: a planned failover always does."""
        return not self.is_unplanned or self.shut_down_source is not False

    @property
    def point_choice(self) -> PointChoice:
        """The recovery points that it starts from."""
        if isinstance(self.recovery_point, dict):
            by_vm = {vm.lower(): rule for vm, rule in self.recovery_point.items()}
            return PointChoice(by_vm=by_vm, max_age=self.max_age)
        return PointChoice(rule=self.recovery_point or LATEST, max_age=self.max_age)

    def without_vms(self) -> "VerbOptions":
        """The options for a call that names each VM and its recovery point itself: a plan may have thousands of VMs."""
        by_vm = isinstance(self.recovery_point, dict)
        return self.model_copy(update={"vms": None} | ({"recovery_point": None} if by_vm else {}))


def option_names(kind: str) -> frozenset[str]:
    """The options that operations of a kind have, by their request or by the plan."""
    fields = ((name, option) for name, field in VerbOptions.model_fields.items() for option in field.metadata)
    options = ((name, option) for name, option in fields if isinstance(option, OptionOf))
    return frozenset(name for name, option in options if kind in {*option.kinds, *option.from_plan})
