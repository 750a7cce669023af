"""The app that the lab serves: that of a folder, or a package as it is deployed, unpacked for this once."""

import zipfile
from pathlib import Path

from lab.servers import LabFailed

APP_FILE = "function_app.py"


def find_app(place: Path, folder: Path) -> Path:
    """The app's file: the one that is named, or that of a package (.zip), which is unpacked into a folder.

    Args:
        place: The file, the package, or a folder that has nothing else of the kind.
        folder: Where it is unpacked.

    Raises:
        LabFailed: there is none, or the package would write elsewhere than into the folder.
    """
    if place.is_dir():
        place = _find_in(place)
    if place.suffix != ".zip":
        if not place.is_file():
            raise LabFailed(f"there is no app at {place}")
        return place.resolve()
    try:
        with zipfile.ZipFile(place) as package:
            _require_app(place, package.namelist())
            package.extractall(folder)
    except (OSError, zipfile.BadZipFile) as error:
        raise LabFailed(f"{place} cannot be unpacked: {error}") from error
    return (folder / APP_FILE).resolve()


def _find_in(folder: Path) -> Path:
    found = [*folder.glob(APP_FILE), *folder.glob("*.zip")]
    if len(found) != 1:
        raise LabFailed(f"{folder} has {len(found)} apps or packages, not one")
    return found[0]


def _require_app(place: Path, names: list[str]) -> None:
    if APP_FILE not in names:
        raise LabFailed(f"{place} has no {APP_FILE} at its top: `make dist` makes such a package")
    if strange := [name for name in names if name.startswith(("/", "\\")) or ".." in Path(name).parts]:
        raise LabFailed(f"{place} would write outside of its folder: {strange[0]}")
