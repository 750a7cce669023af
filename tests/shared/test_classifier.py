"""Why an extension failed: only what a new installation cures is called curable."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.healing.classifier import classify_failure, classify_node, find_cause, find_cured_cause, may_be_cured
from shared.healing.registration import NodeRegistration, read_registration_output
from shared.site_recovery.views import ProviderView
from shared.sites.nodes import ExtensionView, NodeView
from tests.shared.samples import site

SCRIPTS = "C:\\Packages\\Plugins\\Microsoft.SiteRecovery.Dra.Windows\\1.0.0.4\\script"
RACE = (
    "Extension returned nonzero exit code for Enable: 13. . Extension error output: "
    f"{SCRIPTS}\\RegisterAsr.ps1 : Failed to register for ASR \nwith DRConfigurator.exe.\n"
    "    + CategoryInfo          : NotSpecified: (:) [Write-Error], WriteErrorException\n"
    "    + FullyQualifiedErrorId : Microsoft.PowerShell.Commands.WriteErrorException,RegisterAsr.ps1\n \n"
    f"{SCRIPTS}\\RegisterAsr.ps1 : Checking if Credentials file \nexists.\nProcessing credentials file\n"
    "Installing management cert\nInitializing registration process.\nStopping DR service\nGetting resource details\n"
    "The ASR can't be registered due to an internal error. Run Setup again to register the server.\n"
)
"""Source: known issue 3 of the vendor's guide to Site Recovery on Azure Stack HCI."""

NO_HYPER_V = (
    "Extension failed to install. Extension returned non-zero exit code for Install: 1. Extension error output: "
    f"{SCRIPTS}\\InstallAsr.ps1 : Hyper-V is not installed."
)
APPLICATION_CONTROL = "Microsoft Azure Site Recovery Provider installation has failed with exit code - 1."
ALREADY = (
    "Provider is already registered with the following identity: host-01. Please purge the provider from the vault and "
    "attempt registration again."
)
LOCKED = (
    "(ScopeLocked) The scope 'AzureSiteRecovery' cannot perform delete operation because following scope(s) are "
    "locked: '/subscriptions/s/resourceGroups/rg-hci-arc'. Please remove the lock and try again."
)
NO_KEY = (
    "Extension returned nonzero exit code for Enable: 1. . Extension error output: "
    f"{SCRIPTS}\\RegisterAsr.ps1 : Failed to get the vault registration key: AuthorizationFailed."
)
"""Assumed: nobody has published what it says."""
NO_DETAIL = "Extension returned nonzero exit code for Enable: 1."
"""Source: known issue 2: no error details are seen."""
NO_PRODUCT = (
    "Microsoft Azure Site Recovery Provider installation has failed with exit code - 1. Setup cannot proceed as no "
    "compatible product was found. To install on HyperV server, ensure that Hyper-V role is enabled and server is not "
    "acting as Domain Controller"
)
"""Source: azure-docs issue 42969."""
NO_ROUTE = (
    RACE[: RACE.index("Installing management cert")]
    + "Initializing registration process.\nUnable to connect to Azure Site Recovery Services using the given settings."
)
BLOCKED = "The extension is on the extensions.blocklist of the agent and will not be installed."


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (RACE, "certificate-race"),
        (NO_KEY, "vault-rights"),
        (NO_KEY.replace("AuthorizationFailed", "403 (Forbidden)"), "vault-rights"),
        ("The client does not have authorization to perform 'Microsoft.RecoveryServices/vaults/read'.", "vault-rights"),
        (RACE.replace("\n", "\\n"), "certificate-race"),
        (RACE.replace("\n", "\r\n        "), "certificate-race"),
        (RACE.replace("1.0.0.4", "2.13.0.0").replace("C:\\Packages", "D:\\Pakete"), "certificate-race"),
        (RACE.replace("Extension returned nonzero exit code for", "Exitcode ungleich null bei"), "certificate-race"),
        (RACE.replace("can't", "can\u2019t"), "certificate-race"),
        (RACE.upper(), "certificate-race"),
        (RACE[RACE.index("Getting") - 200 :], "certificate-race"),
        (NO_HYPER_V, "hyper-v-missing"),
        (NO_HYPER_V.replace("Hyper-V is", "Hyper-V \nis"), "hyper-v-missing"),
        (APPLICATION_CONTROL, "application-control"),
        (APPLICATION_CONTROL.replace("- 1", "-1"), "application-control"),
        (APPLICATION_CONTROL.replace("- 1", "1"), "application-control"),
        (APPLICATION_CONTROL.replace("- 1", "\u2013 1"), "application-control"),
        (NO_DETAIL, "other-site"),
        (NO_DETAIL.replace("Extension returned nonzero exit code for", "Exitcode ungleich null bei"), "other-site"),
        (APPLICATION_CONTROL.replace(" exit", "\nexit"), "application-control"),
        (ALREADY, "already-registered"),
        (LOCKED, "resource-lock"),
        (BLOCKED, "agent-blocked"),
        (NO_PRODUCT, "hyper-v-missing"),
    ],
)
def test_a_documented_message_has_its_cause_however_it_was_mangled(message: str, code: str) -> None:
    cause = classify_failure("ExtensionOperationError", message)
    assert cause.code == code
    assert cause.curable == (code in {"certificate-race", "vault-rights"})
    assert cause.evidence
    assert cause.remedy


