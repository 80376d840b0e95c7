"""The town's own words: a reminder that the clerk has edited, and edited again."""

from accounts.models import User
from accounts.outreach import editing
from accounts.outreach.rendering import Text

SUBJECT = "{{ contact_name }}, {{ currency }} {{ amount_due }} is past due"
FIRST = """Hello {{ contact_name }},

{{ currency }} {{ amount_due }} has not reached us yet.{% if oldest_invoice != "" %} It is for invoice \
{{ oldest_invoice }}{% if oldest_due_on != "" %}, due on {{ oldest_due_on }}{% endif %}.{% endif %}

{% if pay_url != "" %}Pay online: {{ pay_url }}{% endif %}

{{ company_name }}
Account {{ account_number }}, {{ account_name }}"""
SECOND = FIRST.replace(
    "{% if pay_url",
    "It may simply have slipped through. If your payment is on its way, thank you.\n\n"
    '{% if next_step != "" %}What happens next: {{ next_step }}{% endif %}\n\n{% if pay_url',
    1,
)


def first_words(by: User) -> None:
    """Let the clerk publish a shorter reminder."""
    _publish(SUBJECT, FIRST, "Shorter, and with the name in the subject", by)


def better_words(by: User) -> None:
    """Let the clerk publish it again, after customers asked what happens next."""
    _publish(SUBJECT, SECOND, "Customers asked what happens next", by)


def _publish(subject: str, body: str, note: str, by: User) -> None:
    place = editing.place_of("past_due", "email", "en")
    assert place is not None
    editing.save_draft(place, Text(subject, body), by=by)
    editing.publish(place, note=note, by=by)
