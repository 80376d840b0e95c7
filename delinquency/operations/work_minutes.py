"""How long work takes a person: shipped as an assumption, which the operator then sets (E10)."""

from decimal import Decimal

from ..models import ActMinutes

# Key, words, done by people still, minutes. What people do by hand comes first.
SHIPPED: tuple[tuple[str, str, bool, str], ...] = (
    ("call", "A call made by staff", True, "6.0"),
    ("reply", "An answer to a customer", True, "5.0"),
    ("note", "A note on a ticket", True, "2.0"),
    ("payment", "A payment recorded at the desk", True, "3.0"),
    ("grace", "More time or a promise noted by staff", True, "4.0"),
    ("exception", "An exception looked at and settled", True, "5.0"),
    ("notices", "A reminder written and sent", False, "4.0"),
    ("fees", "A late or reconnection fee charged", False, "3.0"),
    ("tickets", "A ticket opened or closed", False, "2.0"),
    ("charges", "A card or account charged again", False, "3.0"),
    ("cuts", "A line restricted or a status switched", False, "6.0"),
    ("restores", "A line freed or a status put back", False, "6.0"),
    ("payments", "A payment taken and booked by itself", False, "3.0"),
    ("extensions", "More time taken by a customer in the portal", False, "4.0"),
)


def ensure_minutes() -> None:
    """Write the shipped assumptions that are not there yet; what an operator has set stays."""
    ActMinutes.objects.bulk_create(
        (
            ActMinutes(key=key, words=words, by_hand=by_hand, minutes=Decimal(minutes), position=place)
            for place, (key, words, by_hand, minutes) in enumerate(SHIPPED)
        ),
        ignore_conflicts=True,
    )