@pytest.mark.parametrize(
    "message",
    [
        "",
        "Extension returned nonzero exit code for Enable: 13.",
        "Extension returned nonzero exit code for Enable: 130. DRConfigurator",
        RACE[:180],  # the exit code and the script that ended with it are one fact: why it did is cut off
        RACE.replace("due to an internal error", "(AuthorizationFailed)"),
        f"{RACE}\nThe remote server returned an error: (403) Forbidden.",
        RACE.replace("due to an internal error", "because of a full disk"),
        "The ASR can't be registered due to an internal error.",
        "Microsoft Azure Site Recovery Provider installation has failed with exit code - 1603.",
        "Something else went wrong.",
    ],
)
def test_a_failure_that_is_not_plainly_a_known_one_is_left_to_a_person(message: str) -> None:
    cause = classify_failure("", message)
    assert (cause.code, cause.curable) == ("unknown", False)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (NO_ROUTE, "service-unreachable"),
        ("RegisterAsr.ps1 : The proxy could not be reached.", "service-unreachable"),
        (f"{RACE} The remote server returned an error: (407) Proxy Authentication Required.", "service-unreachable"),
        (f"{RACE} The request was aborted: Could not create SSL/TLS secure channel.", "service-unreachable"),
        (f"{RACE} The remote name could not be resolved: 'x.example'", "service-unreachable"),
        (f"{RACE} The operation has timed out.", "service-unreachable"),
        (f"{RACE} The token is not yet valid: check the local time.", "clock-wrong"),
        (f"{RACE} AADSTS700024: Client assertion is not within its valid time range.", "clock-wrong"),
    ],
)
def test_a_registration_that_failed_for_another_reason_is_no_certificate_race(message: str, code: str) -> None:
    cause = classify_failure("", message)
    assert (cause.code, cause.curable) == (code, False)
    assert cause.evidence


@given(st.text(), st.text())
def test_whatever_an_extension_says_has_a_cause_and_evidence_of_bounded_length(code: str, message: str) -> None:
    cause = classify_failure(code, message)
    assert cause.curable == (cause.code == "certificate-race")
    assert cause.code not in {"extension-missing", "not-registered"}
    assert all(len(line) <= max(200, len(code)) for line in cause.evidence)


def facts(**changes: Any) -> NodeRegistration | None:
    registration = {"ResourceName": "vault-dr", "SiteName": "hci-01-site", "KeyVaultName": "kv"}
    usual = {"registration": registration, "dra": "Running", "hyperV": True, "applicationControl": "Off"}
    return read_registration_output({**usual, **changes})


def test_a_node_without_hyper_v_is_not_cured_whatever_its_message_says() -> None:
    assert classify_failure("", RACE, facts(hyperV=False)).code == "hyper-v-missing"


def test_a_host_of_another_site_is_not_cured_and_says_what_it_is_bound_to() -> None:
    bound = facts(registration={"resourcename": "vault-old", "SiteName": "HCI-01-SITE"})
    cause = classify_failure("", RACE, bound, site())
    assert (cause.code, cause.curable) == ("other-site", False)
    assert cause.evidence == ("ResourceName is vault-old, not vault-dr",)


def test_a_node_that_looks_well_lets_the_message_speak() -> None:
    assert classify_failure("", RACE, facts(), site()).code == "certificate-race"
    assert classify_failure("", RACE, facts(registration=None), site()).code == "certificate-race"


