"""Pure: which group a running session has, and what a RADIUS client's answer means.

The tables tell what the next log-in gets. A session has the group that its client confirmed; else the one that its
``Class`` names; else, if it began after the rows were written, theirs. Otherwise it has what was there before, so an
answer that was lost never counts as done.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from .desired import NOTHING, Held, rank
from .radius_groups import Rights, held, mark_of

# Added to the name of the list while tables and sessions differ, so that it is taken for neither of the two.
NOT_YET, STILL = ", at next log-in", ", until log-off"
NO_EFFECT, TWICE = ", no effect", ", more than once"
UNKNOWN = "?"
NO_SESSION = 503
CAUSES = {
    201: "Residual-Session-Context-Removed", 202: "Invalid-EAP-Packet", 401: "Unsupported-Attribute",
    402: "Missing-Attribute", 403: "NAS-Identification-Mismatch", 404: "Invalid-Request", 405: "Unsupported-Service",
    406: "Unsupported-Extension", 407: "Invalid-Attribute-Value", 501: "Administratively-Prohibited",
    502: "Request-Not-Routable", 503: "Session-Context-Not-Found", 504: "Session-Context-Not-Removable",
    505: "Other-Proxy-Processing-Error", 506: "Resources-Unavailable", 507: "Request-Initiated",
    508: "Multiple-Session-Selection-Unsupported",
}  # fmt: skip
REMEDIES = {
    401: "The client does not know an attribute of the group; choose others in the option \"attributes\".",
    402: "The client wants to know the session by something that accounting does not tell, or takes no CoA; try the"
    ' method "disconnect".',
    403: "The request reached another client than the session's; mend \"send_to\" in the option \"nas\".",
    405: 'The client takes no CoA; use the method "disconnect".',
    501: "Allow this machine to send CoA and Disconnect on the client (MikroTik: /radius incoming set accept=yes).",
    502: "The proxy in between does not know the way to the session's client.",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One open session as accounting tells it; ``key`` is unique, ``id`` is what the client calls it."""

    key: str
    id: str
    username: str
    nas: str
    address: str = ""
    began_at: datetime | None = None
    session_class: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """When our rows of a subscriber were written last: what they say since then, and what they said before."""

    group: str
    before: str
    at: datetime


def group_of(session: Session, row_group: str, answers: Mapping[str, str], written: Written | None) -> str:
    """Return the group that a session has; blank if it has only the subscriber's own, UNKNOWN if nothing tells."""
    if session.key in answers:
        return answers[session.key]
    if mark := mark_of(session.session_class):
        return mark.list_name
    if written is None:
        return UNKNOWN if row_group else ""
    if written.group != row_group:
        return UNKNOWN  # somebody else changed the rows, and nobody knows when
    return row_group if session.began_at is not None and session.began_at > written.at else written.before


def seen_of(rights: Rights, session_groups: Sequence[str], levels: Mapping[str, str]) -> Held:
    """Return what a subscriber is: what the rows say, if every session has it.

    If one differs, the harder of the two is returned under a name of no list: it agrees with nothing that may be
    wanted, so the rows of somebody who should be open are never forgotten, and a session is never taken for restricted.
    """
    rows = held(rights.group, levels)
    if rights.ours and (rights.defeated_by or len(rights.ours) > 1):
        kept = held(rights.ours[0], levels)
        return Held(level=kept.level, list_name=kept.list_name + (NO_EFFECT if rights.defeated_by else TWICE))
    different = [found for name in session_groups if (found := _held(name, levels)) != rows]
    if not different:
        return rows
    hardest = max(different, key=lambda one: rank(one.level))
    if rank(hardest.level) > rank(rows.level):
        return Held(level=hardest.level, list_name=hardest.list_name + STILL)
    return Held(level=rows.level, list_name=rows.list_name + NOT_YET)


def foreign_of(rights: Rights, levels: Mapping[str, str]) -> Held:
    """Return what somebody else's row makes of a subscriber, and whether anything comes of it."""
    found = held(rights.foreign, levels)
    without = rights.defeated_by and not rights.ours
    return Held(level=found.level, list_name=found.list_name + NO_EFFECT) if without else found


def _held(name: str, levels: Mapping[str, str]) -> Held:
    """Return what a session's group is; of one that is no list any more, or unknown, that it is no open one."""
    if not name:
        return NOTHING
    return held(name, levels) if name in levels else Held(level="throttle", list_name=name)


def cause_words(code: int | None) -> str:
    """Return an Error-Cause by number and name, with the way to mend it."""
    if code is None:
        return "it gives no reason (no Error-Cause)."
    name = f"{code} {CAUSES[code]}" if code in CAUSES else f"{code}"
    return f"Error-Cause {name}. {REMEDIES.get(code, '')}".strip()


def in_words(names: Iterable[str], most: int = 3) -> str:
    """Return the first few of some names, and how many more there are."""
    found = list(dict.fromkeys(names))
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more
