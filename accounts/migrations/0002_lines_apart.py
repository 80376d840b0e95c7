"""No line's addresses lie inside another's: restricting one must never touch the other."""

from django.db import migrations

FORWARD = """
ALTER TABLE accounts_serviceline
    ADD CONSTRAINT line_ipv4_apart EXCLUDE USING gist ((ipv4::inet) inet_ops WITH &&) WHERE (ipv4 <> ''),
    ADD CONSTRAINT line_ipv6_apart EXCLUDE USING gist ((ipv6::inet) inet_ops WITH &&) WHERE (ipv6 <> '');
"""

BACKWARD = """
ALTER TABLE accounts_serviceline DROP CONSTRAINT line_ipv6_apart, DROP CONSTRAINT line_ipv4_apart;
"""


class Migration(migrations.Migration):
    """Add the exclusion constraints."""

    dependencies = [("accounts", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
