"""A plan: an application's virtual machines, who comes after whom, how they are rehearsed and brought over."""

from collections.abc import Collection
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, ValidationInfo, model_validator
from pydantic.functional_validators import ModelWrapValidatorHandler

from shared.documents import (
    CHECKED,
    Duration,
    Fault,
    LongSpan,
    Name,
    NetworkId,
    Span,
    VmName,
    Whole,
    digest_of,
    faults_of,
    hook_url_flaw,
    raise_faults,
)
from shared.graph import bridged_edges
from shared.messages import Document
from shared.plans.approvals import Approvals
from shared.plans.hook_authentication import HookAuthentication
from shared.plans.hooks import DrillHooks, Hook, MemberName, PlanHooks, secret_text_faults
from shared.plans.plan_faults import find_plan_faults
from shared.plans.schedules import Blackout, check_schedule, check_time_zone
from shared.replication.settings import Address, VmSettings
from shared.site_recovery.verb_options import DataSync
from shared.sites.site import AzureName


class Probe(Document):
    """How to see from outside that a machine does its work.

    Attributes:
        port: For "tcp" and "http": the port that must accept a connection, or that serves `path`.
        path: For "http": the path that must answer with a status below 400.
        script: For "run-command": what is run inside the Azure VM, as its system account; it passes with exit code 0.
        url: For "callback": who is asked with {operation, vm, azureVm, address}, and answers {passed, detail}.
        authentication: For "callback": how the call shows that it comes from this app; None for not at all.
        message_member: Name of the member of its JSON (of a callback's answer, of the last line of a script's output)
            that everybody may read when it does not pass; nothing else of it is shown.
        keep_output: Whether the end of what it answers when it does not pass is kept in the evidence.
        deadline: How long after its start the machine may take to pass.
    """

    kind: Literal["tcp", "http", "run-command", "callback"] = "tcp"
    port: Whole = 0
    script: Annotated[str, StringConstraints(max_length=32_000)] = ""
    url: str = ""
    path: str = "/"
    authentication: HookAuthentication | None = None
    message_member: MemberName = ""
    keep_output: bool = False
    deadline: Duration = timedelta(minutes=10)


def check_probe(probe: Probe) -> Probe:
    """The probe, when it has what its kind needs.

    Raises:
        ValidationError: with everything that is wrong.
    """
    wrong = []
    if probe.kind in {"tcp", "http"} and not 1 <= probe.port <= 65535:
        wrong.append(Fault(("port",), "port_out_of_range", "must be a number from 1 to 65535"))
    if not probe.path.startswith("/"):
        wrong.append(Fault(("path",), "path_not_absolute", "must begin with /"))
    if probe.kind == "run-command" and not probe.script.strip():
        wrong.append(Fault(("script",), "script_missing", "a probe of kind run-command needs a script"))
    if probe.kind == "callback" and (flaw := hook_url_flaw(probe.url)):
        wrong.append(Fault(("url",), "url_unfit", flaw))
    if probe.kind in {"tcp", "http"} and (probe.message_member or probe.keep_output):
        field = "messageMember" if probe.message_member else "keepOutput"
        wrong.append(Fault((field,), "answer_unread", f"of a probe of kind {probe.kind} no answer is read"))
    if probe.kind != "callback" and probe.authentication:
        wrong.append(Fault(("authentication",), "authentication_unfit", f"a probe of kind {probe.kind} calls nobody"))
    wrong += secret_text_faults("script", probe.script)
    if probe.deadline <= timedelta(0):
        wrong.append(Fault(("deadline",), "deadline_not_positive", "must be longer than zero"))
    if wrong:
        raise_faults("Probe", wrong, probe)
    return probe


MOST_PROBES = 20
"""Of one VM."""
TARGET_FIELDS = ("network", "subnet", "address", "size")


