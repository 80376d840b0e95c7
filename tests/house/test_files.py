"""What the repository's files may not say: paths of somebody's machine, hosts of registries, secrets."""

import re

import pytest

from tests.house.tree import ROOT, tracked_files

pytestmark = pytest.mark.house

# Written in pieces, so that this file does not find itself.
MACHINE_PATHS = re.compile("|".join((r"/ro" + r"ot/", r"/ho" + r"me/[a-z]", r"/Us" + r"ers/", r"[A-Z]:\\\\Us" + "ers")))
REGISTRIES = re.compile("|".join((r"py" + r"pi\.(org|python)", "pythonhosted" + r"\.org", "registry" + r"\.npmjs")))
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
PRIVATE_KEY = re.compile("BEGIN [A-Z ]*PRIV" + "ATE KEY")
TEXT = {
    "", ".cfg", ".css", ".csv", ".example", ".html", ".in", ".js", ".json", ".md", ".py", ".sh", ".svg",
    ".toml", ".txt", ".yaml", ".yml",
}  # fmt: skip


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("a path of somebody's machine", MACHINE_PATHS),
        ("the host of a package registry", REGISTRIES),
        ("something unfinished", UNFINISHED),
        ("a private key", PRIVATE_KEY),
    ],
)
def test_no_file_contains(what: str, pattern: re.Pattern[str]) -> None:
    found = [
        f"{file}:{number}"
        for file in tracked_files()
        if file.suffix in TEXT
        for number, line in enumerate((ROOT / file).read_text(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == [], f"found {what}"


def test_scripts_can_be_run() -> None:
    scripts = [file for file in tracked_files() if file.parts[0] == "script" and not file.suffix]
    assert scripts
    for file in (*scripts, ".ci/run"):
        assert (ROOT / file).stat().st_mode & 0o111, f"{file} is not executable"


def test_what_is_made_on_the_machine_is_not_in_the_repository() -> None:
    made = {"var", ".venv", "__pycache__"}
    assert [file for file in tracked_files() if made & set(file.parts)] == []
