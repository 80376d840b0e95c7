"""A move is allowed by the table of its model, or refused in words."""

from enum import StrEnum

import pytest

from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.moves import check_move


class Stage(StrEnum):
    OPEN = "open"
    RESTRICTED = "restricted"
    CLOSED = "closed"


MOVES = {Stage.OPEN: {Stage.RESTRICTED, Stage.CLOSED}, Stage.RESTRICTED: {Stage.OPEN, Stage.CLOSED}}


def test_what_the_table_allows_passes() -> None:
    check_move(MOVES, Stage.OPEN, Stage.RESTRICTED)


@pytest.mark.parametrize(("current", "wanted"), [(Stage.CLOSED, Stage.OPEN), (Stage.OPEN, Stage.OPEN)])
def test_anything_else_is_refused(current: Stage, wanted: Stage) -> None:
    with pytest.raises(StaleState) as refused:
        check_move(MOVES, current, wanted)
    assert isinstance(refused.value, Refused)
    assert current.value in str(refused.value)
    assert wanted.value in str(refused.value)
