"""Tell each line's state which device it is about, and which list it names there."""

from django.db import migrations

FILL = """
    UPDATE netenforce_linestate s SET device_id = p.device_id
    FROM netenforce_lineplacement p WHERE p.line_id = s.line_id AND s.device_id IS NULL;
    UPDATE netenforce_linestate s SET desired_list = a.name
    FROM netenforce_addresslist a WHERE a.level = s.desired_level AND s.desired_list = '' AND s.device_id IS NOT NULL;
    UPDATE netenforce_enforcementtask t SET list_name = a.name
    FROM netenforce_addresslist a
    WHERE a.level = t.level AND t.list_name = '' AND t.state IN ('queued', 'claimed', 'sending');
    UPDATE accounts_attention x SET key = x.key || ':' || p.device_id
    FROM netenforce_lineplacement p
    WHERE x.code = 'enforcement-parked' AND x.key = 'line:' || p.line_id;
"""
EMPTY = """
    UPDATE accounts_attention SET key = regexp_replace(key, '^(line:[0-9]+):[0-9]+$', '\\1')
    WHERE code = 'enforcement-parked';
    DELETE FROM netenforce_linestate s USING netenforce_linestate o
    WHERE o.line_id = s.line_id AND o.id < s.id;
"""


class Migration(migrations.Migration):
    """Fill what the new columns hold."""

    dependencies = [("netenforce", "0003_states_per_device"), ("accounts", "0013_papers")]

    operations = [migrations.RunSQL(FILL, EMPTY)]
