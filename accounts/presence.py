"""Who else has a page open (U20): noted and asked in one statement, at most one write a minute by person and page."""

import logging
from datetime import datetime, timedelta

from django.db import DatabaseError, connection

from accounts.models import User
from billing_project.kernel import clock

logger = logging.getLogger(__name__)

# So long somebody is said to look at a page after opening it, and so seldom it is written again.
LOOKS_FOR, WRITTEN_EVERY = timedelta(minutes=2), timedelta(minutes=1)
FORGOTTEN_AFTER = timedelta(hours=1)
NAMED = 4
_ASK = """
    WITH gone AS (
        DELETE FROM accounts_presence WHERE user_id = %(me)s AND seen_at < %(forgotten)s AND page <> %(page)s
    ), noted AS (
        INSERT INTO accounts_presence AS old (user_id, page, seen_at)
        SELECT %(me)s, %(page)s, %(now)s::timestamptz WHERE %(works)s
        ON CONFLICT (user_id, page) DO UPDATE SET seen_at = EXCLUDED.seen_at WHERE old.seen_at <= %(again)s
    )
    SELECT coalesce(nullif(trim(who.first_name || ' ' || who.last_name), ''), who.username), other.seen_at
    FROM accounts_presence AS other JOIN accounts_user AS who ON who.id = other.user_id
    WHERE other.page = %(page)s AND other.seen_at > %(since)s AND other.user_id <> %(me)s AND who.is_active
    ORDER BY other.seen_at DESC LIMIT %(most)s
"""


def look_at(page: str, by: User, *, works: bool) -> str:
    """Note that somebody looks at a page, and return in words who else does; empty where nobody does.

    Who only reads (not ``works``) gets in nobody's way, and is not noted. It is a courtesy: where it cannot be had, the
    page is shown without it.
    """
    now = clock.now()
    given: dict[str, str | int | datetime] = {
        "me": by.pk, "page": page, "now": now, "again": now - WRITTEN_EVERY, "since": now - LOOKS_FOR,
        "forgotten": now - FORGOTTEN_AFTER, "most": NAMED, "works": works,
    }  # fmt: skip
    try:
        with connection.cursor() as cursor:
            cursor.execute(_ASK, given)
            others = cursor.fetchall()
    except DatabaseError as error:
        logger.warning("who looks at %s is not known: %s", page, error)
        return ""
    if not others:
        return ""
    told = [f"{name} ({_ago((now - seen_at).total_seconds())})" for name, seen_at in others]
    return f"{', '.join(told)} {'looks' if len(told) == 1 else 'look'} at this as well."


def _ago(seconds: float) -> str:
    return "just now" if seconds < 60 else "a minute ago"
