"""A code counts once, also when two processes are given it at once (SEC-11)."""

import threading
from collections.abc import Callable

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.db import connection

from accounts import one_time_codes
from accounts.models import LastCode, User
from tests.staff_codes import code_of, give_phone, is_in, recovery_codes_of, sign_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ann() -> User:
    """Return a member of staff."""
    cache.clear()
    return User.objects.create_user("ann", password="a long enough password", is_staff=True)


def twice_at_once(give: Callable[[], bool]) -> list[bool]:
    """Do the same on two connections at once."""
    both, came = threading.Barrier(2), []

    def work() -> None:
        try:
            both.wait(5)
            came.append(give())
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    return sorted(came)


def test_a_code_of_the_phone_is_used_up_by_one_of_two(ann: User) -> None:
    secret = give_phone(ann)
    code = code_of(secret)
    assert twice_at_once(lambda: one_time_codes.use_up(ann, secret, code)) == [False, True]


def test_a_recovery_code_is_used_up_by_one_of_two(ann: User) -> None:
    give_phone(ann)
    code = recovery_codes_of(ann)[0]

    def give() -> bool:
        row = Authenticator.objects.get(user=ann, type=Authenticator.Type.RECOVERY_CODES)
        return bool(row.wrap().validate_code(code))

    assert twice_at_once(give) == [False, True]
    assert len(recovery_codes_of(ann)) == 9


def test_another_process_knows_of_a_code_that_was_used_and_takes_no_older_one(ann: User) -> None:
    secret = give_phone(ann)
    code, before, after = code_of(secret), code_of(secret, ahead=-1), code_of(secret, ahead=1)
    assert is_in(sign_in("ann", code=code))
    for given, expected in ((code, False), (before, False), (after, True)):
        cache.clear()  # another process remembers nothing
        assert is_in(sign_in("ann", code=given)) is expected
    assert LastCode.objects.count() == 1
