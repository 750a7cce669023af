"""Scripts that are not the product's: what a plan's author has run on an Arc machine, as far as a hook needs it.

Line by line: `Start-Sleep -Seconds N` and `sleep N` take their time; `Write-Output "..."` and `echo "..."` say it, with
`$Name` and `${Name}` of the parameters replaced; `Write-Error "..."` says it as an error; `throw "..."` ends the script
with 1, `exit N` with N. Whatever else it does is done well and without a word. The durations are assumed.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

AT_LEAST = timedelta(seconds=3)
_STEP = re.compile(
    r"^\s*(?:(?P<sleep>Start-Sleep\s+(?:-Seconds\s+)?|sleep\s+)(?P<seconds>\d+)"
    r"|exit\s+(?P<code>\d+)"
    r"|(?P<say>Write-Output|echo|Write-Error|throw)\s+(?P<quote>[\"'])(?P<text>.*)(?P=quote))\s*;?\s*$",
    re.IGNORECASE,
)


class Told(NamedTuple):
    """What a script says and how long it takes."""

    takes: timedelta
    output: str
    error: str
    exit_code: int


def play(script: str, parameters: Mapping[str, str]) -> Told:
    """Go through a script to its end."""
    takes, output, error = AT_LEAST, list[str](), list[str]()
    for line in re.split(r"[\n;]", script):
        step = _STEP.match(line)
        if step is None:
            continue
        if step["seconds"]:
            takes += timedelta(seconds=int(step["seconds"]))
        elif step["code"]:
            return Told(takes, _lines(output), _lines(error), int(step["code"]))
        else:
            said = _filled(step["text"], parameters) if step["quote"] == '"' else step["text"]
            (error if step["say"].lower() in {"write-error", "throw"} else output).append(said)
            if step["say"].lower() == "throw":
                return Told(takes, _lines(output), _lines(error), 1)
    return Told(takes, _lines(output), _lines(error), 0)


def _filled(text: str, parameters: Mapping[str, str]) -> str:
    known = {name.lower(): value for name, value in parameters.items()}
    return re.sub(r"\$(?:{(\w+)}|(\w+))", lambda found: known.get((found[1] or found[2]).lower(), ""), text)


def _lines(said: list[str]) -> str:
    return "".join(f"{line}\n" for line in said)
