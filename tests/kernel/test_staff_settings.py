"""The variable that says whether staff must give a second factor."""

import pytest
from environs import Env

from billing_project.channels import Wrong
from billing_project.staff_settings import read_two_factor


@pytest.mark.parametrize(
    ("text", "debug", "read"),
    [
        ("", None, "offered"),
        ("", True, "required"),
        ("", False, "required"),
        ("required", None, "required"),
        ("offered", True, "offered"),
    ],
)
def test_unset_means_required_everywhere_but_in_the_demo(
    monkeypatch: pytest.MonkeyPatch, text: str, debug: bool | None, read: str
) -> None:
    monkeypatch.setenv("STAFF_TWO_FACTOR", text)
    assert read_two_factor(Env(), "STAFF_TWO_FACTOR", debug=debug) == read


@pytest.mark.parametrize(("text", "debug"), [("offered", False), ("no", None)])
def test_production_takes_nothing_less_and_no_other_word_is_taken(
    monkeypatch: pytest.MonkeyPatch, text: str, debug: bool | None
) -> None:
    monkeypatch.setenv("STAFF_TWO_FACTOR", text)
    with pytest.raises(Wrong, match="required"):
        read_two_factor(Env(), "STAFF_TWO_FACTOR", debug=debug)
