"""The client that speaks to Twilio, and the translation of its answers into our three.

Every request has a connection of its own: one that was kept and died idle would make a message ambiguous that was
never sent. Nothing is tried again here, no redirect is followed, and no request is logged.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache

import requests
from django.conf import settings
from twilio.base.exceptions import TwilioException
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from billing_project.kernel.errors import OutcomeUnknown, PortError, Rejected, Unavailable

from .http_faults import never_left

CONNECT_SECONDS, READ_SECONDS = 5, 15
LISTED_MAX = 100  # one page: the newest, and far more than one number gets in the days that are looked back

# The number or the person is the reason. What the outbox makes of a code is in sending.NO_BY_CODE.
OPTED_OUT = frozenset({21610})
UNKNOWN_NUMBER = frozenset({13224, 21211, 21214, 21217, 21401, 21614})
# Ours to mend, so it is tried again and then put before staff with these words.
TO_MEND = {
    20003: "Twilio does not accept TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN.",
    20404: "Twilio does not know TWILIO_ACCOUNT_SID.",
    21205: "Twilio cannot reach PUBLIC_BASE_URL.",
    21210: "The number in TWILIO_FROM is not verified at Twilio.",
    21212: "Twilio does not accept the sender: look at TWILIO_FROM and the company's SMS sender.",
    21213: "Twilio needs a sender: look at TWILIO_FROM.",
    21215: "Calls to this country are switched off at Twilio (Voice geographic permissions).",
    21219: "A trial account of Twilio calls verified numbers only.",
    21408: "Texts to this country are switched off at Twilio (Messaging geographic permissions).",
    21603: "Twilio needs a sender: look at TWILIO_FROM.",
    21606: "The number in TWILIO_FROM cannot send texts to this one.",
    21608: "A trial account of Twilio texts verified numbers only.",
    21609: "Twilio cannot reach PUBLIC_BASE_URL.",
    21659: "The number in TWILIO_FROM is not one of this Twilio account.",
    21660: "The number in TWILIO_FROM belongs to another Twilio account.",
    21703: "The messaging service in TWILIO_FROM has no numbers.",
    21705: "Twilio does not know the messaging service in TWILIO_FROM.",
    30002: "Twilio has suspended the account.",
    63038: "The Twilio account has sent as many messages as it may today.",
}


class _HttpClient(HttpClient):
    """Send one request, and tell apart what certainly did not arrive from what may have."""

    def __init__(self) -> None:
        super().__init__(logging.getLogger(__name__), False, None)

    def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """Send a request; raises Unavailable if it did not arrive, OutcomeUnknown if it may have done its work."""
        writes = method.upper() == "POST"
        try:
            with requests.Session() as session:
                answer = session.request(
                    method.upper(), url, params=params, data=data, headers=headers, auth=auth,
                    timeout=(CONNECT_SECONDS, READ_SECONDS), allow_redirects=False,
                )  # fmt: skip
        except requests.RequestException as error:
            raise _lost(error, writes=writes) from None  # its words may repeat the request
        # A redirect or a failure of theirs after a write says nothing about what was done.
        if writes and (answer.status_code >= 500 or 300 <= answer.status_code < 400 or answer.status_code == 408):
            raise OutcomeUnknown(f"Twilio answered {answer.status_code} and nothing that can be read.")
        return Response(answer.status_code, answer.text, answer.headers)


def client() -> Client:
    """Return a client for the account in the settings; raises Unavailable if there is none."""
    token = settings.TWILIO_AUTH_TOKEN.split(",")[0].strip()
    if not (settings.TWILIO_ACCOUNT_SID and token):
        raise Unavailable("TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are not set.")
    return _made(settings.TWILIO_ACCOUNT_SID, token, settings.TWILIO_API_BASE)


@lru_cache(maxsize=4)
def _made(account_sid: str, token: str, base: str) -> Client:
    # An environment of its own: else the client obeys TWILIO_EDGE and TWILIO_REGION behind our back.
    made = Client(account_sid, token, http_client=_HttpClient(), environment={"TWILIO_EDGE": ""})
    if base:
        made.api.base_url = base.rstrip("/")
    return made


def _lost(error: requests.RequestException, *, writes: bool) -> PortError:
    """Return what a request without an answer means."""
    name = type(error).__name__
    if not writes or never_left(error):
        return Unavailable(f"Twilio cannot be reached ({name}).")
    return OutcomeUnknown(f"Twilio took the request and did not answer ({name}).")


@contextmanager
def translated(*, writes: bool) -> Iterator[None]:
    """Translate what the client raises into Rejected, Unavailable and OutcomeUnknown; of reading only Unavailable."""
    try:
        yield
    except (TwilioException, ValueError, TypeError, KeyError, AttributeError) as error:
        status = getattr(error, "status", None)
        if isinstance(error, TwilioException) and isinstance(status, int) and 400 <= status < 500:
            meant = _meant(error, status)
        else:
            meant = OutcomeUnknown("Twilio's answer cannot be read.")
        raise meant if writes else Unavailable(str(meant)) from None


def _meant(error: TwilioException, status: int) -> PortError:
    """Return what an answer in the 400s to a write means: it did not happen."""
    code = error.code if isinstance(error.code, int) else 0
    words = getattr(error, "msg", "") or getattr(error, "detail", "")
    said = f"Twilio said {code or status}: {' '.join(str(words).split())[:160]}"
    if code in OPTED_OUT:
        return Rejected(f"The person has answered STOP. {said}", "opted_out")
    if code in UNKNOWN_NUMBER:
        return Rejected(f"The number does not exist or cannot get this. {said}", "unknown_address")
    if code in TO_MEND:
        return Unavailable(f"{TO_MEND[code]} ({code})")
    if status == 429 or code in (14107, 20429, 21611):
        return Unavailable("Twilio takes no more at the moment.")
    if status in (401, 403, 404):
        return Unavailable(f"Twilio refuses this account. {said}")
    return Rejected(said, "rejected")
