"""Pure: what becomes of the order that is under way when a line should be something else (D10, G9).

An order leaves at the moment it is handed to the device. Before that it can be taken back as if it
had never been; after that only a newer order undoes it.
"""

from dataclasses import dataclass

from .desired import OPEN, rank


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The open order for a line: its level, and whether the device may have seen it already.

    ``same_list``: it names the list that is wanted.
    """

    level: str
    may_have_left: bool
    same_list: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do: end the pending order as ``cancelled`` or ``superseded`` or not, send a new one or not."""

    end_pending_as: str = ""
    send: bool = False
    restores: bool = False


def decide(
    *, wanted: str, observed: str, pending: Pending | None, sure: bool = True, same_list: bool = True
) -> Decision:
    """Return what must happen so that a line becomes ``wanted``.

    ``sure`` is False if an earlier order may have reached the device without anybody having read it back;
    ``same_list`` is False if the line was seen in another address list than it should be in.
    """
    if pending is not None and pending.level == wanted and pending.same_list:
        return Decision()
    left = pending is not None and pending.may_have_left
    if wanted == observed and same_list and sure and not left:
        # Nothing has left, and the line is as it should be again: no order, no trace on the device.
        return Decision(end_pending_as="cancelled" if pending else "")
    # The line is at worst as hard as whatever may have reached it; freer than that is a restore.
    may_be = max(rank(observed), rank(pending.level)) if pending is not None and left else rank(observed)
    return Decision(
        end_pending_as="superseded" if pending else "",
        send=True,
        restores=rank(wanted) < may_be or wanted == OPEN,
    )
