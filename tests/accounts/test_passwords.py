"""Passwords are kept as Django keeps them; only the tests take a quick hasher (tests/conftest.py)."""

from django.conf import global_settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.utils.module_loading import import_string

from billing_project import settings as ours


def test_a_password_is_kept_by_a_slow_salted_hash() -> None:
    chosen = getattr(ours, "PASSWORD_HASHERS", global_settings.PASSWORD_HASHERS)
    hasher = import_string(chosen[0])()
    assert isinstance(hasher, PBKDF2PasswordHasher)
    assert hasher.iterations >= 600_000
