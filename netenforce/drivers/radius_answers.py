"""What is remembered of a RADIUS device: which group a client confirmed for a session, and when rows were written.

A row without a session tells of the tables: what we wrote there last, when by the database's own clock, and what they
said before. It tells a session that began since from one that has run all along.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Q

from billing_project.kernel import clock
from netenforce.models import Device, RadiusAnswer
from netenforce.rules.radius_sessions import Session, Written


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """By subscriber: when our rows were written, and the group of each session whose client was asked."""

    written: Mapping[str, Written] = field(default_factory=dict)
    sessions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def of(self, username: str) -> Mapping[str, str]:
        """Return the group of each session of a subscriber that is remembered."""
        return self.sessions.get(username, {})


def read_answers(device: Device, usernames: Iterable[str] | None = None) -> Answers:
    """Return what is remembered of some subscribers, or of all, in one query."""
    rows = RadiusAnswer.objects.filter(device=device)
    if usernames is not None:
        rows = rows.filter(username__in=list(usernames))
    written: dict[str, Written] = {}
    sessions: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        if row.session_id:
            sessions[row.username][row.session_id] = row.list_name
        else:
            written[row.username] = Written(group=row.list_name, before=row.before_list, at=row.at)
    return Answers(written=written, sessions=dict(sessions))


@transaction.atomic
def keep_answers(
    device: Device,
    known: Answers,
    wanted: Mapping[str, str],
    sessions: Mapping[str, Sequence[Session]],
    told: Mapping[str, str | None],
    marks: Mapping[str, Written],
) -> None:
    """Remember what clients said (None: what is wanted) and what was written; forget sessions that are over."""
    running = {session.key for found in sessions.values() for session in found}
    over = {key for name in wanted for key in known.of(name)} - running
    # Of somebody who is open and has no session nothing needs to be known.
    nobody = [name for name, group in wanted.items() if not group and name not in sessions]
    RadiusAnswer.objects.filter(
        Q(username__in=list(wanted), session_id__in=list(over)) | Q(username__in=nobody), device=device
    ).delete()
    at = clock.now()
    rows = [
        RadiusAnswer(
            device=device, username=name, session_id=session.key, list_name=wanted[name] if group is None else group,
            at=at,
        )
        for name, found in sessions.items()
        for session in found
        if session.key in told
        for group in [told[session.key]]
    ]  # fmt: skip
    rows += [
        RadiusAnswer(
            device=device, username=name, session_id="", list_name=one.group, before_list=one.before, at=one.at
        )
        for name, one in marks.items()
        if name not in nobody
    ]
    RadiusAnswer.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["device", "username", "session_id"],
        update_fields=["list_name", "before_list", "at"],
    )
