"""Keys for programs: made by somebody who may do at least as much, shown once, revoked with a reason."""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from django.contrib.auth.models import Group
from django.db import connection, transaction

from accounts.models import User
from accounts.standing_of_staff import groups_within
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import advisory_lock, lock_row

from ..models import ApiRequest, ApiToken, ApiUse

PREFIX_LENGTH = 8
SECRET_BYTES = 32
# How long the same key gets the same answer, and how long the counts of calls are kept.
KEPT = timedelta(days=30)
NAME_IN_HISTORY = "api:{}"


@transaction.atomic
def make_token(
    *, name: str, role: Group, by: User, per_minute_max: int = 300, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """Make a key and return it with its text, which nobody can see again.

    It acts as a user of its own in that role, so that whatever it does is recorded under its name and kept within the
    role's limits. Raises Refused for a name that is taken, an end that is not ahead, and for a role that may do more
    than whoever makes it (SEC-10).
    """
    if not name.strip():
        raise Refused("name_missing", "Say which program the token is for, such as Website.")
    username = NAME_IN_HISTORY.format(name.strip())
    # Of two at once with the same name, the second waits here for the first, and then reads that it is taken.
    advisory_lock(username)
    if ApiToken.objects.filter(name=name.strip()).exists() or User.objects.filter(username=username).exists():
        raise Refused("name_taken", f"There is a token named {name.strip()} already; choose another name.")
    if expires_at is not None and expires_at <= clock.now():
        raise Refused("expiry_not_ahead", "Expires: choose a moment that is ahead, or leave it blank.")
    beyond = _rights_of(role) - by.get_all_permissions()
    if beyond:
        raise Refused(
            "role_above_own",
            f"{role} may do what you may not ({', '.join(sorted(beyond)[:3])}); a token is never stronger than whoever"
            " makes it. Choose a lower role, or ask an administrator.",
        )
    if not groups_within(by).filter(pk=role.pk).exists():
        raise Refused(
            "role_above_own",
            f"{role} may give away more than you may (its limits of money, time or releases); choose a lower role, or"
            " ask an administrator.",
        )
    user = User(username=username, first_name=name.strip()[:150], is_staff=False)
    user.set_unusable_password()
    user.save()
    user.groups.add(role)
    prefix, secret = _new_prefix(), secrets.token_urlsafe(SECRET_BYTES)
    token = ApiToken.objects.create(
        name=name.strip(), user=user, role=role, prefix=prefix, digest=_digest(secret), per_minute_max=per_minute_max,
        expires_at=expires_at, made_by=by,
    )  # fmt: skip
    return token, f"{prefix}.{secret}"


@transaction.atomic
def revoke_token(token: ApiToken, *, reason: str, by: User | None = None) -> ApiToken:
    """End a key at once and for good, and its user with it. Raises Refused without a reason, or if it was before."""
    if not reason.strip():
        raise Refused("reason_missing", "Say why the token is revoked; the reason is kept.")
    locked = lock_row(ApiToken.objects.order_by(), token.pk)
    if locked.revoked_at is not None:
        raise Refused("revoked_already", f"The token {locked} was revoked already.")
    locked.revoked_at, locked.revoked_by, locked.revoked_why = clock.now(), by, reason.strip()[:200]
    locked.save(update_fields=["revoked_at", "revoked_by", "revoked_why"])
    User.objects.filter(pk=locked.user_id).update(is_active=False)
    return locked


def find_token(text: str) -> ApiToken | None:
    """Return the key that a text is, if it is in force."""
    prefix, _, secret = text.partition(".")
    if len(prefix) != PREFIX_LENGTH or not secret or "\0" in prefix:
        return None
    token = ApiToken.objects.select_related("user", "role").filter(prefix=prefix).first()
    if token is None or not hmac.compare_digest(token.digest, _digest(secret)):
        return None
    ended = token.expires_at is not None and token.expires_at <= clock.now()
    return None if token.revoked_at is not None or ended or not token.user.is_active else token


def count_call(token: ApiToken) -> int:
    """Count one more call of this minute and return how many there were; one statement, also for many at once."""
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO delinquency_apiuse AS u (token_id, minute_at, calls) VALUES (%s, %s, 1)"
            " ON CONFLICT (token_id, minute_at) DO UPDATE SET calls = u.calls + 1 RETURNING calls",
            [token.pk, now.replace(second=0, microsecond=0)],
        )
        calls = int(cursor.fetchone()[0])
    if calls == 1:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return calls


def forget_old() -> int:
    """Forget answers and counts that are older than a month; return how many rows."""
    before = clock.now() - KEPT
    requests, _ = ApiRequest.objects.filter(asked_at__lt=before).delete()
    uses, _ = ApiUse.objects.filter(minute_at__lt=before).delete()
    return requests + uses


def _rights_of(role: Group) -> set[str]:
    rows = role.permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in rows}


def _new_prefix() -> str:
    return secrets.token_hex(PREFIX_LENGTH // 2)


def _digest(secret: str) -> str:
    # The secret is 256 random bits: a slow hash would protect nothing more, and is asked at every call.
    return hashlib.sha256(secret.encode()).hexdigest()
