"""What came in by post on the town's last days: answers, somebody whom nobody knows, a STOP and a bounce."""

from datetime import datetime, timedelta

from accounts.models import Notice, OutreachRules
from accounts.outreach import callbacks
from accounts.outreach.callbacks import Kind, Report
from accounts.outreach.dispatch import dispatch_notices
from accounts.outreach.inbound import take_in_letter, take_in_text
from accounts.outreach.inbound_files import File
from accounts.outreach.inbound_letter import Letter
from accounts.outreach.references import answer_address
from billing_project.kernel import clock

PROVIDER = "simulated"
MAILBOX = "replies@in.valley-fibre.example"
RECEIPT = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n%%EOF\n"


def bring_post(now: datetime) -> None:
    """Bring what customers wrote and what a provider reported, in the hours before ``now``."""
    told = list(
        Notice.objects.filter(channel="email", state__in=Notice.TOLD, contact__isnull=False)
        .select_related("contact", "account__company")
        .order_by("-pk")[:60]
    )
    people = list({notice.account_id: notice for notice in told}.values())
    if len(people) < 4:
        return
    OutreachRules.objects.get_or_create(company=people[0].account.company, defaults={"inbound_email": MAILBOX})
    with clock.at(now - timedelta(hours=5)):
        _answer(people[0])
    with clock.at(now - timedelta(hours=3)):
        _stranger()
        _text(people[1], "SM-demo-1", "Will pay on Friday, is that ok?")
    with clock.at(now - timedelta(hours=2)):
        _text(people[2], "SM-demo-2", "STOP")
        _bounce(people[3])
        # What came back goes out another way.
        dispatch_notices()


def _answer(notice: Notice) -> None:
    assert notice.contact is not None
    quoted = "\n".join(f"> {line}" for line in notice.body.splitlines())
    take_in_letter(
        Letter(
            provider=PROVIDER, event_id="demo-1", received_at=clock.now(), from_address=notice.contact.email,
            from_name=notice.contact.name, to_addresses=(answer_address(MAILBOX, notice.pk),),
            subject=f"Re: {notice.subject}", headers={"message-id": "<demo-1@customer.example>"},
            text=f"I paid this at the bank this morning, the receipt is attached. Does it show yet?\n\n"
            f"{notice.contact.name}\n\nOn Monday Valley Fibre wrote:\n{quoted}",
            files=(File("receipt.pdf", "application/pdf", RECEIPT), File("scan.exe", "application/pdf", b"MZ\x90")),
        )
    )  # fmt: skip


def _stranger() -> None:
    take_in_letter(
        Letter(
            provider=PROVIDER, event_id="demo-2", received_at=clock.now(), from_address="robin.vale@mailbox.example",
            from_name="Robin Vale", to_addresses=(MAILBOX,), subject="My mother's bill",
            headers={"message-id": "<demo-2@mailbox.example>"},
            text="I pay for my mother's line at 14 Mill Lane from now on. Where do I find what is open?",
        )
    )  # fmt: skip


def _text(notice: Notice, key: str, words: str) -> None:
    assert notice.contact is not None
    if notice.contact.phone:
        take_in_text(
            provider=PROVIDER, provider_id=key, from_number=notice.contact.phone,
            to_number=notice.account.company.sms_sender, text=words,
        )  # fmt: skip


def _bounce(notice: Notice) -> None:
    callbacks.take_in(
        Report(
            provider=PROVIDER, event_key="demo-bounce", kind=Kind.BOUNCED, happened_at=clock.now(),
            notice_id=notice.pk, detail="550 5.1.1 The mailbox does not exist.",
        )
    )  # fmt: skip
