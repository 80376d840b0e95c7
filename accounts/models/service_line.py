"""The customer's line: what a network device knows them by."""

import ipaddress
from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from simple_history.models import HistoricalRecords

from .account import Account


def validate_prefix(text: str) -> None:
    """Refuse what is not one address or one customer's prefix (never a whole network); raises ValidationError."""
    try:
        network = ipaddress.ip_network(text, strict=True)
    except ValueError as error:
        raise ValidationError(f"{text!r} is not an IP address or prefix: {error}.") from error
    shortest = 24 if network.version == 4 else 48
    if network.prefixlen < shortest:
        raise ValidationError(f"{text!r} is wider than one customer's line (/{shortest} at most).")


class ServiceLine(models.Model):
    """One line of an account: its addresses or prefixes, and its RADIUS user name."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="service_lines")
    label = models.CharField(max_length=60, default="Internet")
    ipv4 = models.CharField(
        max_length=18,
        blank=True,
        validators=[validate_prefix],
        help_text="Address or prefix, such as 100.64.3.7 or 203.0.113.8/29.",
    )
    ipv6 = models.CharField(
        max_length=43,
        blank=True,
        validators=[validate_prefix],
        help_text="Address or prefix, such as 2001:db8:17::/56.",
    )
    radius_username = models.CharField(
        max_length=64, blank=True, validators=[RegexValidator(r"^[^\x00-\x1f\x7f]+$", "Use printable characters only.")]
    )
    history = HistoricalRecords()

    class Meta:
        ordering = ("account", "pk")
        constraints = [
            models.UniqueConstraint(fields=["ipv4"], condition=~models.Q(ipv4=""), name="line_ipv4_once"),
            models.UniqueConstraint(fields=["ipv6"], condition=~models.Q(ipv6=""), name="line_ipv6_once"),
            models.UniqueConstraint(
                fields=["radius_username"], condition=~models.Q(radius_username=""), name="line_radius_username_once"
            ),
        ]

    def __str__(self) -> str:
        return self.ipv4 or self.ipv6 or self.radius_username or self.label

    def clean(self) -> None:
        """Refuse addresses that lie inside another line's, or around them; raises ValidationError."""
        others = [line for line in lines_overlapping([self.ipv4, self.ipv6]) if line.pk != self.pk]
        if others:
            other = others[0]
            raise ValidationError(
                f"This overlaps with {other}, a line of account {other.account.number}; mend one of them."
            )


def lines_overlapping(prefixes: Iterable[str]) -> list[ServiceLine]:
    """Return the lines that share an address with one of the prefixes, in one query."""
    wanted = [text for text in prefixes if text]
    if not wanted:
        return []
    # Only our own columns are written into the condition; the prefixes are parameters.
    shares = "(ipv4 <> '' AND ipv4::inet && ANY(%s::inet[])) OR (ipv6 <> '' AND ipv6::inet && ANY(%s::inet[]))"
    return list(ServiceLine.objects.extra(where=[shares], params=[wanted, wanted]).select_related("account"))  # noqa: S610
