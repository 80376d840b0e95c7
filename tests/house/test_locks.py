"""The locks: complete, hashed, and free of anything about the machine that made them."""

import re
from pathlib import Path

import pytest

from tests.house.tree import ROOT

pytestmark = pytest.mark.house

LOCKS = ("requirements.txt", "requirements-dev.txt")
PIN = re.compile(r"^([A-Za-z0-9._-]+)(\[[a-z0-9,-]+\])?==([^\s;]+)")


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_host_no_index_and_no_path(name: str) -> None:
    for line in (ROOT / name).read_text().splitlines():
        assert "//" not in line
        assert " @ " not in line
        assert not line.startswith(("-", "/", "."))


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_of_a_lock_has_hashes(name: str) -> None:
    text = (ROOT / name).read_text()
    entries = re.split(r"^(?=[A-Za-z0-9])", text.split("\n", 1)[1], flags=re.MULTILINE)
    pins = [entry for entry in entries if entry.strip()]
    assert len(pins) > 10
    for entry in pins:
        assert PIN.match(entry), entry
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("name", LOCKS)
def test_what_is_asked_for_is_pinned_and_is_what_the_lock_holds(name: str) -> None:
    locked = _pins(ROOT / name)
    for package, version in _pins((ROOT / name).with_suffix(".in")).items():
        assert locked.get(package) == version
    asked = [line for line in (ROOT / name).with_suffix(".in").read_text().splitlines() if line[:1].isalpha()]
    assert all("==" in line for line in asked)


def test_both_locks_agree_where_they_overlap() -> None:
    run_time, development = (_pins(ROOT / name) for name in LOCKS)
    assert {name: development[name] for name in run_time.keys() & development.keys()} == {
        name: run_time[name] for name in run_time.keys() & development.keys()
    }


def _pins(file: Path) -> dict[str, str]:
    found = (PIN.match(line) for line in file.read_text().splitlines())
    return {re.sub(r"[-_.]+", "-", pin[1]).lower(): pin[3] for pin in found if pin}
