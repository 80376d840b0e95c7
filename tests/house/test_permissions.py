"""Permissions are named where they exist: in the table of roles, in what pages ask for, and nowhere in vain."""

import ast
import re
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission

from delinquency import roles
from tests.house.tree import ROOMS, ROOT

pytestmark = [pytest.mark.house, pytest.mark.django_db]
ASKS = ("has_perm", "has_perms", "need")
NAME = re.compile(r"[a-z]+\.[a-z_]+")


def known() -> set[str]:
    return {f"{app}.{code}" for app, code in Permission.objects.values_list("content_type__app_label", "codename")}


def asked_for() -> Iterator[tuple[str, str]]:
    """Yield each permission that code asks for in so many words, and where."""
    for room in (*ROOMS, "billing_project"):
        for file in sorted((ROOT / room).rglob("*.py")):
            if "migrations" in file.parts:
                continue
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and _name_of(node.func) in ASKS:
                    for text in (part for argument in node.args for part in ast.walk(argument)):
                        if (
                            isinstance(text, ast.Constant)
                            and isinstance(text.value, str)
                            and NAME.fullmatch(text.value)
                        ):
                            yield text.value, f"{file.relative_to(ROOT)}:{node.lineno}"


def _name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def test_each_permission_of_a_role_exists() -> None:
    codenames = {name.partition(".")[2] for name in known()}
    for role in roles.ROLES:
        assert set(role.does) - codenames - {"*"} == set(), role.name


def test_each_permission_that_is_asked_for_exists() -> None:
    found, there = list(asked_for()), known()
    assert len(found) > 50
    assert [(name, place) for name, place in found if name not in there] == []


def test_each_verb_is_asked_for_somewhere() -> None:
    """A permission that nothing asks for promises what it does not keep."""
    sources = "\n".join(
        file.read_text()
        for room in ROOMS
        for file in (ROOT / room).rglob("*.py")
        if not {"migrations", "models"} & set(file.parts) and file.name != "roles.py"
    )
    verbs = {
        code
        for room in ROOMS
        for model in apps.get_app_config(room).get_models()
        for code, _ in model._meta.permissions
    }
    assert sorted(verb for verb in verbs if verb not in sources) == []
