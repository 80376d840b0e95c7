"""The house limits: small modules, small functions, one clock, a docstring on everything public."""

import ast
from pathlib import Path

import pytest

from tests.house.tree import ROOMS, ROOT, python_files

LINES_OF_A_MODULE = 400
LINES_OF_A_FUNCTION = 70
THE_CLOCK = Path("billing_project/kernel/clock.py")
# What tells the time, whatever it was imported as.
CLOCKS = {
    "datetime.now", "datetime.today", "datetime.utcnow", "date.today", "timezone.now", "timezone.localdate",
    "timezone.localtime", "time.time", "time.time_ns", "time.localtime", "time.gmtime",
}  # fmt: skip

pytestmark = pytest.mark.house


def test_no_module_is_longer_than_the_limit() -> None:
    long = {str(file): count for file in python_files() if (count := _lines(file)) > LINES_OF_A_MODULE}
    assert long == {}


def test_no_function_is_longer_than_the_limit() -> None:
    long = {
        f"{file}:{node.lineno} {node.name}": count
        for file in python_files()
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (count := (node.end_lineno or node.lineno) - node.lineno + 1) > LINES_OF_A_FUNCTION
    }
    assert long == {}


def test_only_the_kernel_clock_tells_the_time() -> None:
    found = [
        f"{file}:{node.lineno} {name}"
        for file in python_files(*ROOMS, "billing_project", "script", "manage.py")
        if file != THE_CLOCK
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.Attribute) and (name := _last_two(node)) in CLOCKS
    ]
    assert found == []


def test_migrations_do_not_ask_the_wall_clock_for_dates_of_business() -> None:
    found = [
        str(file)
        for file in ROOT.glob("*/migrations/*.py")
        if "date.today" in file.read_text() or "datetime.now" in file.read_text()
    ]
    assert found == []


def test_no_floats_touch_money() -> None:
    """A float() in a room is almost always an amount that loses its cents."""
    found = [
        f"{file}:{node.lineno}"
        for file in python_files("invoicing")
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
    ]
    assert found == []


def _lines(file: Path) -> int:
    return len((ROOT / file).read_text().splitlines())


def _tree(file: Path) -> ast.Module:
    return ast.parse((ROOT / file).read_text(), str(file))


def _last_two(node: ast.Attribute) -> str:
    owner = node.value
    if isinstance(owner, ast.Attribute):
        return f"{owner.attr}.{node.attr}"
    return f"{owner.id}.{node.attr}" if isinstance(owner, ast.Name) else ""
