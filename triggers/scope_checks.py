"""Whether a site and a plan stay within ALLOWED_SCOPES: asked when they are declared, and before anything begins.

What is sent to Azure is looked at once more on its way (`shared/azure/http_pipeline`): the setting may have changed
since a run began, and the timer begins runs that nobody asks for.
"""

from collections.abc import Mapping

from shared.allowed_scopes import find_scope_errors, is_allowed, scope_error
from shared.notifications.rule import NotificationRule
from shared.plans.plan import PlanDocument
from shared.problem_details import FieldError
from shared.sites.defaults import cache_storage_of
from shared.sites.site import SiteDocument
from triggers.http_endpoint import invalid_request, read_settings


def find_site_scope_errors(site: SiteDocument, under: str = "") -> list[FieldError]:
    """The fields of a site that lie outside; that of the cache storage account also where prepare names it."""
    settings = read_settings()
    document = site.model_dump(mode="json", by_alias=True)
    errors = find_scope_errors(settings.allowed_scopes, document, settings.key_vault_domain, under)
    account, field = cache_storage_of(site), f"{under}.cacheStorage" if under else "cacheStorage"
    if not site.cache_storage and not is_allowed(settings.allowed_scopes, account):
        errors.append(scope_error(field, account))
    return errors


def find_plan_scope_errors(plan: PlanDocument) -> list[FieldError]:
    """The fields of a plan that lie outside."""
    settings = read_settings()
    document = plan.model_dump(mode="json", by_alias=True)
    return find_scope_errors(settings.allowed_scopes, document, settings.key_vault_domain)


def find_rule_scope_errors(rule: NotificationRule) -> list[FieldError]:
    """The fields of a notification rule whose key vaults lie outside."""
    settings = read_settings()
    document = rule.model_dump(mode="json", by_alias=True)
    return find_scope_errors(settings.allowed_scopes, document, settings.key_vault_domain)


def require_allowed(sites: Mapping[str, SiteDocument], plan: PlanDocument | None = None) -> None:
    """Refuse to begin with what is declared and no longer allowed.

    Raises:
        HttpProblem: with each field that lies outside (400).
    """
    errors = find_plan_scope_errors(plan) if plan else []
    errors += [error for name, site in sites.items() for error in find_site_scope_errors(site, f"sites.{name}")]
    if errors:
        raise invalid_request(*errors)