class PlanItem(Document):
    """One virtual machine of a plan.

    Attributes:
        vm: Name of the protected item in the vault.
        after: Names of the machines of this plan that must be up before it.
        site: Where it is protected, when that is not the plan's own site.
        network, subnet, address, size: What a failover makes of it in Azure; set before the failover where its
            protected item says otherwise. None leaves it as it is.
    """

    vm: VmName
    after: tuple[str, ...] = ()
    probes: Annotated[tuple[Annotated[Probe, AfterValidator(check_probe)], ...], Field(max_length=MOST_PROBES)] = ()
    site: Name | None = None
    network: NetworkId | None = None
    subnet: AzureName | None = None
    address: Address | None = None
    size: Annotated[str, StringConstraints(pattern=r"^\w+$")] | None = None

    @property
    def target_settings(self) -> VmSettings | None:
        """What its protected item has to say before a failover; None when it does not matter."""
        values = {name: value for name in TARGET_FIELDS if (value := getattr(self, name)) is not None}
        return VmSettings.model_validate(values) if values else None


class DrillSettings(Document):
    """How the plan is rehearsed.

    Attributes:
        network: ARM id of an isolated network; never the production one.
        schedule: Six NCRONTAB fields (second minute hour day month weekday), read in `time_zone`; None: only on demand.
        time_to_live: When a drill's machines are cleaned up at the latest, whatever became of its run.
        start_deadline: How late a drill that is due may still begin; after that it counts as missed, and overdue.
        blackouts: When no drill is started by itself.
        follows: Name of another plan: a drill begins when a drill of that one has succeeded.
        shared_network: Whether the network may hold other machines.
        soak: How long the machines stay up, once they are, before they are probed once more and cleaned up.
        hooks: What is done before, after, and after the cleanup.
        valid_for: How long a drill of this very plan counts as proof that it works: without one that counts a failover
            needs an override. None: that is only a warning.
    """

    network: NetworkId
    schedule: Annotated[str, AfterValidator(check_schedule)] | None = None
    time_zone: Annotated[str, AfterValidator(check_time_zone)] = "UTC"
    time_to_live: Span = timedelta(hours=4)
    start_deadline: Span = timedelta(hours=12)
    blackouts: tuple[Blackout, ...] = ()
    follows: Name | None = None
    shared_network: bool = False
    soak: Span | None = None
    hooks: DrillHooks = DrillHooks()
    valid_for: LongSpan | None = None


class Targets(Document):
    """What the application's owner was promised.

    Attributes:
        rto: From the request to the last machine that passes its probes.
        rpo: How much of the newest data may be lost.
    """

    rto: Span | None = None
    rpo: Span | None = None


def check_not_empty(items: tuple[PlanItem, ...]) -> tuple[PlanItem, ...]:
    """The items, when there are any.

    Raises:
        ValueError: there are none.
    """
    if not items:  # min_length would also complain when the only item has a fault
        raise ValueError("a plan needs at least one item")
    return items


class RecoveryPlanSettings(Document):
    """The recovery plans of Site Recovery that mirror this plan, for the portal's people.

    Attributes:
        mirroring: "off" leaves them to requests; "report" reports when they are not as this plan says; "repair" also
            puts them right, unless somebody else's work would be lost.
        name: How they are called, when that is not the plan's own name; several get numbers.
    """

    mirroring: Literal["off", "report", "repair"] = "off"
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,46}[A-Za-z0-9]$")] | None = None


class FailbackSettings(Document):
    """How the plan's machines come home, unless the request says otherwise.

    Attributes:
        data_sync: "full-download" shuts the machine in Azure down at once and brings all of its disks back;
            "minimise-downtime" brings the changes back while it runs, and then waits for a person, or a time, to go on.
        create_vm: Whether a machine that is gone on premises is made again.
        leftovers: What becomes of cards and disks that the commit of the failback leaves in Azure: "remove" removes
            those that the failover made; "list" only names them.
    """

    data_sync: DataSync = "full-download"
    create_vm: bool = False
    leftovers: Literal["list", "remove"] = "list"


