"""Staff who log in to the back office."""

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A member of staff. Customers have no user: they come in by a link or a code."""

    class Meta(AbstractUser.Meta):
        verbose_name = "staff member"
        permissions = [
            ("end_sessions", "Can sign other members of staff out"),
            ("reset_second_factor", "Can take away the second factor of another, such as after a lost phone"),
        ]
