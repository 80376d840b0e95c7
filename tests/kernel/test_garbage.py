"""The search for garbage waits for the end of a chunk, and goes on after it, however it ended."""

import gc

import pytest

from billing_project.kernel.garbage import left_for_later


def test_no_search_within_and_again_after_the_outermost() -> None:
    assert gc.isenabled()
    with left_for_later():
        with left_for_later():
            assert not gc.isenabled()
        assert not gc.isenabled(), "the outer chunk goes on"
    assert gc.isenabled()


def test_a_chunk_that_fails_leaves_the_search_on() -> None:
    with pytest.raises(ValueError, match="broken"), left_for_later():
        raise ValueError("broken")
    assert gc.isenabled()


def test_where_it_was_off_it_stays_off() -> None:
    gc.disable()
    try:
        with left_for_later():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