def test_what_the_node_shows_outweighs_what_the_message_says() -> None:
    for message in (APPLICATION_CONTROL, NO_PRODUCT, NO_HYPER_V, NO_DETAIL):
        cause = classify_failure("", message, facts(), site())
        assert (cause.code, cause.curable) == ("unknown", False)
        assert cause.evidence
        assert "Application Control" not in cause.remedy
    assert classify_failure("", APPLICATION_CONTROL, facts(applicationControl="Audit")).code == "unknown"
    assert classify_failure("", APPLICATION_CONTROL, facts(applicationControl=None)).code == "application-control"


@pytest.mark.parametrize("message", [APPLICATION_CONTROL, NO_HYPER_V, NO_PRODUCT, NO_DETAIL])
def test_a_cause_that_was_cured_outside_is_gone_whatever_the_message_still_says(message: str) -> None:
    registered_nowhere = facts(registration=None)
    assert registered_nowhere
    cause = find_cured_cause(classify_failure("", message), registered_nowhere, site())
    assert cause
    assert (cause.code, cause.curable) == ("cause-gone", True)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (NO_HYPER_V, {"hyperV": False}),
        (NO_HYPER_V, {"hyperV": None}),
        (APPLICATION_CONTROL, {"applicationControl": "Enforced"}),
        (APPLICATION_CONTROL, {"applicationControl": None}),
        (NO_DETAIL, {"registration": {"SiteName": "old-site"}}),
        (RACE, {}),
        ("nobody knows this", {}),
    ],
)
def test_a_cause_that_the_node_still_shows_or_says_nothing_of_is_not_gone(message: str, shown: dict[str, Any]) -> None:
    registration = facts(**shown)
    assert registration
    assert find_cured_cause(classify_failure("", message), registration, site()) is None


REACHED = {"https://login.microsoftonline.com": True, "https://pod.weu.hypervrecoverymanager.windowsazure.com/": True}
SKEWED = f"{RACE} AADSTS700024: Client assertion is not within its valid time range."


@pytest.mark.parametrize(
    ("message", "shown", "is_gone"),
    [
        (NO_ROUTE, {"endpoints": REACHED}, True),
        (NO_ROUTE, {"endpoints": {**REACHED, "https://backup.windowsazure.com": False}}, False),
        (NO_ROUTE, {"endpoints": {"https://login.microsoftonline.com": True}}, False),
        (NO_ROUTE, {"endpoints": {"https://hypervrecoverymanager.example": True, "https://[": True}}, False),
        (NO_ROUTE, {"endpoints": {}}, False),
        (NO_ROUTE, {"endpoints": None}, False),
        (NO_ROUTE, {"endpoints": REACHED, "clockOffset": 86400}, False),
        (NO_ROUTE, {"endpoints": REACHED, "applicationControl": "Enforced"}, False),
        (SKEWED, {"clockOffset": 0}, True),
        (SKEWED, {"clockOffset": -300}, True),
        (SKEWED, {"clockOffset": 301}, False),
        (SKEWED, {"clockOffset": -301}, False),
        (SKEWED, {"clockOffset": None}, False),
        (SKEWED, {}, False),
        (SKEWED, {"clockOffset": 1, "endpoints": {"https://backup.windowsazure.com": False}}, False),
        (NO_HYPER_V, {"clockOffset": 86400}, False),
    ],
)
def test_a_service_or_a_clock_is_well_again_only_where_the_node_shows_it(
    message: str, shown: dict[str, Any], is_gone: bool
) -> None:
    registration = facts(registration=None, **shown)
    assert registration
    stated = classify_failure("", message)
    cured = find_cured_cause(stated, registration, site())
    assert (cured.code if cured else "") == ("cause-gone" if is_gone else "")
    inner = classify_failure("", message, registration, site())
    assert not inner.curable
    assert (inner.code == "unknown") == is_gone


def test_a_person_s_word_is_enough_where_nobody_knows_the_url_of_the_service_but_not_against_what_is_missed() -> None:
    stated = classify_failure("", NO_ROUTE)
    tried, missed, untried = (
        facts(registration=None, endpoints=urls)
        for urls in ({"https://backup.windowsazure.com": True}, {"https://backup.windowsazure.com": False}, {})
    )
    assert tried
    assert missed
    assert untried
    asked = [find_cured_cause(stated, one, site(), is_asked_by_person=True) for one in (tried, missed, untried)]
    assert [bool(cause) for cause in asked] == [True, False, False]
    skewed = classify_failure("", SKEWED)
    assert find_cured_cause(skewed, tried, site(), is_asked_by_person=True) is None


