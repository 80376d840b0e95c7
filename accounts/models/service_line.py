"""The customer's line: what a network device knows them by."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.postgres.indexes import GistIndex, OpClass
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Cast, Lower, NullIf, Upper
from django.db.models.lookups import GreaterThanOrEqual
from simple_history.models import HistoricalRecords

from .. import signals
from ..rules.macs import tidy_mac, why_no_mac
from ..rules.prefixes import SHORTEST, holds, why_no_line
from .account import Account


def validate_prefix(text: str, version: int | None = None) -> None:
    """Refuse what is not one address or one customer's prefix (never a whole network); raises ValidationError."""
    words = why_no_line(text, version)
    host = urlsplit(settings.PUBLIC_BASE_URL).hostname or ""
    if not words and holds(text, host):
        words = f"{text!r} is the address of our own portal ({host}), which every customer must reach."
    if words:
        raise ValidationError(words, code="no_line")


def validate_ipv4(text: str) -> None:
    """Refuse what cannot be the IPv4 address or prefix of a line; raises ValidationError."""
    validate_prefix(text, 4)


def validate_ipv6(text: str) -> None:
    """Refuse what cannot be the IPv6 address or prefix of a line; raises ValidationError."""
    validate_prefix(text, 6)


def _network(field: str) -> Cast:
    """Return a column as PostgreSQL's own type for networks; nothing for a blank."""
    return Cast(NullIf(field, models.Value("")), models.GenericIPAddressField())


def _at_least(field: str, bits: int) -> GreaterThanOrEqual:
    length = models.Func(_network(field), function="masklen", output_field=models.IntegerField())
    return GreaterThanOrEqual(length, bits)


def bare(field: str) -> models.Func:
    """Return a column in small letters without its punctuation: a hardware address, however it is written."""
    signs, nothing, everywhere = models.Value("[^0-9a-z]"), models.Value(""), models.Value("g")
    return models.Func(
        Lower(field), signs, nothing, everywhere, function="regexp_replace", output_field=models.TextField()
    )


class MacField(models.CharField):  # type: ignore[type-arg]
    """A hardware address, in whatever writing it comes: kept in small letters with colons."""

    def to_python(self, value: Any) -> Any:
        """Return the one writing of an address; what is none stays as it was typed, and is refused."""
        text = super().to_python(value)
        return tidy_mac(text) or text if text else text

    def get_prep_value(self, value: Any) -> Any:
        """Write it in the one writing, whoever set it."""
        return self.to_python(super().get_prep_value(value))


def validate_mac(text: str) -> None:
    """Refuse what is not the hardware address of one device; raises ValidationError."""
    words = why_no_mac(text)
    if words:
        raise ValidationError(words, code="no_mac")


class ServiceLine(models.Model):
    """One line of an account: its addresses or prefixes, its RADIUS user name, and the MAC of its device."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="service_lines")
    label = models.CharField(max_length=60, default="Internet")
    ipv4 = models.CharField(
        max_length=18,
        blank=True,
        validators=[validate_ipv4],
        help_text="Address or prefix, such as 100.64.3.7 or 203.0.113.8/29.",
    )
    ipv6 = models.CharField(
        max_length=43,
        blank=True,
        validators=[validate_ipv6],
        help_text="Address or prefix, such as 2001:db8:17::/56.",
    )
    radius_username = models.CharField(
        max_length=64, blank=True, validators=[RegexValidator(r"^[^\x00-\x1f\x7f]+$", "Use printable characters only.")]
    )
    mac = MacField(
        "MAC",
        max_length=32,
        blank=True,
        validators=[validate_mac],
        help_text="Of the customer's router or radio, such as 4c:5e:0c:12:ab:9f; 4C-5E-0C-12-AB-9F and 4c5e.0c12.ab9f"
        " are the same.",
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
            models.CheckConstraint(
                condition=models.Q(mac="") | models.Q(mac__regex=r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$"),
                name="line_mac_written_one_way",
            ),
            models.CheckConstraint(condition=_at_least("ipv4", SHORTEST[4]), name="line_ipv4_one_customers"),
            models.CheckConstraint(condition=_at_least("ipv6", SHORTEST[6]), name="line_ipv6_one_customers"),
        ]
        indexes = [
            # For the search: whose prefix holds an address, and a user name by its beginning or as a bare address.
            GistIndex(OpClass(_network("ipv4"), name="inet_ops"), name="line_ipv4_typed"),
            GistIndex(OpClass(_network("ipv6"), name="inet_ops"), name="line_ipv6_typed"),
            models.Index(OpClass(Upper("radius_username"), name="text_pattern_ops"), name="line_user_typed"),
            models.Index(bare("radius_username"), condition=~models.Q(radius_username=""), name="line_user_bare"),
            models.Index(fields=["mac"], condition=~models.Q(mac=""), name="line_mac_typed"),
        ]

    def __str__(self) -> str:
        return self.ipv4 or self.ipv6 or self.radius_username or self.label

    def clean(self) -> None:
        """Refuse addresses that another line has, or one of our devices; raises ValidationError."""
        twin = self.mac and ServiceLine.objects.filter(mac=self.mac).exclude(account=self.account_id).first()
        if twin:
            raise ValidationError(
                {"mac": f"{self.mac} is on {twin}, a line of account {twin.account.number}; clear it there first."}
            )
        wanted = [text for text in (self.ipv4, self.ipv6) if text and not why_no_line(text)]
        if not wanted:
            return
        for _, words in signals.about_to_take_addresses.send(sender=ServiceLine, prefixes=wanted):
            if words:
                raise ValidationError(words, code="not_a_customers")
        others = [line for line in lines_overlapping(wanted) if line.pk != self.pk]
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
