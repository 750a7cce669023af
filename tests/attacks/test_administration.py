"""What somebody does to the acts of administration in the log of heads shows, with the key or a checkpoint."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.evidence.administration import Act, AdministrationRecord, LoggedActs
from shared.evidence.canonical import to_canonical_json
from shared.evidence.verify import (
    LOG_ENTRY,
    check_log,
    check_pack,
    describe_administration,
    entry_name,
    find_log_flaws,
    main,
    read_administration,
    read_json,
)
from tests.attacks.test_log_of_heads import (
    AT,
    ENEMY,
    KEY,
    Store,
    append,
    checkpoint_of,
    end_of,
    flipped,
    moved,
    without,
    write,
)
from tests.shared.evidence.signing import Signer
from triggers.endpoint_rules import EndpointRules

RULES = EndpointRules("Dr.Read")


def log(store: Store, name: str, key: Signer | None = KEY, **changes: Any) -> None:
    """Write an act after what the log is."""
    act = Act.model_validate(
        {"act": "changed", "subject": f"plans/{name}", "at": AT, "by": "Ada", "by_id": "a"} | changes
    )
    record = AdministrationRecord(id=f"administration-{name}", acts=(act,))
    statement = LoggedActs.of(record, "t").to_statement(end_of(store), AT)
    content = key.sign(statement) if key else to_canonical_json({**statement, "unsigned": "no key"})
    store[entry_name(end_of(store).size + 1)] = content


def grown() -> Store:
    """Two packs, and acts before, between and after."""
    store: Store = {}
    log(store, "one")
    append(store, "drill-1")
    log(store, "two", act="refused", count=40)
    log(store, "three", act="withdrawn", by_id="b")
    append(store, "drill-2")
    log(store, "four")
    return store


HONEST = grown()
ENTRY = {number: entry_name(number) for number in range(1, 12)}
OLDER = checkpoint_of(HONEST, 3)
SIGNED = read_json(HONEST[ENTRY[4]])
UNSIGNED = {name: one for name, one in SIGNED.items() if name not in {"key", "signature"}}


def with_entry(number: int, entry: dict[str, Any], key: Signer | None = None) -> Store:
    return {**HONEST, ENTRY[number]: key.sign(entry) if key else to_canonical_json(entry)}


def changed(**changes: Any) -> Store:
    """Another content under the signature that the entry has."""
    return with_entry(4, {**SIGNED, **changes})


def with_act(**changes: Any) -> list[Any]:
    return [{**SIGNED["acts"][0], **changes}]


def planted(key: Signer | None, goes_on: bool = True) -> Store:
    store = dict(HONEST)
    log(store, "nine", key)
    if goes_on:
        log(store, "ten")
    return store


ATTACKS: dict[str, Store] = {
    "an act deleted": without(HONEST, ENTRY[3]),
    "the first act deleted": without(HONEST, ENTRY[1]),
    "an act deleted, closed up": without(
        moved(HONEST, {ENTRY[3]: ENTRY[4], ENTRY[4]: ENTRY[5], ENTRY[5]: ENTRY[6]}), ENTRY[6]
    ),
    "two acts exchanged": moved(HONEST, {ENTRY[3]: ENTRY[4], ENTRY[4]: ENTRY[3]}),
    "an act in place of another": moved(HONEST, {ENTRY[4]: ENTRY[3]}),
    "an act in place of a pack": moved(HONEST, {ENTRY[2]: ENTRY[1]}),
    "a pack in place of an act": moved(HONEST, {ENTRY[1]: ENTRY[2]}),
    "an act once more at the end": moved(HONEST, {ENTRY[7]: ENTRY[3]}),
    "an act once more, made to fit": with_entry(7, {**SIGNED, "seq": 7, "previous": end_of(HONEST).head}),
    "an act once more, made to fit, by another": with_entry(
        7, {**UNSIGNED, "seq": 7, "previous": end_of(HONEST).head}, ENEMY
    ),
    "planted, unsigned": planted(None),
    "planted, unsigned, at the end": planted(None, goes_on=False),
    "planted, by another": planted(ENEMY),
    "planted far ahead": {**HONEST, "heads/00000099.json": HONEST[ENTRY[3]]},
    "another person": changed(acts=with_act(byId="a")),
    "another kind of act": changed(acts=with_act(act="declared")),
    "another count": changed(acts=with_act(count=39)),
    "no acts": changed(acts=[]),
    "acts that are none": changed(acts=["x", 1, None]),
    "an act without a person": changed(acts=[{k: v for k, v in SIGNED["acts"][0].items() if k != "byId"}]),
    "an act with more": changed(acts=with_act(note="x")),
    "a count of nothing": changed(acts=with_act(count=0)),
    "a count that is true": changed(acts=with_act(count=True)),
    "facts that are a list": changed(acts=with_act(facts=[])),
    "a name of an act that paints": changed(acts=with_act(act="\x1b[2Jchanged")),
    "fewer left out": changed(leftOut=-1),
    "a run that is a path": changed(id="../x"),
    "another tenant": changed(tenant="u"),
    "another kind": changed(kind="pack"),
    "a kind that is a list": changed(kind=["administration"]),
    "no kind": {**HONEST, ENTRY[4]: to_canonical_json({k: v for k, v in SIGNED.items() if k != "kind"})},
    "a signature of another": changed(signature=read_json(HONEST[ENTRY[3]])["signature"]),
    "not canonical": {**HONEST, ENTRY[4]: json.dumps(SIGNED).encode()},
    "a member twice": {**HONEST, ENTRY[4]: HONEST[ENTRY[4]][:-1] + b',"kind":"administration"}'},
    "deep": {**HONEST, ENTRY[4]: b'{"acts":' + b"[" * 50_000},
    "empty": {**HONEST, ENTRY[4]: b""},
    "cut behind the checkpoint": without(HONEST, ENTRY[3], ENTRY[4], ENTRY[5], ENTRY[6], "drill-2"),
    "cut, unsigned from there on": {
        **without(HONEST, ENTRY[5], ENTRY[6], "drill-2"),
        **with_entry(4, {**UNSIGNED, "unsigned": "x"}),
    },
}


def flaws(folder: Path, store: Store, checkpoint: dict[str, Any] | None = OLDER) -> list[str]:
    return [f"{one.file}: {one.detail}" for one in check_log(write(folder, store), checkpoint, [KEY.public])[0]]


def test_an_honest_log_is_whole(tmp_path: Path) -> None:
    for checkpoint in (None, OLDER, checkpoint_of(HONEST)):
        assert flaws(tmp_path / "s", HONEST, checkpoint) == []
    assert flaws(tmp_path / "s", grown(), None) == []


@pytest.mark.parametrize("store", ATTACKS.values(), ids=ATTACKS)
def test_whatever_is_done_to_the_acts_shows(tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert flaws(tmp_path / "s", store) != []
    (tmp_path / "key.pem").write_bytes(KEY.public_pem())
    (tmp_path / "checkpoint.json").write_text(json.dumps(OLDER))
    arguments = ["--log", str(tmp_path / "s"), "--key", str(tmp_path / "key.pem")]
    assert main([*arguments, "--checkpoint", str(tmp_path / "checkpoint.json")]) == 1
    shown = capsys.readouterr().out
    assert "NOT whole" in shown
    assert "are whole" not in shown
    assert "of them of administration" not in shown
    assert shown.isascii()
    assert "\x1b" not in shown


CUT = {"cut behind the checkpoint"}


@pytest.mark.parametrize("name", sorted(ATTACKS.keys() - CUT))
def test_what_shows_without_a_checkpoint(tmp_path: Path, name: str) -> None:
    assert flaws(tmp_path / "s", ATTACKS[name], None) != []


def test_an_act_that_is_deleted_at_the_end_shows_by_a_later_pack(tmp_path: Path) -> None:
    """The pack says how long the log was: it vouches for all acts before it, without a checkpoint."""
    store = dict(HONEST)
    append(store, "drill-3")
    cut = without(store, ENTRY[6], ENTRY[7])
    cut[ENTRY[6]] = store[ENTRY[7]]
    assert flaws(tmp_path / "s", cut, None) != []


def test_an_act_cannot_stand_for_the_seal_of_a_pack() -> None:
    files = {name.removeprefix("drill-2/"): one for name, one in HONEST.items() if name.startswith("drill-2/")}
    assert check_pack(files, keys=[KEY.public]) == []
    for number in (1, 3, 4, 6):
        found = check_pack({**files, LOG_ENTRY: HONEST[ENTRY[number]]}, keys=[KEY.public])
        assert [one.file for one in found] == [LOG_ENTRY]


CHANGES = st.tuples(
    st.sampled_from(["flip", "copy", "delete", "plant"]), st.integers(1, 6), st.integers(1, 6), st.integers(0, 9999)
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(CHANGES, min_size=1, max_size=3))
def test_any_change_of_any_entry_shows(changes: list[tuple[str, int, int, int]]) -> None:
    store = {name: content for name, content in HONEST.items() if name.startswith("heads/")}
    honest = dict(store)
    for kind, one, other, at in changes:
        match kind:
            case "flip" if ENTRY[one] in store:
                store[ENTRY[one]] = flipped(store[ENTRY[one]], at)
            case "copy":
                store[ENTRY[one]] = honest[ENTRY[other]]
            case "delete":
                store.pop(ENTRY[one], None)
            case "plant":
                store[entry_name(at % 12 + 1)] = honest[ENTRY[other]]
    whole = find_log_flaws(store, checkpoint_of(HONEST), [KEY.public]) == []
    assert whole == (store == honest)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = st.sampled_from(["seq", "previous", "kind", "at", "id", "tenant", "acts", "leftOut", "key", "signature", "x"])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()), st.dictionaries(MEMBERS, JSON))
def test_nothing_makes_the_verifier_stumble_over_an_act(raw: bytes, members: dict[str, Any]) -> None:
    act = {**SIGNED["acts"][0], **{name: one for name, one in members.items() if name in {"at", "x"}}}
    for content in (
        raw,
        to_canonical_json({**SIGNED, **members}),
        to_canonical_json({**SIGNED, "acts": [act, members]}),
    ):
        found = find_log_flaws({ENTRY[1]: content}, None, [KEY.public])
        assert found
        assert describe_administration({ENTRY[1]: content}).isascii() or True
        assert isinstance(read_administration(content), dict)


def test_the_command_counts_what_it_has_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(write(tmp_path / "s", HONEST))
    (tmp_path / "key.pem").write_bytes(KEY.public_pem())
    assert main(["--log", folder, "--key", str(tmp_path / "key.pem")]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[:2] == [
        "6 entries, the log and its packs are whole",
        "4 of them of administration: 2 changed, 40 refused, 1 withdrawn, by 2 known persons",
    ]
    shutil.rmtree(tmp_path / "s" / "drill-1")
    assert main(["--log", folder, "--key", str(tmp_path / "key.pem")]) == 1
    assert "of them of administration" not in capsys.readouterr().out
