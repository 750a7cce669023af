"""Who changes, is refused and reads stands in the signed log, also when the store and the host were away."""

import json
from pathlib import Path
from typing import Any

from lab.host.sign_in import PEOPLE
from shared.evidence.verify import check_log, main, read_key
from tests.product.conftest import Lab

EVE, BOB = ({one.name: one.object_id for one in PEOPLE}[name] for name in ("eve", "bob"))


def acts(lab: Lab, **query: str) -> list[dict[str, Any]]:
    asked = "&".join(f"{name}={value}" for name, value in {"top": "500", **query}.items())
    found: list[dict[str, Any]] = lab.api("GET", f"evidence/administration?{asked}").body["value"]
    return found


def late(lab: Lab) -> int:
    """How many records wait for the store; -1 while the app does not say."""
    return int(lab.api("GET", "health").body.get("administration", {}).get("late", -1))


def evidence_of(lab: Lab) -> Path:
    return next(path for path in Path(lab.servers.host.log).parent.rglob("evidence") if (path / "heads").is_dir())


def test_a_change_is_written_once_although_store_and_host_were_away(lab: Lab, tmp_path: Path) -> None:
    """The change is made at once while a file stands where the store was; then the host dies, and the store is back."""
    plan = lab.document("plans/payroll")
    lab.eventually(lambda: acts(lab, act="changed") != [])
    store = evidence_of(lab)
    away = store.with_name("evidence-away")
    store.rename(away)
    store.write_text("no folder")
    reply = lab.api("PUT", "plans/payroll", {**plan, "maxStarts": 7})
    assert (reply.status, reply.body["outcome"]) == (200, "changed")
    lab.eventually(lambda: late(lab) > 0)
    lab.servers.host.kill()
    store.unlink()
    away.rename(store)
    lab.servers.host.start()
    lab.servers.host.await_healthy()

    def of_change() -> list[dict[str, Any]]:
        return [one for one in acts(lab, act="changed") if one["facts"]["etag"] == reply.body["etag"]]

    lab.eventually(lambda: of_change() != [])
    (written,) = of_change()
    assert (written["byId"], written["subject"], written["signed"]) == (EVE, "plans/payroll", True)
    assert written["facts"]["changedFields"] == ["maxStarts"]
    lab.eventually(lambda: late(lab) == 0)
    key_text = json.dumps(lab.api("GET", "evidence/key").body)
    (tmp_path / "key.jwk").write_text(key_text)
    assert check_log(store, None, [read_key(key_text.encode())])[0] == []
    assert main(["--log", str(store), "--key", str(tmp_path / "key.jwk")]) == 0


def test_refusals_and_reads_are_written_together(lab: Lab) -> None:
    for _ in range(3):
        reply = lab.api("PUT", "plans/payroll", lab.document("plans/payroll"), {"Authorization": "Bearer lab-bob"})
        assert reply.status == 403, reply.body
    assert lab.api("GET", "evidence/checkpoint").status == 200
    lab.eventually(lambda: sum(one["count"] for one in acts(lab, act="refused", person=BOB)) >= 3)
    lab.eventually(lambda: any(one["subject"] == "get_evidence_checkpoint" for one in acts(lab, act="evidence-read")))
    refused = acts(lab, act="refused", person=BOB)[0]
    assert (refused["subject"], refused["facts"]["status"]) == ("put_plan", 403)
    assert refused["facts"]["names"] == ["payroll"]
