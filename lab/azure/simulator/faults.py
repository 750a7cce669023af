"""Faults by rule: which calls, jobs and events go wrong, and how; each rule says how often it fired.

A rule: {"name"?, "match": {...}, "effect": {...}}.
match: method, path, verb and item (globs, without regard to casing), nth (only that matching call, from 1), times (at
most so often), probability (with the seed of PUT /lab/faults).
effect, exactly one of:
  {"status": 503, "headers": {}, "body": {}}     answered instead of the work
  {"raw": {"text", "type", "encoding", "status", "headers", "worked"}}   these bytes are answered: instead of the work,
                                                 or with "worked" after it
  {"reset": "before" | "after"}                  the connection is dropped before or after the work
  {"lose": 503 | "connection"}                   the work is done, then 503 is answered or the connection is dropped
  {"slow": seconds}                              simulated seconds before the work
  {"job": {"fail": "28031", "task"?, "message"?} | {"never": true} | {"suspend": true} | {"warn": "28175"}
        | {"end": "PartiallySucceeded"} | {"leave": "nic" | "disks"}}   what the verb's job does: see
                                                 docs/lab-site-recovery.md
  {"disconnect": "hci-01-n1" | {"node", "minutes"}}   the Arc agent of a node goes away
  {"event": "duplicate" | "reorder" | "lose"}    what happens to the Event Grid event of a matching operation
  {"clock": seconds}                             the clock jumps
"""

import codecs
import random
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from lab.azure.simulator.answers import ArmError, Json
from lab.azure.simulator.requests import ArmRequest
from lab.azure.simulator.store import Store

KIND = "fault"
CALLS = frozenset({"status", "raw", "reset", "lose", "slow", "disconnect", "clock"})
EFFECTS = CALLS | {"job", "event"}
JOB_EFFECTS = frozenset({"fail", "never", "suspend", "end", "warn", "leave"})
GLOBS = ("method", "path", "verb", "item")
MATCHES = {*GLOBS, "nth", "times", "probability"}


def _is_raw(value: object) -> bool:
    """Whether this can be the answer of a rule: text in an encoding that Python knows."""
    if not isinstance(value, dict) or set(value) - {"text", "encoding", "type", "status", "headers", "worked"}:
        return False
    try:
        codecs.lookup(value.get("encoding", "utf-8"))
    except (LookupError, TypeError):
        return False
    return isinstance(value.get("text", ""), str)


FITS: Mapping[str, Callable[[Any], bool]] = {
    "status": lambda value: isinstance(value, int) and 100 <= value <= 599,
    "raw": _is_raw,
    "reset": lambda value: value in ("before", "after"),
    "lose": lambda value: value == "connection" or isinstance(value, int),
    "slow": lambda value: isinstance(value, int | float) and value >= 0,
    "clock": lambda value: isinstance(value, int | float) and value >= 0,
    "event": lambda value: value in ("duplicate", "reorder", "lose"),
    "job": lambda value: isinstance(value, dict) and len(JOB_EFFECTS & set(value)) == 1,
    "disconnect": lambda value: isinstance(value, str) or (isinstance(value, dict) and "node" in value),
}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


MATCH_FITS: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(GLOBS, lambda value: isinstance(value, str)),
    "nth": _is_count,
    "times": _is_count,
    "probability": lambda value: isinstance(value, int | float) and 0 <= value <= 1,
}


