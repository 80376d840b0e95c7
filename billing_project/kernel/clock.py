"""The only door to the wall clock, and the rule for local times.

Nothing else in the project may ask for the time (ruff and a house test see to
that), so history can be made and tests can be told what time it is::

    with clock.at(instant):
        run_tick()          # everything inside sees that instant

**Local times that do not exist, or exist twice.** A local time inside the hour
that a clock change skips (the gap) is moved forward by the length of the gap:
02:30 becomes 03:30. A local time that a clock change repeats (the fold) means
its first occurrence. So each local day has each of its appointed times once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime
from functools import lru_cache
from time import monotonic
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .errors import Refused

__all__ = ["at", "instant", "is_set", "local", "monotonic", "now", "real_seconds", "today", "zone"]

_set_to: ContextVar[datetime | None] = ContextVar("clock_set_to", default=None)


def now() -> datetime:
    """Return the present instant, aware and in UTC."""
    return _set_to.get() or datetime.now(UTC)


def real_seconds() -> float:
    """Return the seconds since 1970 of the true present, also where the clock was set: for sign-ins alone."""
    return real_now().timestamp()


def real_now() -> datetime:
    """Return the true present, also where the clock was set: sessions of browsers begin and end by it."""
    return datetime.now(UTC)


def is_set() -> bool:
    """Tell whether the running context was given a time by :func:`at`."""
    return _set_to.get() is not None


def today(zone_name: str | ZoneInfo = "UTC") -> date:
    """Return the present calendar day in a zone; raises Refused if it is unknown."""
    return local(now(), zone_name).date()


def local(moment: datetime, zone_name: str | ZoneInfo) -> datetime:
    """Return the naive local time that a clock in the zone shows at an instant."""
    _require_aware(moment)
    return moment.astimezone(_as_zone(zone_name)).replace(tzinfo=None, fold=0)


def instant(local_time: datetime, zone_name: str | ZoneInfo) -> datetime:
    """Return the instant (UTC) of a naive local time in the zone.

    A time in the gap is moved forward by the gap, a time in the fold is its
    first occurrence; see the head of this module.
    """
    if local_time.tzinfo is not None:
        raise ValueError(f"{local_time!r} is aware; a local time must be naive")
    # With fold=0 zoneinfo applies the offset in force *before* the change,
    # which is exactly "forward by the gap" and "the first of the two".
    return local_time.replace(tzinfo=_as_zone(zone_name), fold=0).astimezone(UTC)


@contextmanager
def at(moment: datetime) -> Iterator[datetime]:
    """Set the clock for the running context (thread or task) to an instant."""
    _require_aware(moment)
    token = _set_to.set(moment.astimezone(UTC))
    try:
        yield moment
    finally:
        _set_to.reset(token)


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Return the zone of an IANA name; raises Refused if there is none such."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError) as error:
        raise Refused(
            "unknown_zone",
            f"The time zone {name!r} is unknown; use an IANA name such as 'America/New_York'.",
        ) from error


def _as_zone(zone_name: str | ZoneInfo) -> ZoneInfo:
    return zone_name if isinstance(zone_name, ZoneInfo) else zone(zone_name)


def _require_aware(moment: datetime) -> None:
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise ValueError(f"{moment!r} is naive; an instant must be aware")