class PlanDocument(Document):
    """An application and its order; a graph, not waves: a machine starts when those it comes after are up.

    Attributes:
        site: Site of the items that name none; it may be left out where each names its own.
        commit: "automatic" makes a failover final as soon as all of it went well.
        commit_after: For an automatic commit of a failover: how long all is up before it is probed once more, and
            made final if it passes.
        on_failure: "continue" goes on with what does not depend on the machine that failed; "ask" does so too, and
            then waits for a person to say retry, skip or abort.
        failback_order: "reverse" brings home first what nothing depends on.
        failback: How the machines come home.
        patience: How long each ASR job may take.
        max_starts: Verbs sent at the same time.
        recovery_plan: How it is mirrored in Site Recovery.
        hooks: What is done before and after a failover and a failback; a drill has its own.
        evidence: "required": no verb begins while the evidence store takes nothing; "wanted": it begins all the same.
        engine: "scheduler" sends each VM its verb as soon as it may start; "site-recovery" runs the recovery plans that
            mirror this plan, which have to be in step.

    Raises:
        ValidationError: with everything that is wrong at once, circles shown as "sql-01 -> app-01 -> sql-01".
    """

    site: Name | None = None
    items: Annotated[tuple[PlanItem, ...], Field(max_length=5000), AfterValidator(check_not_empty)]
    drill: DrillSettings | None = None
    commit: Literal["manual", "automatic"] = "manual"
    commit_after: Span | None = None
    on_failure: Literal["stop", "continue", "ask"] = "stop"
    failback_order: Literal["reverse", "same"] = "reverse"
    failback: FailbackSettings = FailbackSettings()
    targets: Targets | None = None
    approvals: Approvals | None = None
    patience: Span = timedelta(hours=2)
    max_starts: Annotated[Whole, Field(ge=1, le=50)] = 50
    recovery_plan: RecoveryPlanSettings = RecoveryPlanSettings()
    hooks: PlanHooks = PlanHooks()
    evidence: Literal["required", "wanted"] = "wanted"
    engine: Literal["scheduler", "site-recovery"] = "scheduler"

    @model_validator(mode="wrap")
    @classmethod
    def _check_all_at_once(cls, given: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        """Check the order even when a field is wrong: whoever corrects a plan wants to know all of it."""
        if info.context is CHECKED:
            return handler(given)
        wrong: list[Fault] = []
        plan: Self | None = None
        try:
            plan = handler(given)
        except ValidationError as error:
            wrong = faults_of(error)
        wrong += find_plan_faults(given)
        if wrong or plan is None:
            raise_faults(cls.__name__, wrong, given)
        spelt = {item.vm.casefold(): item.vm for item in plan.items}  # each name in `after` as the item spells it
        renamed = [tuple(spelt[name.casefold()] for name in item.after) for item in plan.items]
        if renamed == [item.after for item in plan.items]:
            return plan
        items = tuple(i.model_copy(update={"after": after}) for i, after in zip(plan.items, renamed, strict=True))
        return plan.model_copy(update={"items": items})

    @property
    def edges(self) -> dict[str, tuple[str, ...]]:
        """For each VM those that it comes after, in the order of the plan."""
        return {item.vm: item.after for item in self.items}

    @property
    def site_names(self) -> tuple[str, ...]:
        """Every site that the plan has machines at, each once."""
        return tuple(dict.fromkeys(self.site_name_of(item) for item in self.items))

    def site_name_of(self, item: PlanItem) -> str:
        """The site that a VM of the plan is protected at: its own, else the plan's; one of them is there."""
        return item.site or self.site or ""

    def with_vms(self, vms: Collection[str]) -> Self:
        """The part of the plan that has these VMs, in any casing; it goes VM by VM, as recovery plans have all of them.

        What is left out between two of them still keeps them in order.
        """
        chosen = {vm.casefold() for vm in vms}
        items = [item for item in self.items if item.vm.casefold() in chosen]
        if len(items) == len(self.items):
            return self
        after = bridged_edges(self.edges, {item.vm for item in items})
        kept = tuple(item.model_copy(update={"after": after[item.vm]}) for item in items)
        return self.model_copy(update={"items": kept, "engine": "scheduler"})

    def hooks_at(self, occasion: str, moment: str) -> tuple[Hook, ...]:
        """Hooks in their order: of a drill, failover or failback, and "before", "after" or "after-cleanup"."""
        of_drill = self.drill.hooks if self.drill else None
        verb_hooks = {"drill": of_drill, "failover": self.hooks.failover, "failback": self.hooks.failback}.get(occasion)
        hooks: tuple[Hook, ...] = getattr(verb_hooks, moment.replace("-", "_"), ())
        return hooks

    @property
    def digest(self) -> str:
        """Names this content."""
        return digest_of(self)
