"""The journal cannot be rewritten, and a published policy version cannot change: PostgreSQL refuses."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION delinquency_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE ON delinquency_event
    FOR EACH ROW EXECUTE FUNCTION delinquency_refuse_change();
CREATE TRIGGER grant_append_only BEFORE UPDATE OR DELETE ON delinquency_gracegrant
    FOR EACH ROW EXECUTE FUNCTION delinquency_refuse_change();
CREATE FUNCTION delinquency_published_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'published' THEN
        RAISE EXCEPTION 'published policy versions never change; make a new version' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER policy_version_published_stays BEFORE UPDATE OR DELETE ON delinquency_policyversion
    FOR EACH ROW EXECUTE FUNCTION delinquency_published_stays();
"""

BACKWARD = """
DROP TRIGGER policy_version_published_stays ON delinquency_policyversion;
DROP FUNCTION delinquency_published_stays();
DROP TRIGGER grant_append_only ON delinquency_gracegrant;
DROP TRIGGER event_append_only ON delinquency_event;
DROP FUNCTION delinquency_refuse_change();
"""


class Migration(migrations.Migration):
    """Add the triggers."""

    dependencies = [("delinquency", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
