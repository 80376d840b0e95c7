"""Note every change of the standing facts in the audit record, and let nobody change that record.

The function `audit_note` serves the triggers of all rooms; kernel/audited.py says how a table is watched.
"""

from django.db import migrations

from billing_project.kernel.audited import watch

# Marks in place of values that must not be kept: persons (SEC-18) and secrets (SEC-16).
FUNCTIONS = """
CREATE FUNCTION audit_mark(value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN value IS NULL OR value IN ('null', '""') THEN '""'::jsonb ELSE '"(not shown)"'::jsonb END
$$;

CREATE FUNCTION audit_account(through text, key text) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE found bigint;
BEGIN
    EXECUTE format('SELECT account_id FROM %I WHERE id = $1', through) INTO found USING key::bigint;
    RETURN found;
END $$;

CREATE FUNCTION audit_note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    said text := current_setting('billing.acting', true);
    told jsonb := CASE WHEN said LIKE '{%}' THEN said::jsonb ELSE '{}'::jsonb END;
    key_column text := TG_ARGV[0];
    account_column text := TG_ARGV[1];
    through text := TG_ARGV[2];
    quiet text[] := string_to_array(TG_ARGV[3], ',');
    private text[] := string_to_array(TG_ARGV[4], ',');
    why_column text := TG_ARGV[5];
    who_id bigint := (told->>'by_id')::bigint;
    who text := left(coalesce(told->>'by', 'database: ' || session_user), 320);
    place text := left(coalesce(told->>'at', ''), 320);
    mark_told text := left(coalesce(told->>'mark', ''), 64);
    why_told text := coalesce(told->>'why', '');
BEGIN
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO accounts_auditentry
            (at, by_id, by, at_place, mark, "table", row_key, account_id, act, before, after, why)
        SELECT clock_timestamp(), who_id, who, place, mark_told, TG_TABLE_NAME,
            coalesce(n.row->>key_column, o.row->>key_column),
            CASE WHEN account_column = '' THEN NULL
                WHEN through = '' THEN (coalesce(n.row, o.row)->>account_column)::bigint
                ELSE audit_account(through, coalesce(n.row, o.row)->>account_column) END,
            CASE WHEN o.row IS NULL THEN 'added' WHEN n.row IS NULL THEN 'deleted' ELSE 'changed' END,
            changed.before, changed.after,
            coalesce(CASE WHEN n.row->why_column IS DISTINCT FROM o.row->why_column
                THEN nullif(n.row->>why_column, '') END, why_told)
        FROM (SELECT to_jsonb(r) - quiet AS row FROM old_rows r) o
        FULL JOIN (SELECT to_jsonb(r) - quiet AS row FROM new_rows r) n ON o.row->>key_column = n.row->>key_column
        CROSS JOIN LATERAL (
            SELECT
                jsonb_object_agg(k, CASE WHEN k = ANY (private) THEN audit_mark(o.row->k) ELSE o.row->k END)
                    FILTER (WHERE o.row IS NOT NULL) AS before,
                jsonb_object_agg(k, CASE WHEN k = ANY (private) THEN audit_mark(n.row->k) ELSE n.row->k END)
                    FILTER (WHERE n.row IS NOT NULL) AS after
            FROM jsonb_object_keys(coalesce(n.row, o.row)) k WHERE o.row->k IS DISTINCT FROM n.row->k
        ) changed
        WHERE o.row IS DISTINCT FROM n.row;
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO accounts_auditentry
            (at, by_id, by, at_place, mark, "table", row_key, account_id, act, before, after, why)
        SELECT clock_timestamp(), who_id, who, place, mark_told, TG_TABLE_NAME, n.row->>key_column,
            CASE WHEN account_column = '' THEN NULL
                WHEN through = '' THEN (n.row->>account_column)::bigint
                ELSE audit_account(through, n.row->>account_column) END,
            'added', NULL,
            n.row || (SELECT coalesce(jsonb_object_agg(k, audit_mark(n.row->k)), '{}'::jsonb) FROM unnest(private) k
                WHERE n.row ? k),
            coalesce(nullif(n.row->>why_column, ''), why_told)
        FROM (SELECT jsonb_strip_nulls(to_jsonb(r) - quiet) AS row FROM new_rows r) n;
    ELSE
        INSERT INTO accounts_auditentry
            (at, by_id, by, at_place, mark, "table", row_key, account_id, act, before, after, why)
        SELECT clock_timestamp(), who_id, who, place, mark_told, TG_TABLE_NAME, o.row->>key_column,
            CASE WHEN account_column = '' THEN NULL
                WHEN through = '' THEN (o.row->>account_column)::bigint
                ELSE audit_account(through, o.row->>account_column) END,
            'deleted',
            o.row || (SELECT coalesce(jsonb_object_agg(k, audit_mark(o.row->k)), '{}'::jsonb) FROM unnest(private) k
                WHERE o.row ? k),
            NULL, why_told
        FROM (SELECT jsonb_strip_nulls(to_jsonb(r) - quiet) AS row FROM old_rows r) o;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: the audit record is append-only', lower(TG_OP), TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
"""

KEPT = ("accounts_auditentry", "accounts_auditlink", "accounts_auditseal")
APPEND_ONLY = "".join(
    f"CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON {table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();\n"
    f"CREATE TRIGGER audit_never_emptied BEFORE TRUNCATE ON {table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();\n"
    for table in KEPT
)
UNDO = "".join(
    f"DROP TRIGGER audit_never_emptied ON {table};\nDROP TRIGGER audit_append_only ON {table};\n" for table in KEPT
)
GONE = """
DROP FUNCTION audit_refuse();
DROP FUNCTION audit_note();
DROP FUNCTION audit_account(text, text);
DROP FUNCTION audit_mark(jsonb);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0020_verbs"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.RunSQL(FUNCTIONS, GONE),
        migrations.RunSQL(APPEND_ONLY, UNDO),
        watch("accounts_company"),
        watch("accounts_accounttype"),
        watch("accounts_accountstatus"),
        watch("accounts_account", account="id", quiet=("public_id",), private=("name", "address", "note")),
        watch("accounts_contact", account="account_id", private=("name", "email", "phone")),
        watch("accounts_fundingsource", account="account_id", private=("customer_token", "source_token")),
        watch("accounts_serviceline", account="account_id"),
        watch("accounts_outreachrules"),
        watch("accounts_channelbreaker", why="why"),
        watch("accounts_pause", why="why"),
        watch("accounts_suppression", private=("address",), why="words"),
        watch("accounts_noticetemplate"),
        watch("accounts_noticetemplateversion", why="note"),
        watch("accounts_portaldoor", account="account_id", why="why"),
        watch("accounts_user", quiet=("last_login",), private=("password", "email", "first_name", "last_name")),
        watch("accounts_user_groups"),
        watch("accounts_user_user_permissions"),
        watch("auth_group"),
        watch("auth_group_permissions"),
    ]
