"""Which release a run was begun with: it keeps that version in all its generations, whatever is deployed meanwhile.

A runbook that asks for something else than before has to go on as it was for runs that were begun before that:
`if began_before(ctx, "0.2.0"): ...`. The branch stays until no run of an earlier release can go on.
"""

from orchestrators.durable.steps import Context


def release_of(ctx: Context) -> str:
    """The release that the run was begun with; empty of a run from before there were versions."""
    return str(ctx.version or "")


def began_before(ctx: Context, release: str) -> bool:
    """Whether the run was begun with an earlier release than this one, or before there were versions."""
    return _numbers_of(release_of(ctx) or "0") < _numbers_of(release)


def _numbers_of(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
