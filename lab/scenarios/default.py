"""`default`: a cluster of three nodes, one with a failed ASR extension, and six Protected VMs of one application."""

from typing import Any

from lab.scenarios import common

NODES = ["hci-01-n1", "hci-01-n2", "hci-01-n3"]
MACHINES = {
    "dc-01": ("hci-01-n1", 7389),
    "sql-01": ("hci-01-n1", 7433),
    "app-01": ("hci-01-n1", 7808),
    "app-02": ("hci-01-n3", 7808),
    "web-01": ("hci-01-n3", 7880),
    "web-02": ("hci-01-n3", 7880),
}
"""Name: the node that owns the VM, and the TCP port that answers in it."""
AFTER = {
    "dc-01": [],
    "sql-01": ["dc-01"],
    "app-01": ["sql-01"],
    "app-02": ["sql-01"],
    "web-01": ["app-01", "app-02"],
    "web-02": ["app-01", "app-02"],
}


def build_scenario(vms: int, clusters: int, of_nodes: int) -> dict[str, Any]:  # noqa: ARG001 - one size only
    """The scenario."""
    return {
        "name": "default",
        "servers": [{"group": "rg-hci-arc", "name": "jump-01"}],
        "groups": ["rg-hci", "rg-hci-arc", "rg-dr", common.TARGET_GROUP, common.NETWORK_GROUP],
        "networks": common.NETWORKS,
        "storage": [{"group": "rg-dr", "name": "stdrcache"}],
        "automation": [_automation_account()],
        "keyVaults": {
            "kv-dr": {
                "orders-password": "Sesame-4711",
                "hook-key": "a-key-that-two-sides-know",
                "teams-url": common.TEAMS_URL,
            }
        },
        "communication": {"acs-dr": "dr.contoso.example"},
        "clusters": [_cluster_settings()],
        "vaults": [_vault_settings()],
        "documents": {
            "sites": {"hci-01": common.site_document("hci-01", "vault-dr", "hci-01-site")},
            "plans": {"payroll": _plan_document()},
            "notification-rules": {"waiting": _rule_document()},
        },
    }


def _automation_account() -> dict[str, Any]:
    switch = {"name": "Switch-Dns", "minutes": 2, "parameters": {"Zone": True, "Target": False}}
    switch["output"] = "Zone {Zone} now answers with the addresses in Azure."
    draft = {"name": "Draft-Only", "minutes": 1, "state": "New"}
    open_page = {"name": "Open-Maintenance", "minutes": 1}
    return {"group": "rg-dr", "name": "aa-dr", "runbooks": [switch, open_page, draft], "workers": ["workers-hci-01"]}


def _cluster_settings() -> dict[str, Any]:
    states = {"hci-01-n2": "CertificateRace"}
    nodes = [{"name": node, "extension": states.get(node, "Succeeded")} for node in NODES]
    place = {"name": "hci-01", "group": "rg-hci", "nodesGroup": "rg-hci-arc", "vault": "vault-dr"}
    return {**place, "nodes": nodes, "machines": _machine_settings()}


def _machine_settings() -> list[dict[str, Any]]:
    return [{"name": name, "node": node, "ports": [port]} for name, (node, port) in MACHINES.items()]


def _vault_settings() -> dict[str, Any]:
    return {
        "group": "rg-dr",
        "vault": "vault-dr",
        "site": "hci-01-site",
        "policy": common.POLICY,
        "nodes": [{"name": node, "registered": node != "hci-01-n2"} for node in NODES],
        "target": common.recovery_target("stdrcache"),
        "machines": _machine_settings(),
    }


def _rule_document() -> dict[str, Any]:
    """Whoever is waited for is told in Teams and by mail, and reminded after an hour."""
    mail = {"kind": "email", "endpoint": "https://acs-dr.communication.azure.com", "from": "dr@dr.contoso.example"}
    return {
        "occasions": ["waiting-for-approval", "waiting-for-decision"],
        "channels": [{"kind": "teams", "url": "@kv:kv-dr/teams-url"}, {**mail, "to": ["operators@contoso.example"]}],
        "remind": "PT1H",
    }


def _plan_document() -> dict[str, Any]:
    items = [
        {"vm": name, "after": AFTER[name], "probes": [{"kind": "tcp", "port": port}]}
        for name, (_, port) in MACHINES.items()
    ]
    return {
        "site": "hci-01",
        "items": items,
        "drill": {"network": common.network_id("vnet-drill"), "schedule": "0 0 6 * * *", "timeToLive": "PT4H"},
        "commit": "automatic",
        "targets": {"rto": "PT2H", "rpo": "PT15M"},
    }
