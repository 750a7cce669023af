"""Loading an app and calling its functions."""

from pathlib import Path

import pytest

from lab.host.app import App, BadApp, load_app

ONE = """
import azure.functions as func
from beside import WORD

app = func.FunctionApp()


@app.route("where")
def where(req: func.HttpRequest, context: func.Context) -> str:
    return f"{context.function_name} {WORD} {context.function_directory}"


@app.timer_trigger(arg_name="timer", schedule="0 0 0 * * *")
async def nightly(timer: func.TimerRequest) -> None:
    return None
"""


@pytest.fixture
def folder(untouched: None, tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text('WORD = "beside"\n')
    return tmp_path


def write(folder: Path, source: str) -> Path:
    path = folder / "function_app.py"
    path.write_text(source)
    return path


async def test_an_app_imports_what_lies_beside_it_and_is_told_where_it_is(folder: Path) -> None:
    app: App = load_app(write(folder, ONE))
    assert await app.invoke(app.functions["where"], None) == f"where beside {folder}"
    app.close()


def test_functions_are_known_by_their_triggers(folder: Path) -> None:
    app = load_app(write(folder, ONE))
    assert [function.name for function in app.of_kind("timerTrigger")] == ["nightly"]
    assert app.functions["nightly"].is_coroutine
    app.close()


def test_a_file_that_is_not_there_is_no_app(folder: Path) -> None:
    with pytest.raises(BadApp, match="no app at"):
        load_app(folder / "function_app.py")


@pytest.mark.parametrize(("source", "count"), [("x = 1\n", 0), (f"{ONE}\nother = func.FunctionApp()\n", 2)])
def test_a_file_holds_exactly_one_app(folder: Path, source: str, count: int) -> None:
    with pytest.raises(BadApp, match=f"holds {count} function apps"):
        load_app(write(folder, source))


def test_what_an_app_raises_while_it_loads_is_seen(folder: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        load_app(write(folder, "1 / 0\n"))
