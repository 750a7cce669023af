"""The table of what the simulated Azure answers belongs to its routes and to the fixtures."""

from lab.azure.site_recovery.api.common import SITE_RECOVERY
from tools.lab_table import TABLE, calls, page


def test_the_page_is_up_to_date() -> None:
    """Else: python -m tools.lab_table."""
    assert TABLE.read_text() == page()


def test_every_call_of_site_recovery_has_its_ground() -> None:
    """The verbs are recorded or specified; only what no document names is inferred: polling links and job results."""
    rows = {
        (call.method, call.template.rpartition("/vaults/{vault}/")[2]): call for call in calls(SITE_RECOVERY.routes)
    }
    item = "replicationFabrics/{fabric}/replicationProtectionContainers/{container}/replicationProtectedItems/{item}"
    assert rows["POST", f"{item}/testFailover"].recordings == ["tfo.post"]
    assert rows["POST", f"{item}/applyRecoveryPoint"].basis == "specified"
    inferred = [path for (_, path), call in rows.items() if call.basis == "inferred"]
    assert all("operationresults" in path for path in inferred)
