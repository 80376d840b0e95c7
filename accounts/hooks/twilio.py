"""What Twilio reports: how texts and calls ended, and texts from customers."""

from datetime import datetime
from email.utils import parsedate_to_datetime

from django.http import HttpResponse
from django.utils.module_loading import import_string
from twilio.twiml.messaging_response import MessagingResponse

from accounts.outreach import references
from accounts.outreach.callbacks import Kind, Report, take_in
from billing_project.kernel import clock

from .twilio_signature import from_twilio

PROVIDER = "twilio"
# Who files what customers write, and returns what to answer.
TAKE_IN_TEXT = "accounts.outreach.inbound.take_in_text"

MESSAGE_KINDS = {
    "accepted": Kind.ACCEPTED,
    "scheduled": Kind.ACCEPTED,
    "queued": Kind.ACCEPTED,
    "sending": Kind.ACCEPTED,
    "sent": Kind.ACCEPTED,
    "delivered": Kind.DELIVERED,
    "read": Kind.DELIVERED,
    "undelivered": Kind.FAILED,
    "failed": Kind.FAILED,
    "canceled": Kind.FAILED,
}
# What the number of an error says about the address; every other one is about this one text.
MESSAGE_ERRORS = {
    "21610": (Kind.OPTED_OUT, "the person has answered STOP"),
    "21211": (Kind.BOUNCED, "there is no such number"),
    "21614": (Kind.BOUNCED, "the number cannot get texts"),
    "30003": (Kind.FAILED, "the phone is switched off or out of reach"),
    "30004": (Kind.FAILED, "the text was blocked"),
    "30005": (Kind.BOUNCED, "the number is unknown or out of service"),
    "30006": (Kind.BOUNCED, "the number is a landline, or its network cannot be reached"),
    "30007": (Kind.FAILED, "the network filtered the text"),
    "30008": (Kind.FAILED, "the network gave no reason"),
    "30036": (Kind.FAILED, "it waited longer than it may"),
}
CALL_KINDS = {
    "queued": Kind.ACCEPTED,
    "initiated": Kind.ACCEPTED,
    "ringing": Kind.ACCEPTED,
    "in-progress": Kind.ACCEPTED,
    "answered": Kind.ACCEPTED,
    "completed": Kind.ANSWERED,
    "busy": Kind.BUSY,
    "no-answer": Kind.NO_ANSWER,
    "failed": Kind.FAILED,
    "canceled": Kind.FAILED,
}
CALL_WORDS = {
    Kind.BUSY: "The line was busy.",
    Kind.NO_ANSWER: "Nobody answered.",
    Kind.FAILED: "The call could not be connected.",
}
GONE = ("410", "604")  # the network says that the number exists no more


@from_twilio
def message_status(fields: dict[str, str], token: str = "") -> HttpResponse:
    """Take in what became of a text."""
    sid, status = fields.get("MessageSid") or fields.get("SmsSid", ""), fields.get("MessageStatus", "")
    kind, detail = MESSAGE_KINDS.get(status, Kind.OTHER), ""
    code = fields.get("ErrorCode", "")
    if kind is Kind.FAILED:
        kind, words = MESSAGE_ERRORS.get(code, (kind, ""))
        detail = ": ".join(part for part in (f"Twilio said {code or status}", words) if part)
    return _taken(token, sid, status, kind, detail)


@from_twilio
def call_status(fields: dict[str, str], token: str = "") -> HttpResponse:
    """Take in how far a call has come, or how it ended: answered by a person or a machine, or not."""
    sid, status = fields.get("CallSid", ""), fields.get("CallStatus", "")
    kind = CALL_KINDS.get(status, Kind.OTHER)
    answered_by = fields.get("AnsweredBy", "")
    if kind is Kind.ANSWERED and answered_by.startswith("machine"):
        kind = Kind.VOICEMAIL
    elif kind is Kind.ANSWERED and answered_by == "fax":
        kind = Kind.FAILED
    elif kind is Kind.FAILED and fields.get("SipResponseCode") in GONE:
        kind = Kind.BOUNCED
    return _taken(token, sid, status, kind, CALL_WORDS.get(kind, ""), _moment(fields.get("Timestamp", "")))


@from_twilio
def inbound_text(fields: dict[str, str]) -> HttpResponse:
    """File what a customer texted, and answer with what is to be said to them, if anything."""
    sid = fields.get("MessageSid") or fields.get("SmsSid", "")
    if not sid:
        return HttpResponse(status=204)
    files = fields.get("NumMedia", "")
    answer = import_string(TAKE_IN_TEXT)(
        provider=PROVIDER,
        provider_id=sid[:120],
        from_number=fields.get("From", "")[:64],
        to_number=fields.get("To", "")[:64],
        text=fields.get("Body", ""),
        media=int(files) if files.isascii() and files.isdigit() and len(files) < 4 else 0,
    )
    response = MessagingResponse()
    # Twilio has answered STOP and its like itself where the messaging service is set to do so.
    if answer and not fields.get("OptOutType"):
        response.message(answer)
    return twiml(str(response))


def twiml(document: str) -> HttpResponse:
    """Answer with a document in Twilio's language."""
    return HttpResponse(document, content_type="text/xml; charset=utf-8", headers={"Cache-Control": "no-store"})


def notice_of(token: str) -> int | None:
    """Return the notice that a mark in an address leads to, or None if it is not one of ours."""
    pk = references.notice_in(token)
    return pk if pk is not None and references.token_of(pk) == token else None


def _taken(
    token: str, sid: str, status: str, kind: Kind, detail: str, happened_at: datetime | None = None
) -> HttpResponse:
    notice_id = notice_of(token) if token else None
    if token and notice_id is None:
        return HttpResponse(status=404)
    if sid and status:
        take_in(
            Report(
                provider=PROVIDER,
                event_key=f"{sid[:120]}:{status[:40]}",
                kind=kind,
                happened_at=happened_at or clock.now(),
                notice_id=notice_id,
                provider_id=sid,
                detail=detail,
            )
        )
    return HttpResponse(status=204)


def _moment(text: str) -> datetime | None:
    """Return the moment that Twilio names, unless it names none or one that is yet to come."""
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None and moment <= clock.now() else None
