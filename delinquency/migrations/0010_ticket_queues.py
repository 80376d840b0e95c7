"""Every ticket gets its queue as a row, and its kind; what was closed by payment says so."""

from datetime import time

from django.db import migrations

QUEUES = {"billing": ("Billing", 480, 240, 1), "support": ("Support", 240, 240, 2)}
PAID = "Everything the ticket was about is paid."


def fill(apps, _editor):
    """Make the queues that the tickets there are stand in, and move them over."""
    ticket, history = apps.get_model("delinquency", "Ticket"), apps.get_model("delinquency", "HistoricalTicket")
    queue_model, hours = apps.get_model("delinquency", "TicketQueue"), apps.get_model("delinquency", "QueueHours")
    company = apps.get_model("accounts", "Company").objects.order_by("pk").first()
    if not ticket.objects.exists() and not history.objects.exists():
        return  # an empty desk is furnished when all rooms are there
    for word, (name, first, later, position) in QUEUES.items():
        queue, made = queue_model.objects.get_or_create(
            name=name,
            defaults={
                "first_response_minutes": first, "next_response_minutes": later, "position": position,
                "timezone": company.timezone if company else "UTC",
            },
        )
        if made:
            hours.objects.bulk_create(
                hours(queue=queue, weekday=day, opens=time(8), closes=time(18)) for day in range(5)
            )
        ticket.objects.filter(queue_word=word).update(queue=queue)
        history.objects.filter(queue_word=word).update(queue=queue)
    comments = apps.get_model("delinquency", "TicketComment")
    comments.objects.filter(author__isnull=True, internal=True).update(direction="event")
    for model in (ticket, history):
        model.objects.filter(is_delinquency=False).update(kind="other")
        model.objects.filter(state="closed", closed_why=PAID).update(closed_how="payment")
        model.objects.filter(state="closed", closed_how="").update(closed_how="hand")


def back(apps, _editor):
    """Write the old words again."""
    for name in ("Ticket", "HistoricalTicket"):
        model = apps.get_model("delinquency", name)
        model.objects.exclude(kind="delinquency").update(is_delinquency=False)
        model.objects.filter(queue__name="Support").update(queue_word="support")


class Migration(migrations.Migration):
    """Fill queue, kind and how a ticket was closed."""

    dependencies = [("accounts", "0005_post_room"), ("delinquency", "0009_ticket_desk")]

    operations = [migrations.RunPython(fill, back)]
