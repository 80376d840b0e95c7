"""Pure: what comes of a call that staff made for a policy (E3)."""

from datetime import timedelta

# Nobody was reached and no word was left: worth another try a little later, but not for ever.
TRY_AGAIN_AFTER = {
    "busy": timedelta(minutes=30),
    "no_answer": timedelta(hours=2),
    "failed": timedelta(hours=2),
}
TRIES_MAX = 3
# A connection that failed says as much about the customer as one that nobody picked up.
SAME_AS = {"failed": "no_answer"}


def after_call(outcome: str, tries: int) -> timedelta | None:
    """Return after how long to try again when `tries` calls were made, the last with this outcome; None: settled."""
    return TRY_AGAIN_AFTER.get(outcome) if tries < TRIES_MAX else None


def settled_as(outcome: str) -> str:
    """Return the outcome that a settled task keeps, for the outcome of its last call."""
    return SAME_AS.get(outcome, outcome)
