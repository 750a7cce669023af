"""Runs every benchmark, or those that are named, prints one table, writes bench/results.json and figures.json."""

import importlib
import json
import pkgutil
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

import bench
from bench import fleet
from bench.figures import Figure

RESULTS = Path(__file__).parent / "results.json"
"""The runs of a fleet, ours and others': a list of records."""
FIGURES = Path(__file__).parent / "figures.json"
"""The figures of every benchmark, by its name."""
PLUMBING = {"__main__", "figures", "alternatives"}


def main(wanted: list[str]) -> None:
    """Measure; results of a module replace its earlier ones, those of others are kept."""
    found = [module.name for module in pkgutil.iter_modules(bench.__path__) if module.name not in PLUMBING]
    if unknown := set(wanted) - set(found):
        sys.exit(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(found) or 'none'}")
    results = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    console, missed = Console(), []
    try:
        for name in wanted or found:
            figures: list[Figure] = importlib.import_module(f"bench.{name}").figures()
            results[name] = [figure._asdict() for figure in figures]
            console.print(table_of(name, figures))
            missed += [
                f"{figure.what} is {figure.value:,.4g}, not {figure.bound}" for figure in figures if figure.missed
            ]
    finally:  # a late failure does not take the hours before it along
        FIGURES.write_text(json.dumps(results, indent=2) + "\n")
        if fleet.RUNS:
            RESULTS.write_text(json.dumps(fleet.RUNS, indent=2) + "\n")
    if missed:
        sys.exit("missed: " + "; ".join(missed))


def table_of(name: str, figures: list[Figure]) -> Table:
    """The figures of one benchmark."""
    table = Table("figure", "value", "bound", "note", title=name, title_justify="left")
    for figure in figures:
        table.add_row(figure.what, f"{figure.value:,.4g} {figure.unit}", figure.bound, figure.note)
    return table


if __name__ == "__main__":
    main(sys.argv[1:])
