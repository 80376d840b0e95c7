"""Staff who log in to the back office."""

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A member of staff. Customers have no user: they come in by a link or a code."""

    class Meta(AbstractUser.Meta):
        verbose_name = "staff member"
