"""The demo app in the worker library of Azure Functions."""

from pathlib import Path

import pytest

from tests.lab.host.worker_index import IndexingFailed, index_in_worker

DEMO = Path(__file__).parent / "apps" / "demo" / "function_app.py"


def test_the_demo_app_loads_in_azure_s_worker() -> None:
    names = index_in_worker(DEMO)
    assert {"start", "echo", "every_five_minutes", "on_event", "greet", "say"} <= set(names)


def test_what_the_worker_cannot_load_is_told_in_its_words(tmp_path: Path) -> None:
    app = tmp_path / "function_app.py"
    app.write_text(
        "import azure.durable_functions as df\n"
        "app = df.DFApp()\n"
        "@app.activity_trigger(input_name='vms')\n"
        "def act(vms: dict[str, int]) -> int:\n"
        "    return 1\n"
    )
    with pytest.raises(IndexingFailed, match="act"):
        index_in_worker(app)
