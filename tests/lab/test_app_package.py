"""A package of the app is served as it is deployed, and nothing of what serves it is taken for the app."""

import zipfile
from pathlib import Path

import pytest

from lab.app_package import find_app
from lab.host.app import BadApp, load_app
from lab.servers import LabFailed

APP = "import azure.functions as func\nfrom shared.word import WORD\n\napp = func.FunctionApp()\n"


def test_a_package_is_unpacked_and_a_file_is_taken_as_it_is(tmp_path: Path) -> None:
    place = tmp_path / "app.zip"
    with zipfile.ZipFile(place, "w") as package:
        package.writestr("function_app.py", APP)
        package.writestr("shared/word.py", "WORD = 1\n")
    app = find_app(place, tmp_path / "app")
    assert app == tmp_path / "app" / "function_app.py"
    assert (app.parent / "shared" / "word.py").is_file()
    assert find_app(app, tmp_path / "other") == app
    assert find_app(app.parent, tmp_path / "other") == app
    assert find_app(tmp_path, tmp_path / "app") == app
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("names", [["host.json"], ["function_app.py", "../evil.py"], ["function_app.py", "/evil.py"]])
def test_what_is_no_package_of_an_app_is_refused_and_writes_nothing(tmp_path: Path, names: list[str]) -> None:
    place = tmp_path / "app.zip"
    with zipfile.ZipFile(place, "w") as package:
        for name in names:
            package.writestr(name, "")
    with pytest.raises(LabFailed, match=r"app\.zip"):
        find_app(place, tmp_path / "app")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.zip"]


def test_what_is_not_there_or_no_zip_is_said(tmp_path: Path) -> None:
    (tmp_path / "app.zip").write_text("none")
    for place in ("app.zip", "gone.zip", "gone.py"):
        with pytest.raises(LabFailed, match=place):
            find_app(tmp_path / place, tmp_path / "app")


def test_modules_of_another_folder_are_not_taken_for_those_of_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shared  # noqa: PLC0415 - of this folder, loaded before the app is

    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "__init__.py").write_text("")
    (tmp_path / "function_app.py").write_text(APP.replace(".word import WORD", " import messages"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadApp, match="shared was loaded from"):
        load_app(tmp_path / "function_app.py")
    assert shared.__file__
