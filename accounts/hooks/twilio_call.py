"""What a call of ours says, and what its keys do: 1 a link by text, 2 once more, 9 never again."""

from django.http import HttpResponse
from django.urls import reverse

from accounts import access
from accounts.models import Notice
from accounts.outreach import rules, spoken
from accounts.outreach.callbacks import Kind, Report, take_in
from accounts.outreach.outbox import NoticeRequest, enqueue
from billing_project.kernel import clock

from .twilio import PROVIDER, notice_of, twiml
from .twilio_signature import from_twilio

ON_ITS_WAY = (
    Notice.State.QUEUED, Notice.State.CLAIMED, Notice.State.SENDING, Notice.State.AMBIGUOUS, *Notice.TOLD,
)  # fmt: skip


@from_twilio
def words(fields: dict[str, str], token: str) -> HttpResponse:
    """Answer with what is to be said: to a person the notice, to a machine who called, to a fax nothing."""
    notice = _notice(token)
    if notice is None:
        return HttpResponse(status=404)
    answered_by = fields.get("AnsweredBy", "")
    if answered_by == "fax":
        return twiml(spoken.nothing())
    if answered_by.startswith("machine"):
        account = notice.account
        return twiml(
            spoken.to_a_machine(
                notice.language, company=account.company.name, phone=account.company.phone, account=account.number
            )
        )
    return twiml(_told(notice, token))


@from_twilio
def key(fields: dict[str, str], token: str) -> HttpResponse:
    """Do what a pressed key asks for, and say so."""
    notice = _notice(token)
    if notice is None:
        return HttpResponse(status=404)
    language = notice.language
    match fields.get("Digits", ""):
        case "1":
            return twiml(_link_by_text(notice))
        case "2":
            return twiml(_told(notice, token))
        case "9":
            _refuse(notice, fields.get("CallSid", ""))
            return twiml(spoken.say_and_end([spoken.in_language(spoken.NOT_AGAIN, language)], language))
        case _:
            return twiml(_told(notice, token, first=spoken.in_language(spoken.UNKNOWN_KEY, language)))


def _notice(token: str) -> Notice | None:
    pk = notice_of(token)
    spoken_ones = Notice.objects.filter(channel="voice").select_related("account__company", "contact")
    return spoken_ones.filter(pk=pk).first() if pk is not None else None


def _told(notice: Notice, token: str, *, first: str = "") -> str:
    address = reverse("hook-twilio-key", args=[token])
    return spoken.with_menu(notice.body, notice.language, address, first=first)


def _link_by_text(notice: Notice) -> str:
    """Write the person a text with a link, once for each call; pressing the key is their consent to this one text."""
    phone = notice.account.company.phone
    no_link = [spoken.in_language(spoken.NO_LINK, notice.language), *spoken.call_us(notice.language, phone)]
    # The link opens the account: it goes to the number that was called and to no other.
    if notice.contact is None or notice.contact.phone != notice.to_address:
        return spoken.say_and_end(no_link, notice.language)
    letters = enqueue(
        NoticeRequest(
            account_id=notice.account_id, contact_id=notice.contact_id, anchor_key=f"notice:{notice.pk}",
            step_key=rules.ASKED_IN_CALL, template="portal_link", channels=("sms",),
            context={"pay_url": access.link_to(notice.account), "amount_due": "", "currency": ""},
            why="The person pressed 1 in a call, for a link by text.",
        )
    )  # fmt: skip
    if any(letter.state in ON_ITS_WAY for letter in letters):
        return spoken.say_and_end([spoken.in_language(spoken.LINK_SENT, notice.language)], notice.language)
    return spoken.say_and_end(no_link, notice.language)


def _refuse(notice: Notice, sid: str) -> None:
    take_in(
        Report(
            provider=PROVIDER, event_key=f"{sid[:120] or notice.pk}:refused", kind=Kind.REFUSED,
            happened_at=clock.now(), notice_id=notice.pk, provider_id=sid,
            detail="The person pressed 9: no more calls.",
        )
    )  # fmt: skip
