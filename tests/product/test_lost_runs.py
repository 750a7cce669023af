"""Runs that the engine ended from outside: each is told once and in plain words, sealed, and holds nothing any more."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lab.servers import Servers, free_ports
from shared.evidence.verify import MANIFEST, check_pack, load_pack
from tests.deep import cases
from tests.failures import failure_texts
from tests.product.conftest import SPEED, Lab, send
from tests.product.test_upgrades import copy_product, declare, shown, start

FAILOVER = "orchestrators/verbs/failover.py"
FIRST_LINE = "    operation = Operation.from_carried(payload)\n"
INSTANCES = "/runtime/webhooks/durabletask/instances"
BREAKS = {
    "exception": f"    raise RuntimeError('a bug of the new release')\n{FIRST_LINE}",
    "nondeterminism": f"    yield ctx.create_timer(timedelta(hours=1))\n{FIRST_LINE}",
}
"""What a deployment puts in place of the first line of the runbook."""


class Site(NamedTuple):
    """A lab, the folder of its state, and an app that is not the one of the repository."""

    lab: Lab
    state: Path
    app: Path

    def deploy(self, first_line: str = FIRST_LINE) -> None:
        """Stop the host, and start it with another runbook of failovers."""
        host = self.lab.servers.host
        host.stop()
        source = Path(FAILOVER).read_text().replace(FIRST_LINE, first_line, 1)
        imports = "from datetime import timedelta\nfrom typing import Any\n"
        (self.app.parent / FAILOVER).write_text(source.replace("from typing import Any\n", imports, 1))
        host.start()
        host.await_healthy()

    def held(self) -> list[str]:
        """The VMs that are leased."""
        with closing(sqlite3.connect(f"file:{self.state / 'host.sqlite'}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT state FROM entities WHERE id LIKE '@leases@%'").fetchall()
        return sorted(one for (state,) in rows for one in json.loads(state)["value"] or () if one.startswith("vm:"))

    def events_of(self, run: str) -> list[dict[str, Any]]:
        """What was published of the end of a run; a host that is stopped may send the very same once more."""
        events = [one["event"] for one in self.lab.azure("GET", "events")["received"]]
        finished = (one for one in events if one["id"].startswith(run) and one["type"].endswith("Finished"))
        return list({json.dumps(one, sort_keys=True): one for one in finished}.values())


@pytest.fixture(scope="module")
def module_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Both servers of this module."""
    state, app = tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("app")
    copy_product(app)
    both = Servers.of(state, free_ports(), SPEED, "--app", str(app / "function_app.py"))
    both.start()
    yield Site(Lab(both), state, app / "function_app.py")
    both.stop()


@pytest.fixture
def site(module_site: Site) -> Site:
    """The same with the default scenario as new, and a failover whose jobs never end."""
    lab = module_site.lab
    lab.reset()
    lab.azure("PUT", "faults", [{"match": {"verb": "plannedFailover"}, "effect": {"job": {"never": True}}}])
    declare(lab, "small", "dc-01", "sql-01")
    return module_site


def engine(lab: Lab, method: str, path: str) -> int:
    return send(lab.servers.host.base, method, f"{INSTANCES}/{path}", "").status


def terminate(site: Site, run: str) -> None:
    assert engine(site.lab, "POST", f"{run}/terminate?reason=enough") == 202


def purge(site: Site, run: str) -> None:
    """At a moment at which the timer does not look in between."""
    site.lab.azure("POST", "clock", {"speed": 0})
    terminate(site, run)
    assert engine(site.lab, "DELETE", run) == 200
    site.lab.azure("POST", "clock", {"speed": SPEED})


def break_runbook(how: str) -> Callable[[Site, str], None]:
    """Deploy a runbook that fails at its next turn, and then the old one again."""

    def deploy(site: Site, run: str) -> None:
        site.deploy(BREAKS[how])
        site.lab.eventually(lambda: shown(site.lab, run)["state"] == "failed")
        site.deploy()

    return deploy


class Ended(NamedTuple):
    """How a run is ended, what people are told, and what the engine says of it."""

    end: Callable[[Site, str], None]
    sentence: str
    words: str = ""


COULD_NOT = "the engine could not go on with it"
ENDINGS = {
    "terminated": Ended(terminate, "it was terminated in the engine, not aborted here", "enough"),
    "gone": Ended(purge, "it was deleted there"),
    "exception": Ended(break_runbook("exception"), COULD_NOT, "a bug of the new release"),
    "nondeterminism": Ended(break_runbook("nondeterminism"), COULD_NOT, "NonDeterminismError"),
}


@pytest.mark.parametrize("how", cases(ENDINGS, {"terminated", "nondeterminism", "gone"}))
def test_a_run_that_the_engine_ended_is_closed_by_the_timer(site: Site, how: str) -> None:
    lab, (end, sentence, words) = site.lab, ENDINGS[how]
    run = start(lab, "small", "failover")
    lab.eventually(lambda: len(lab.verbs()) == 2)
    owed = lab.api("GET", "obligations?plan=small").body["value"]
    assert len(site.held()) == 2
    end(site, run)

    pack = site.state / "evidence" / run
    lab.eventually((pack / MANIFEST).exists)
    (event,) = site.events_of(run)
    assert (event["data"]["state"], event["data"]["code"]) == ("failed", "run-lost")
    assert sentence in event["data"]["detail"]
    assert "ask for failover again" in event["data"]["detail"]
    assert site.held() == []
    assert lab.api("GET", "obligations?plan=small").body["value"] == owed
    files = load_pack(pack)
    assert check_pack(files) == []
    (outcome,) = [json.loads(content)["body"] for name, content in files.items() if name.endswith("-outcome.json")]
    assert (outcome["state"], sentence in failure_texts(outcome)[0]) == ("failed", True)

    if how == "gone":
        assert lab.api("GET", f"operations/{run}").status == 404
    else:
        view = shown(lab, run)
        assert (view["state"], view["phase"], view["waitingFor"]) == ("failed", "Finished", None)
        assert (sentence in failure_texts(view)[0], words in failure_texts(view)[1]) == (True, True)
    lab.azure("POST", "clock", {"advance": "PT1H"})
    assert len(site.events_of(run)) == 1
