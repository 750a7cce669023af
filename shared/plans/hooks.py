"""Hooks: what a plan has done besides, before and after a verb, by others than Site Recovery."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, ValidationInfo, model_validator
from pydantic.functional_validators import ModelWrapValidatorHandler

from shared.documents import (
    CHECKED,
    Fault,
    FieldPath,
    HookUrlOrNone,
    MachineIdOrNone,
    RunbookIdOrNone,
    Span,
    faults_of,
    raise_faults,
)
from shared.messages import Document, Message
from shared.plans.hook_authentication import HookAuthentication
from shared.redaction import has_clear_secret
from shared.secret_names import is_secret_name
from shared.secret_references import HOW, is_reference, parse_reference
from shared.site_recovery.views import Verb

HookKind = Literal["http", "run-command", "runbook", "manual"]
HOOK_OCCASIONS: Mapping[Verb, str] = {
    "TestFailover": "drill",
    "PlannedFailover": "failover",
    "UnplannedFailover": "failover",
    "Failback": "failback",
}
"""Verbs that have hooks, and what these belong to."""
HOOK_MOMENTS = ("before", "after", "after-cleanup")
LONGEST_RUN_COMMAND = timedelta(minutes=90)
"""Source: the restrictions of VM Run Command, which hold for Arc as well."""
NEEDED_FIELDS: Mapping[str, str] = {
    "http": "url",
    "run-command": "machine script",
    "runbook": "runbook",
    "manual": "instructions",
}
OPTIONAL_FIELDS: Mapping[str, str] = {
    "http": "authentication messageMember keepOutput",
    "run-command": "parameters messageMember keepOutput",
    "runbook": "parameters runOn messageMember keepOutput",
}
KIND_FIELDS = (
    "url",
    "machine",
    "script",
    "parameters",
    "runbook",
    "runOn",
    "instructions",
    "authentication",
    "messageMember",
    "keepOutput",
)
"""Fields that belong to some kinds of hook only, as they stand in JSON."""
ScriptParameters = dict[
    Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w{0,63}$")], Annotated[str, Field(max_length=2000)]
]


MemberName = Annotated[str, StringConstraints(pattern=r"^[\w.-]{0,64}$")]
"""Name of a member of a JSON object, or empty."""


class Hook(Document):
    """Something that is done at a moment of a run, by others than Site Recovery.

    Attributes:
        url: Of kind http: asked by POST; 2xx means well. Without a query: nothing signed or secret belongs into a plan.
        machine: Of kind run-command: ARM id of the Arc machine that the script runs on, as its system account.
        script: PowerShell, or a shell script where the machine runs Linux, sent as it is; exit code 0 means well.
        parameters: Of the script or the runbook, by name. They are kept in clear: of a secret its reference.
        runbook: Of kind runbook: ARM id of a published runbook; a job that is Completed means well.
        run_on: Group of hybrid workers that runs it; empty for Azure itself.
        instructions: Of kind manual: what a person is to do, who then says `resume`.
        authentication: Of kind http: how the call shows that it comes from this app; None for not at all.
        message_member: Name of the member of its answer in JSON, or of the JSON on the last line of its output, that
            everybody may read; nothing else of it is shown.
        keep_output: Whether the end of its output is kept in the evidence, without what looks like a secret.
        deadline: How long it may take until it succeeds.
        required: Whether the run fails when the hook does; before its first verb, whether it begins at all.

    Raises:
        ValidationError: with everything that is wrong at once, each with its field.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[\w -]{1,60}$")]
    kind: HookKind = "http"
    url: HookUrlOrNone = ""
    machine: MachineIdOrNone = ""
    script: Annotated[str, StringConstraints(max_length=32_000)] = ""
    parameters: ScriptParameters = Field(default_factory=dict)
    runbook: RunbookIdOrNone = ""
    run_on: Annotated[str, StringConstraints(max_length=128)] = ""
    instructions: Annotated[str, StringConstraints(max_length=2000)] = ""
    authentication: HookAuthentication | None = None
    message_member: MemberName = ""
    keep_output: bool = False
    deadline: Span = timedelta(minutes=10)
    required: bool = True

    @model_validator(mode="wrap")
    @classmethod
    def _check_all_at_once(cls, given: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        if info.context is CHECKED or not isinstance(given, Mapping):
            return handler(given)
        wrong: list[Fault] = []
        hook: Self | None = None
        try:
            hook = handler(given)
        except ValidationError as error:
            wrong = faults_of(error)
        wrong += _kind_faults({_ALIASES.get(str(key), str(key)): value for key, value in given.items()})
        if hook and hook.kind == "run-command" and hook.deadline > LONGEST_RUN_COMMAND:
            detail = "a run command takes 90 minutes at most: a runbook may take longer"
            wrong.append(Fault(("deadline",), "deadline_too_long", detail))
        if wrong or hook is None:
            raise_faults(cls.__name__, wrong, given)
        return hook

    @property
    def target(self) -> str:
        """Whom it concerns: an address or an ARM id; empty for a manual step."""
        return self.url or self.machine or self.runbook


_ALIASES = {"run_on": "runOn", "message_member": "messageMember", "keep_output": "keepOutput"}


def _kind_faults(given: Mapping[str, Any]) -> Iterator[Fault]:
    """What the kind of a hook needs and lacks, and what it has of another kind."""
    kind = given.get("kind", "http")
    if not isinstance(kind, str) or kind not in NEEDED_FIELDS:  # a fault of its own
        return
    needed, allowed = NEEDED_FIELDS[kind].split(), OPTIONAL_FIELDS.get(kind, "").split()
    for name in KIND_FIELDS:
        has = given.get(name) not in (None, "", {}, False) and str(given[name]).strip()
        if name in needed and not has:
            yield Fault((name,), f"{name}_missing", f"a hook of kind {kind} needs {name}")
        elif has and name not in (*needed, *allowed):
            yield Fault((name,), f"{name}_unfit", f"a hook of kind {kind} has no {name}")
    yield from _secret_faults(given.get("parameters"))
    for field in ("script", "instructions"):
        yield from secret_text_faults(field, given.get(field))


def _secret_faults(parameters: Any) -> Iterator[Fault]:
    for name, value in parameters.items() if isinstance(parameters, Mapping) else ():
        if not isinstance(value, str):  # a fault of its own
            continue
        if is_reference(value):
            yield from _reference_faults(("parameters", str(name)), value)
        elif is_secret_name(str(name)) or has_clear_secret(value):
            detail = f"by its name or its value a secret, and a plan is kept in clear: {HOW}"
            yield Fault(("parameters", str(name)), "parameter_secret", detail)


def _reference_faults(path: FieldPath, value: str) -> Iterator[Fault]:
    try:
        parse_reference(value)
    except ValueError as wrong:
        yield Fault(path, "secret_reference_unfit", str(wrong))


def secret_text_faults(field: str, text: Any) -> Iterator[Fault]:
    """Where a script has a secret in it."""
    if isinstance(text, str) and has_clear_secret(text, is_script=True):
        detail = f"has a secret in it, and a plan is kept in clear: give it to a hook's script as a parameter, {HOW}"
        yield Fault((field,), f"{field}_secret", detail)


HookSequence = Annotated[tuple[Hook, ...], Field(max_length=20)]
"""Hooks in the order in which they are done, one after the other."""


class DrillHooks(Document):
    """Before the first test failover, after the rehearsal, and once everything is cleaned up."""

    before: HookSequence = ()
    after: HookSequence = ()
    after_cleanup: HookSequence = ()


class VerbHooks(Document):
    """Before the first verb of a run, and once all its machines are up, before they are committed."""

    before: HookSequence = ()
    after: HookSequence = ()


class PlanHooks(Document):
    """The hooks of each verb that can have some."""

    failover: VerbHooks = VerbHooks()
    failback: VerbHooks = VerbHooks()


class HookResult(Message):
    """What became of a hook.

    Attributes:
        occasion: What it belongs to: drill, failover or failback.
        moment: "before", "after" or "after-cleanup"; "recovery-plan" where Site Recovery did it.
        state: "skipped": it was not its turn any more, because one before it failed or because a person ended the run.
        detail: What it answered, without secrets; of what went wrong, why.
    """

    name: str
    kind: HookKind
    occasion: str
    moment: str
    required: bool
    state: Literal["passed", "failed", "skipped"]
    detail: str = ""
    began: datetime | None = None
    ended: datetime | None = None
