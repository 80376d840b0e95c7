"""A code from a phone counts once, whichever process it comes to (SEC-11).

allauth remembers a used code in its own process, and for half a minute; a code is valid for longer, as a phone's clock
may be off. So the half minute that a code belongs to is kept in the database, and only ever goes up. Recovery codes are
crossed out by allauth under a lock on their row.
"""

from typing import Any

from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from allauth.mfa.utils import decrypt

from .models import LastCode, User


def use_up(user: User, secret: str, code: str) -> bool:
    """Note that a code was given; return False if it, or a later one, had been given before."""
    steps = [
        step
        for step in yield_hotp_counters_from_time()
        if compare_user_code(actual=code, expected=format_hotp_value(hotp_value(secret, step)))
    ]
    if not steps:
        return False  # its time ran out just now
    LastCode.objects.bulk_create([LastCode(user=user, step=0)], ignore_conflicts=True)
    # One statement: of two at once, the second waits for the first one's row and then finds nothing to change.
    return bool(LastCode.objects.filter(user=user, step__lt=max(steps)).update(step=max(steps)))


class _Once:
    """Refuse a code that was given before, as a wrong one."""

    user: User
    authenticator: Authenticator

    def clean_code(self) -> str:
        """Return a code that is right and was never given; raises ValidationError."""
        code: str = super().clean_code()  # type: ignore[misc]
        found = self.authenticator
        if found.type == Authenticator.Type.TOTP and not use_up(self.user, decrypt(found.data["secret"]), code):
            told: Any = self
            told._emit_authentication_failed(found)
            raise get_adapter().validation_error("incorrect_code")
        return code


class CodeForm(_Once, AuthenticateForm):
    """The code with which staff sign in."""


class ProofForm(_Once, ReauthenticateForm):
    """The code with which staff prove again who they are."""