class Faults:
    """The rules, kept with their counts in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def replace_rules(self, rules: list[Json], seed: int = 1) -> None:
        """Set the rules, all counts at nothing.

        Raises:
            ArmError: 400 that names the rule and what is wrong with it.
        """
        for at, rule in enumerate(rules):
            _require_rule(at, rule)
        for key, _ in list(self._store.items(KIND)):
            self._store.delete(KIND, key)
        for at, rule in enumerate(rules):
            self._store.put(KIND, f"{at:04d}", {**rule, "seed": seed, "matched": 0, "fired": 0})

    def list_rules(self) -> list[Json]:
        """The rules with `matched` and `fired`."""
        return [rule for _, rule in sorted(self._store.items(KIND))]

    def call_effects(self, request: ArmRequest) -> list[Json]:
        """The effects of the rules that this call fires, in the order of the rules."""
        if not self._store.count(KIND):
            return []
        return self._fire_rules(
            CALLS, {"method": request.method, "path": request.path, "verb": request.verb, "item": request.item}
        )

    def job_effect(self, verb: str, item: str, path: str = "", method: str = "POST") -> Json | None:
        """What the job of this verb shall do: {"fail": code, "message"?}, {"never": true}, {"suspend": true} or None.

        For a provider to ask once a job, when it starts it.
        """
        effects = self._fire_rules(frozenset({"job"}), {"method": method, "path": path, "verb": verb, "item": item})
        return effects[0]["job"] if effects else None

    def event_effect(self, operation: str, subject: str) -> str | None:
        """What becomes of an event, or None; a rule's `verb` matches the operation's name, `item` the resource's."""
        name = subject.rstrip("/").rpartition("/")[2]
        effects = self._fire_rules(
            frozenset({"event"}), {"method": "", "path": subject, "verb": operation, "item": name}
        )
        return str(effects[0]["event"]) if effects else None

    def _fire_rules(self, kinds: frozenset[str], facts: dict[str, str]) -> list[Json]:
        fired: list[Json] = []
        for key, rule in sorted(self._store.items(KIND)):
            if kinds.isdisjoint(rule["effect"]) or not _matches_call(rule.get("match", {}), facts):
                continue
            rule["matched"] += 1
            if _is_its_turn(rule, key):
                rule["fired"] += 1
                fired.append(rule["effect"])
            self._store.put(KIND, key, rule)
        return fired


def _matches_call(match: Json, facts: dict[str, str]) -> bool:
    return all(fnmatchcase(facts[name].lower(), str(match[name]).lower()) for name in GLOBS if match.get(name))


def _is_its_turn(rule: Json, key: str) -> bool:
    match = rule.get("match", {})
    if match.get("times") is not None and rule["fired"] >= match["times"]:
        return False
    if match.get("nth") is not None:
        return bool(rule["matched"] == match["nth"])
    chance = match.get("probability")
    return chance is None or random.Random(f"{rule['seed']}/{key}/{rule['matched']}").random() < chance


def _require_rule(at: int, rule: Any) -> None:
    if not isinstance(rule, dict) or not isinstance(rule.get("effect"), dict):
        raise _rule_error(at, "effect is required")
    effect, match = rule["effect"], rule.get("match", {})
    _require_match(at, match)
    if len(EFFECTS & set(effect)) != 1:
        raise _rule_error(at, f"effect must have exactly one of {', '.join(sorted(EFFECTS))}")
    if unknown := set(rule) - {"name", "match", "effect"}:
        raise _rule_error(at, f"unknown {', '.join(sorted(unknown))}")
    _require_effect(at, effect)


def _require_match(at: int, match: Any) -> None:
    if not isinstance(match, dict):
        raise _rule_error(at, "match must be an object")
    if unknown := set(match) - MATCHES:
        raise _rule_error(at, f"match has unknown {', '.join(sorted(unknown))}")
    for name, value in match.items():
        if value is not None and not MATCH_FITS[name](value):
            raise _rule_error(at, f"match.{name} cannot be {value!r}")


def _require_effect(at: int, effect: Json) -> None:
    (kind,) = EFFECTS & set(effect)
    if not FITS[kind](effect[kind]):
        raise _rule_error(at, f"effect.{kind} cannot be {effect[kind]!r}")


def _rule_error(at: int, what: str) -> ArmError:
    return ArmError(400, "InvalidFaultRule", f"rules[{at}]: {what}")
