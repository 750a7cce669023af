"""A pack that was sealed is found out when anything of it is altered, and by the first record that was."""

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.evidence.chain import EvidenceEntry, build_manifest, build_record, record_name
from shared.evidence.verify import MANIFEST, check_pack, first_previous, load_pack, main, seal_of, sha256_of

AT = datetime(2027, 3, 1, 3, tzinfo=UTC)


RUN = "drill-1"
LAST = record_name(5, "outcome")


def pack(records: int = 4, run: str = RUN) -> dict[str, bytes]:
    """So many records of jobs, and the outcome."""
    files: dict[str, bytes] = {}
    listed, head = [], first_previous(run)
    for seq in range(1, records + 2):
        kind = "job" if seq <= records else "outcome"
        attached = f"job-{seq}.json"
        files[f"attachments/{attached}"] = f'{{"job": {seq}}}\n'.encode()
        entry = EvidenceEntry(kind=kind, at=AT, body={"vm": f"vm-{seq}"}, attach=(attached,))
        content = build_record(seq, head, entry, {attached: sha256_of(files[f"attachments/{attached}"])})
        name, head = record_name(seq, kind), sha256_of(content)
        files[name] = content
        listed.append((name, head))
    return files | {MANIFEST: build_manifest(run, listed, {"state": "succeeded"})}


def head_of(files: dict[str, bytes]) -> str:
    return str(json.loads(files[MANIFEST])["head"])


def test_a_pack_that_nobody_touched_is_as_it_was_sealed() -> None:
    files = pack()
    assert check_pack(files, head_of(files)) == []


@given(st.data())
def test_one_altered_byte_anywhere_is_found_and_named(data: st.DataObject) -> None:
    files = pack()
    name = data.draw(st.sampled_from(sorted(files)))
    at = data.draw(st.integers(0, len(files[name]) - 1))
    other = data.draw(st.integers(1, 255))
    content = files[name]
    altered = content[:at] + bytes([content[at] ^ other]) + content[at + 1 :]
    found = check_pack({**files, name: altered})
    assert found
    if name.startswith("records/"):
        assert found[0].file == name
    if name.startswith("attachments/"):
        number = int(name.removeprefix("attachments/job-").removesuffix(".json"))
        assert found[0].file == record_name(number, "job" if number < 5 else "outcome")


@pytest.mark.parametrize("key", [b'"name"', b'"sha256"'])
def test_a_manifest_whose_keys_were_altered_is_told_and_not_stumbled_over(key: bytes) -> None:
    files = pack()
    files[MANIFEST] = files[MANIFEST].replace(key, b'"nobody"', 1)
    found = check_pack(files)
    assert MANIFEST in {one.file for one in found}
    assert "is not in the manifest" in {one.detail for one in found}


def test_a_blank_more_in_the_manifest_is_an_alteration_too() -> None:
    files = pack()
    files[MANIFEST] = files[MANIFEST].replace(b",", b", ", 1)
    assert [one.file for one in check_pack(files)] == [MANIFEST]


def test_the_first_of_several_altered_records_is_named_first() -> None:
    files = pack()
    files[record_name(4, "job")] += b" "
    files[record_name(2, "job")] += b" "
    assert check_pack(files)[0].file == record_name(2, "job")


def test_a_record_that_is_gone_or_was_put_in_is_found() -> None:
    files = pack()
    without = {name: content for name, content in files.items() if name != record_name(3, "job")}
    assert check_pack(without)[0] == (record_name(3, "job"), "is missing")
    assert check_pack({**files, record_name(6, "job"): b"{}"})[0].file == record_name(6, "job")
    assert [one.file for one in check_pack({**files, "attachments/more.json": b"{}"})] == ["attachments/more.json"]


def test_records_and_manifest_rewritten_together_do_not_end_with_the_head_that_was_told() -> None:
    files, forged = pack(), pack(3)
    assert check_pack(forged) == []
    assert [one.detail.split(" with ")[0] for one in check_pack(forged, head_of(files))] == ["ends"]


def test_a_manifest_whose_seal_was_made_again_for_an_altered_record_still_breaks_the_chain() -> None:
    files = pack()
    name = record_name(2, "job")
    files[name] = files[name].replace(b"vm-2", b"vm-9")
    told = json.loads(files[MANIFEST])
    told["records"][1]["sha256"] = sha256_of(files[name])
    files[MANIFEST] = json.dumps({**told, "seal": seal_of(told)}).encode()
    assert check_pack(files)[0].file == record_name(3, "job")


def test_a_pack_without_a_manifest_was_not_sealed() -> None:
    files = pack()
    del files[MANIFEST]
    assert [one.file for one in check_pack(files)] == [MANIFEST]


def test_the_command_reads_a_folder_or_a_zip_and_says_what_it_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = pack()
    for name, content in files.items():
        place = tmp_path / "pack" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    with zipfile.ZipFile(tmp_path / "pack.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    assert load_pack(tmp_path / "pack") == load_pack(tmp_path / "pack.zip") == files
    assert main([str(tmp_path / "pack.zip"), head_of(files)]) == 0
    (tmp_path / "pack" / record_name(2, "job")).write_bytes(b"{}")
    assert main([str(tmp_path / "pack")]) == 1
    assert f"{record_name(2, 'job')}: was altered" in capsys.readouterr().out
    assert main([str(tmp_path / "nothing")]) == 2
    assert main([]) == 2
