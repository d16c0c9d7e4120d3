# What a key may do becomes a list of scopes; and it gets a limit of requests and the time of its last use.

import django.contrib.postgres.fields
from django.db import migrations, models

# What every key could do, and what those could that could write.
READ = "'transactions:read', 'anomalies:read', 'cases:read', 'verdicts:read', 'users:read'"
WRITE = "'transactions:write', 'verdicts:write'"
TO_SCOPES = f"""
    UPDATE api_keys SET scopes = ARRAY[{READ}] || CASE WHEN can_write THEN ARRAY[{WRITE}] ELSE '{{}}'::text[] END
"""
# Only a key that may write all that a key could write becomes one again.
FROM_SCOPES = f"UPDATE api_keys SET can_write = scopes @> ARRAY[{WRITE}]"


class Migration(migrations.Migration):

    dependencies = [
        ("transactions", "0006_validate_check_of_status"),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="scopes",
            field=django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None),
        ),
        migrations.RunSQL(TO_SCOPES, FROM_SCOPES),
        migrations.RemoveField(model_name="apikey", name="can_write"),
        migrations.AddField(
            model_name="apikey",
            name="rate_limit",
            field=models.PositiveIntegerField(
                blank=True, help_text="Requests a minute; 0 for no limit, empty for the server's own.", null=True
            ),
        ),
        migrations.AddField(
            model_name="apikey",
            name="last_used_at",
            field=models.DateTimeField(editable=False, null=True, verbose_name="last used"),
        ),
        migrations.CreateModel(
            name="ApiKeyMinute",
            fields=[
                ("prefix", models.CharField(max_length=8, primary_key=True, serialize=False)),
                ("minute", models.DateTimeField()),
                ("taken", models.BigIntegerField()),
            ],
            options={"db_table": "api_key_minutes"},
        ),
        migrations.RunSQL("ALTER TABLE api_key_minutes SET UNLOGGED", migrations.RunSQL.noop),
    ]
