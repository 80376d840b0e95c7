"""What every call goes through: the token, how often it comes, what its role may, and acting once for one key."""

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any, cast

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest
from ninja import Status
from ninja.security import HttpBearer

from accounts.models import User
from delinquency.models import ApiRequest, ApiToken
from delinquency.operations.api_tokens import count_call, find_token

from .problems import Problem

BODY_BYTES_MAX = 1024 * 1024
_KEY = re.compile(r"[!-~]{1,64}")


class TokenAuth(HttpBearer):
    """Know a program by its token, and count its calls."""

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken | None:
        """Return the token that came with a call; raises Problem above its calls a minute."""
        found = find_token(token)
        if found is None:
            return None
        if count_call(found) > found.per_minute_max:
            raise Problem(
                429,
                "too_many",
                f"{found} may make {found.per_minute_max} calls a minute; wait for the next one.",
                wait=60,
            )
        told = str(request.META.get("CONTENT_LENGTH") or "")
        if told.isascii() and told.isdigit() and int(told) > BODY_BYTES_MAX:  # before any of it is read
            raise Problem(413, "too_large", "A call may carry 1 MB at most; split it.")
        request.user = found.user
        return found


def caller(request: HttpRequest) -> User:
    """Return the user that the calling program acts as."""
    return cast(User, request.user)


def need(request: HttpRequest, *rights: str) -> User:
    """Return who calls if their role may do that; raises PermissionDenied, which names what is missing."""
    user = caller(request)
    missing = [right for right in rights if not user.has_perm(right)]
    if missing:
        raise PermissionDenied(f"The role of this token lacks the permission {missing[0]}.")
    return user


def once(request: HttpRequest, act: Callable[[], tuple[int, dict[str, Any]]]) -> "Status[dict[str, Any]]":
    """Act, and return status and answer; the same Idempotency-Key with the same body gets the same answer again.

    Key and effect are one transaction: of two calls at once one waits for the other. What was refused is not kept, so
    it may be tried again. Raises Problem without a key, or for a key that was used with another body.
    """
    key = request.headers.get("Idempotency-Key", "")
    if not _KEY.fullmatch(key):
        raise Problem(
            400, "key_missing", "Send an Idempotency-Key header (1 to 64 signs): trying again then does nothing twice."
        )
    token = cast(ApiToken, getattr(request, "auth", None))
    what = f"{request.method} {request.path}"[:200]
    digest = hashlib.sha256(request.body).hexdigest()
    with transaction.atomic():
        made = ApiRequest.objects.bulk_create(
            [ApiRequest(token=token, key=key, what=what, body_digest=digest)], ignore_conflicts=True
        )
        row = ApiRequest.objects.select_for_update(of=("self",)).get(token=token, key=key)
        if row.status:
            if (row.what, row.body_digest) != (what, digest):
                raise Problem(409, "key_reused", "This Idempotency-Key was used for another call; take a new one.")
            return Status(row.status, row.answer)
        assert made
        status, answer = act()
        row.status, row.answer = status, json.loads(json.dumps(answer, default=str))
        row.save(update_fields=["status", "answer"])
    return Status(status, row.answer)