def test_a_host_can_be_registered_anew_when_its_vault_has_no_provider_of_it_any_more() -> None:
    stated, shown = classify_failure("", ALREADY), facts(registration=None)
    assert shown
    cured = find_cured_cause(stated, shown, site(), in_vault=())
    assert cured
    assert (cured.code, cured.curable) == ("cause-gone", True)
    assert find_cured_cause(stated, shown, site(), in_vault=(provider(),)) is None
    assert find_cured_cause(stated, shown, site(), in_vault=None) is None
    assert may_be_cured(site(), node(message=ALREADY), stated, ())
    assert not may_be_cured(site(), node(message=ALREADY), stated, (provider(),))


def test_what_the_node_does_not_reach_and_how_far_its_clock_is_out_are_evidence() -> None:
    shown = facts(endpoints={"https://backup.windowsazure.com": False}, clockOffset=-3661)
    assert "the node does not reach https://backup.windowsazure.com" in classify_failure("", NO_ROUTE, shown).evidence
    assert "the node's clock is 1:01:01 behind" in classify_failure("", SKEWED, shown).evidence
    assert classify_failure("", "Something else went wrong.", shown).code == "service-unreachable"
    assert classify_failure("", "Something else went wrong.", facts(clockOffset=3600)).code == "clock-wrong"
    assert classify_failure("", RACE, shown).code == "certificate-race"


def test_enforced_application_control_explains_only_what_nothing_else_does() -> None:
    enforced = facts(applicationControl="Enforced")
    assert classify_failure("", "Something else went wrong.", enforced, site()).code == "application-control"
    assert classify_failure("", RACE, enforced, site()).code == "certificate-race"


def node(status: str = "Connected", state: str = "Failed", message: str = RACE) -> NodeView:
    extension = ExtensionView(id="/e", name="AzureSiteRecovery", provisioning_state=state, message=message)
    return NodeView(id="/m", name="hci-01-n2", cluster_id="/c", status=status, extension=extension)


def test_an_agent_that_is_away_and_an_extension_on_its_way_come_first() -> None:
    assert classify_node(node(status="Disconnected")).code == "agent-disconnected"
    assert classify_node(node(state="Deleting")).code == "in-transition"
    assert classify_node(node()).code == "certificate-race"
    bare = node().model_copy(update={"extension": None})
    assert classify_node(bare, facts(hyperV=False)).code == "hyper-v-missing"
    assert classify_node(bare).code == "extension-missing"


@pytest.mark.parametrize(
    ("version", "code"),
    [
        ("1.32.9", "agent-outdated"),
        ("1.33.0", "certificate-race"),
        ("2.0", "certificate-race"),
        ("", "certificate-race"),
    ],
)
def test_an_agent_too_old_for_run_commands_is_not_worked_with(version: str, code: str) -> None:
    assert classify_node(node().model_copy(update={"agent_version": version})).code == code


def test_an_agent_that_blocks_what_is_needed_says_what() -> None:
    cause = classify_node(node().model_copy(update={"blocked": "extensions.enabled is false"}))
    assert (cause.code, cause.curable, cause.evidence) == ("agent-blocked", False, ("extensions.enabled is false",))


AT = datetime(2027, 3, 1, tzinfo=UTC)


def provider(site_name: str = "hci-01-site", connected: bool = True) -> ProviderView:
    return ProviderView(id="/p", host="HCI-01-N2.corp", connected=connected, heartbeat=AT, sites=(site_name, "x"))


def test_a_host_that_another_site_of_the_vault_knows_is_bound_to_that_one() -> None:
    for broken in (node(), node(message="no one knows")):
        cause = find_cause(site(), broken, (provider("old-site"),), AT)
        assert cause is not None
        assert (cause.code, cause.curable) == ("other-site", False)
        assert "old-site" in cause.evidence[0]


def test_a_node_is_well_when_it_is_registered_and_heard() -> None:
    fine = node(state="Succeeded")
    assert find_cause(site(), fine, (provider("HCI-01-Site"),), AT) is None
    lost = find_cause(site(), fine, (), AT)
    silent = find_cause(site(), fine, (provider(connected=False),), AT)
    assert lost is not None
    assert silent is not None
    assert (lost.code, lost.curable, silent.code, silent.curable) == ("not-registered", True, "provider-silent", False)


def test_the_evidence_is_what_was_read_there() -> None:
    shown = classify_failure("", RACE).evidence
    flat = re.sub(r"\s+", " ", RACE)
    assert shown
    assert all(sign in flat for sign in shown)
