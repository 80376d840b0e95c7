"""Tell Twilio's calls from forged ones: size, shape, and the signature over the public address (SEC-14).

The signature has no time in it, so a captured call can be replayed: what the views do with it is keyed by what it says.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from twilio.request_validator import RequestValidator, add_port, remove_port

BODY_MAX = 64 * 1024
FIELDS_MAX = 200
FORM = "application/x-www-form-urlencoded"

P = ParamSpec("P")
Verified = Callable[Concatenate[dict[str, str], P], HttpResponse]
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def from_twilio(view: Verified[P]) -> View[P]:
    """Let a view run for signed calls of Twilio alone; it gets their fields in place of the request.

    Anything else is answered 403, a body that is too large 413, both without a word.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if request.method != "POST":
            return HttpResponse(status=405, headers={"Allow": "POST"})
        if request.content_type != FORM:
            return HttpResponse(status=403)
        body = request.read(BODY_MAX + 1)
        if len(body) > BODY_MAX:
            return HttpResponse(status=413)
        fields = _fields(body)
        if fields is None or not _is_signed(request, fields):
            return HttpResponse(status=403)
        # A zero byte cannot be stored, and says nothing.
        return view({name: str(value).replace("\0", "") for name, value in fields.items()}, *args, **kwargs)

    return cast(View[P], csrf_exempt(guarded))


def auth_tokens() -> list[str]:
    """Return the live secrets: the first one signs our calls to Twilio, each of them is good for calls from it."""
    return [token.strip() for token in settings.TWILIO_AUTH_TOKEN.split(",") if token.strip()]


def _fields(body: bytes) -> QueryDict | None:
    """Return the fields of a form, or None if it is none."""
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:  # not UTF-8, or too many fields
        return None
    fields = QueryDict(mutable=True)
    for name, value in pairs:
        fields.appendlist(name, value)
    return fields


def _is_signed(request: HttpRequest, fields: QueryDict) -> bool:
    """Tell whether one of our secrets signed these fields for the address under which the world knows us."""
    if fields.get("AccountSid") != settings.TWILIO_ACCOUNT_SID:
        return False
    given = request.headers.get("X-Twilio-Signature", "")
    url = urlsplit(f"{settings.PUBLIC_BASE_URL.rstrip('/')}{request.get_full_path()}")
    good = False
    for token in auth_tokens():
        validator = RequestValidator(token)
        for address in {remove_port(url), add_port(url)}:  # Twilio signs either, it does not say which
            good |= constant_time_compare(validator.compute_signature(address, fields), given)
    return good
