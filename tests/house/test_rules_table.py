"""`docs/rules.md` names for every rule the code that keeps it and the tests that notice; all of it must exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.house.tree import ROOMS, ROOT, python_files
from tests.scenarios.test_golden import GOLDENS

pytestmark = pytest.mark.house

TABLE = ROOT / "docs" / "rules.md"
# The page that the rules come from stands beside the repository where the program is built, and only there.
ORIGIN = ROOT.parent / "shared" / "rules.md"
IDS = {
    *(f"S{n}" for n in range(1, 34)), *(f"X{n}" for n in range(1, 15)), *(f"E{n}" for n in range(1, 14)),
    *(f"A{n}" for n in range(1, 38)), *(f"D{n}" for n in range(1, 11)), *(f"G{n}" for n in range(1, 23)),
    "G3b", "G7b", "G12b",
}  # fmt: skip
AN_ID = re.compile(r"\b[SXEADG][1-9][0-9]?b?\b")
WITHOUT_CODE = ("later: ", "context: ")


@cache
def rows() -> dict[str, tuple[str, str, str]]:
    """Return each id's cells: in short, kept by, noticed by."""
    found = {}
    for line in TABLE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("| ") and AN_ID.fullmatch(cells[0]):
            assert len(cells) == 4, line
            assert cells[0] not in found, f"{cells[0]} has two lines"
            found[cells[0]] = (cells[1], cells[2], cells[3])
    return found


@cache
def names_in(file: Path) -> set[str]:
    """Return what a module defines: its functions, classes and their members, its variables and its imports."""
    found: set[str] = set()

    def take(body: list[ast.stmt], before: str) -> None:
        for node in body:
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    found.add(before + node.name)
                case ast.ClassDef():
                    found.add(before + node.name)
                    take(node.body, f"{before}{node.name}.")
                case ast.Assign():
                    found.update(before + target.id for target in node.targets if isinstance(target, ast.Name))
                case ast.AnnAssign() if isinstance(node.target, ast.Name):
                    found.add(before + node.target.id)
                case ast.Import() | ast.ImportFrom():
                    found.update(before + (alias.asname or alias.name) for alias in node.names)

    take(ast.parse(file.read_text()).body, "")
    return found


def code_exists(dotted: str) -> bool:
    """Tell whether a dotted path names a module of ours, or something that one defines."""
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:end])
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                return end == len(parts) or ".".join(parts[end:]) in names_in(file)
    return False


def test_exists(reference: str) -> bool:
    """Tell whether a test, or a golden timeline, is there."""
    if "::" not in reference:
        return any(golden.name.split()[0] == reference for golden in GOLDENS)
    file, name = reference.split("::")
    return (ROOT / "tests" / file).is_file() and name in names_in(ROOT / "tests" / file)


test_exists.__test__ = False  # type: ignore[attr-defined]


def quoted(cell: str) -> list[str]:
    """Return what stands between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def test_every_rule_has_one_line_and_no_line_is_of_no_rule() -> None:
    assert set(rows()) == IDS


def test_every_rule_names_code_that_is_there_or_says_why_it_has_none() -> None:
    bare = [rule for rule, (_, code, _) in rows().items() if not quoted(code) and not code.startswith(WITHOUT_CODE)]
    gone = [
        f"{rule}: {name}" for rule, (_, code, _) in rows().items() for name in quoted(code) if not code_exists(name)
    ]
    assert (bare, gone) == ([], [])


def test_every_rule_names_tests_that_are_there() -> None:
    bare = [rule for rule, (_, code, tests) in rows().items() if not quoted(tests) and not code.startswith("context: ")]
    gone = [
        f"{rule}: {name}" for rule, (_, _, tests) in rows().items() for name in quoted(tests) if not test_exists(name)
    ]
    assert (bare, gone) == ([], [])


def test_every_rule_says_in_a_few_words_what_it_is() -> None:
    assert [rule for rule, (words, _, _) in rows().items() if not 8 <= len(words) <= 120] == []


def test_the_code_names_no_rule_that_the_table_lacks() -> None:
    strange = [
        f"{file}: {rule}"
        for file in python_files(*ROOMS, "billing_project")
        for text in docstrings(file)
        for rule in AN_ID.findall(text)
        if rule not in IDS
    ]
    assert strange == []


def docstrings(file: Path) -> list[str]:
    """Return the docstrings of a module."""
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    nodes = (node for node in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(node, kinds))
    return [text for node in nodes if (text := ast.get_docstring(node))]


@pytest.mark.skipif(not ORIGIN.is_file(), reason="the page that the rules come from is not here")
def test_the_list_of_ids_is_that_of_the_page_they_come_from() -> None:
    text = ORIGIN.read_text()
    listed = set(re.findall(r"^\| ([SXEAD]\d+) \|", text, re.M)) | set(re.findall(r"^\*\*(G\d+)", text, re.M))
    assert listed | set(re.findall(r"\*\*(G\d+b)", text)) == IDS


def test_a_name_that_is_not_there_would_be_found() -> None:
    assert code_exists("delinquency.rules.calendar.Calendar.next_open")
    assert not code_exists("delinquency.rules.calendar.Calendar.next_opened")
    assert not test_exists("scenarios/test_golden.py::test_the_sweeps_do_not_live_it")
    assert (test_exists("G9"), test_exists("G99")) == (True, False)
