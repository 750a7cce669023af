"""Scripts that are not the product's: what a plan's author has run on an Arc machine, as far as a hook needs it.

Line by line: `Start-Sleep -Seconds N` and `sleep N` take their time; `Write-Output "..."` and `echo "..."` say it, with
`$Name` and `${Name}` of the parameters replaced; `Write-Error "..."` says it as an error; `throw "..."` ends the script
with 1, `exit N` with N. Whatever else it does is done well and silently. The durations are assumed.
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


class ScriptResult(NamedTuple):
    """What a script says and how long it takes."""

    takes: timedelta
    output: str
    error: str
    exit_code: int


def play_script(script: str, parameters: Mapping[str, str]) -> ScriptResult:
    """Go through a script to its end."""
    takes, output, error = AT_LEAST, list[str](), list[str]()
    for line in re.split(r"[\n;]", script):
        step = _STEP.match(line)
        if step is None:
            continue
        if step["seconds"]:
            takes += timedelta(seconds=int(step["seconds"]))
        elif step["code"]:
            return ScriptResult(takes, _join_lines(output), _join_lines(error), int(step["code"]))
        else:
            line_text = _fill_parameters(step["text"], parameters) if step["quote"] == '"' else step["text"]
            (error if step["say"].lower() in {"write-error", "throw"} else output).append(line_text)
            if step["say"].lower() == "throw":
                return ScriptResult(takes, _join_lines(output), _join_lines(error), 1)
    return ScriptResult(takes, _join_lines(output), _join_lines(error), 0)


def _fill_parameters(text: str, parameters: Mapping[str, str]) -> str:
    values = {name.lower(): value for name, value in parameters.items()}
    return re.sub(r"\$(?:{(\w+)}|(\w+))", lambda found: values.get((found[1] or found[2]).lower(), ""), text)


def _join_lines(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
