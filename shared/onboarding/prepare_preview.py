"""What a preparation would create and keep, by what Azure shows of the site now. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from shared.arm_ids import name_of
from shared.messages import Document
from shared.onboarding.drift import Drift, network_drift, policy_drift, storage_drift, vault_drift
from shared.onboarding.preflight.azure_rights import ENOUGH, ON_ACCOUNT
from shared.onboarding.preflight.facts import AzureFacts, AzurePart, VaultFacts
from shared.onboarding.preparation import TITLES, StepId
from shared.sites.defaults import cache_storage_of, replication_policy_of
from shared.sites.node_health import has_fresh_heartbeat, is_extension_well, providers_on
from shared.sites.site import SiteDocument

Outcome = Literal["create", "keep", "differs", "unknown", "skip"]
READ_FOR: Mapping[StepId, tuple[AzurePart, ...]] = {
    "storage": ("account",),
    "vault": ("vault",),
    "site": ("vault",),
    "policy": ("vault", "policy"),
    "roles": ("vault", "roles", "account"),
    "drill-network": ("network",),
    "extension": ("nodes",),
    "association": ("vault", "policy"),
    "registration": ("nodes", "vault", "providers"),
}
"""What has to be read to tell what a step would do."""
DIFFERENCES_OF: Mapping[StepId, tuple[Callable[[SiteDocument, AzureFacts], Iterator[Drift]], str]] = {
    "storage": (storage_drift, "cacheStorage"),
    "vault": (vault_drift, "region"),
    "policy": (policy_drift, "policy."),
    "drill-network": (network_drift, "drillNetwork"),
}
"""What finds the differences of a step's thing, and how the parts that are about it begin."""


class PrepareStepPreview(Document):
    """One thing to be there.

    Attributes:
        outcome: "differs" is left as it is and reported; "unknown" is what could not be read.
        names: What would be created; of a step that creates nothing, nothing.
    """

    id: StepId
    title: str
    outcome: Outcome
    names: tuple[str, ...] = ()
    detail: str = ""


def preview_preparation(
    site: SiteDocument, azure: AzureFacts, missing_groups: Sequence[str]
) -> tuple[PrepareStepPreview, ...]:
    """What each step of a preparation would do.

    Args:
        site: The site.
        azure: What Azure shows of it.
        missing_groups: Those of the site's resource groups that do not exist.
    """
    missing = {step: tuple(_missing_of(step, site, azure, missing_groups)) for step in TITLES}
    return tuple(_step_preview(step, site, azure, missing[step]) for step in TITLES)


def _step_preview(step: StepId, site: SiteDocument, azure: AzureFacts, missing: Sequence[str]) -> PrepareStepPreview:
    unread = {azure.unread[part] for part in READ_FOR.get(step, ()) if part in azure.unread}
    differences = [f"{one.part} is {one.found}, not {one.declared}" for one in _differences(step, site, azure)]
    outcome: Outcome = "keep"
    if step == "drill-network" and site.drill_network is None:
        outcome = "skip"
    elif unread:
        outcome = "unknown"
    elif missing:
        outcome = "create"
    elif differences:
        outcome = "differs"
    detail = "; ".join(sorted(unread) or (differences if outcome == "differs" else ()))
    names = tuple(missing) if outcome == "create" else ()
    return PrepareStepPreview(id=step, title=TITLES[step], outcome=outcome, names=names, detail=detail)


def _differences(step: StepId, site: SiteDocument, azure: AzureFacts) -> list[Drift]:
    if step not in DIFFERENCES_OF:
        return []
    find, part = DIFFERENCES_OF[step]
    return [one for one in find(site, azure) if one.part.startswith(part)]


def _missing_of(step: StepId, site: SiteDocument, azure: AzureFacts, groups: Sequence[str]) -> Iterator[str]:
    """What a step would create, by name."""
    drill = site.drill_network
    match step:
        case "groups":
            yield from map(name_of, groups)
        case "storage" if azure.account is None:
            yield name_of(cache_storage_of(site))
        case "roles":
            yield from _missing_roles(azure)
        case "drill-network" if drill and azure.drill_network is None:
            yield name_of(drill.network)
        case "extension":
            yield from (node.name for node in azure.nodes if not is_extension_well(node.extension))
        case "registration":
            yield from _unregistered_nodes(azure)
        case _:
            yield from _missing_in_vault(step, site, azure.vault)


def _missing_in_vault(step: StepId, site: SiteDocument, vault: VaultFacts | None) -> Iterator[str]:
    """What needs a vault that is missing is missing itself."""
    policy = replication_policy_of(site).name
    match step:
        case "vault" if vault is None:
            yield site.vault_name
        case "site" if vault is None or not vault.site_exists:
            yield site.hyper_v_site
        case "policy" if vault is None or vault.policy is None:
            yield policy
        case "association" if vault is None or not vault.associated:
            yield f"{policy} with {site.hyper_v_site}"


def _missing_roles(azure: AzureFacts) -> Iterator[str]:
    vault, account = azure.vault, azure.account
    if vault is None or not ENOUGH & set(vault.cluster_roles):
        yield "a role of the cluster's identity on the vault"
    if (vault is None or vault.principal) and (
        account is None or any(not roles & set(account.vault_roles) for roles in ON_ACCOUNT)
    ):
        yield "roles of the vault's identity on the cache storage account"


def _unregistered_nodes(azure: AzureFacts) -> Iterator[str]:
    for node in azure.nodes:
        providers = providers_on(node.name, azure.vault.hosts if azure.vault else ())
        if not any(has_fresh_heartbeat(provider, azure.at) for provider in providers):
            yield node.name
