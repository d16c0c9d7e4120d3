"""What the queue filters and sorts by, on the case itself; saved views; changes to many cases."""

import uuid_utils.compat
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q
from django.db.models.functions import Now

AT_ONCE = 5_000
NEXT = "SELECT id FROM cases WHERE id > %s ORDER BY id LIMIT %s"
FILL = """
    UPDATE cases
    SET
        reason = strangest.reason,
        top_reason = coalesce(left(strangest.reason ->> 'code', 40), ''),
        amount = strangest.amount,
        currency = strangest.currency,
        merchant_id = strangest.merchant_id
    FROM (
        SELECT DISTINCT ON (held.id)
            held.id, anomalies.reasons -> 0 AS reason, anomalies.amount, anomalies.currency, anomalies.merchant_id
        FROM cases AS held
        JOIN anomalies ON anomalies.user_id = held.user_id AND anomalies.case_id = held.id
        WHERE held.id = ANY(%s)
        ORDER BY held.id, anomalies.score DESC, anomalies.transaction_id
    ) AS strangest
    WHERE cases.id = strangest.id
"""
EVERYTHING_BEGINS_AFTER = "00000000-0000-0000-0000-000000000000"


def fill(apps, schema_editor):
    """A few thousand cases at a time, each a transaction of its own: harmless to repeat."""
    last = EVERYTHING_BEGINS_AFTER
    with schema_editor.connection.cursor() as cursor:
        while True:
            cursor.execute(NEXT, [last, AT_ONCE])
            ids = [case for (case,) in cursor.fetchall()]
            if not ids:
                return
            cursor.execute(FILL, [ids])
            last = ids[-1]


class Migration(migrations.Migration):
    # Cases are opened and closed while they are filled and the indexes are built.
    atomic = False

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("anomalies", "0006_review_permissions_and_audit"),
    ]
    operations = [
        migrations.AddField(
            "case", "reason", models.JSONField("strongest reason", null=True, blank=True)
        ),
        migrations.AddField(
            "case",
            "top_reason",
            models.CharField("kind of the strongest reason", max_length=40, blank=True, db_default=""),
        ),
        migrations.AddField(
            "case", "amount", models.DecimalField(max_digits=20, decimal_places=2, null=True, blank=True)
        ),
        migrations.AddField("case", "currency", models.CharField(max_length=3, blank=True, db_default="")),
        migrations.AddField("case", "merchant_id", models.TextField("merchant", null=True, blank=True)),
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
        AddIndexConcurrently(
            "case",
            models.Index(
                fields=["-closed_at", "id"], condition=Q(closed_at__isnull=False), name="ix_case_closed"
            ),
        ),
        AddIndexConcurrently(
            "case",
            models.Index(
                fields=["merchant_id", "-closed_at"],
                condition=Q(state="closed", merchant_id__isnull=False),
                name="ix_case_closed_merchant",
            ),
        ),
        migrations.CreateModel(
            name="SavedView",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid_utils.compat.uuid7, primary_key=True, serialize=False),
                ),
                ("name", models.CharField(max_length=40)),
                (
                    "query",
                    models.TextField(
                        help_text="As they stand in the URL, in the order of their names.", verbose_name="filters"
                    ),
                ),
                ("is_shared", models.BooleanField(default=False, verbose_name="shared")),
                ("is_default", models.BooleanField(default=False, verbose_name="shown first")),
                ("created_at", models.DateTimeField(db_default=Now())),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=models.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "db_table": "saved_views",
                "ordering": ("name", "id"),
                "permissions": [("share_savedview", "Can share views of the queue with everybody")],
                "indexes": [
                    models.Index(condition=Q(is_shared=True), fields=["name"], name="ix_view_shared"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("owner", "name"), name="one_view_of_an_owner_has_the_name"),
                    models.UniqueConstraint(
                        condition=Q(is_default=True), fields=("owner",), name="one_view_is_shown_first"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BulkChange",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid_utils.compat.uuid7, primary_key=True, serialize=False),
                ),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("verdict", "Verdict"),
                            ("close", "Close"),
                            ("assign", "Assign"),
                            ("release", "Release"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "value",
                    models.CharField(blank=True, help_text="The verdict or the outcome.", max_length=10),
                ),
                ("note", models.TextField(blank=True)),
                (
                    "query",
                    models.TextField(
                        blank=True, help_text="Of the list in which it was wished.", verbose_name="filters"
                    ),
                ),
                ("cases", ArrayField(base_field=models.UUIDField(), size=None)),
                ("total", models.IntegerField()),
                (
                    "position",
                    models.IntegerField(default=0, help_text="How many of the cases have been looked at."),
                ),
                ("tally", models.JSONField(default=dict, help_text="How many came to what.")),
                ("created_at", models.DateTimeField(db_default=Now())),
                ("started_at", models.DateTimeField(null=True, blank=True)),
                (
                    "assignee",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=models.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=models.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "db_table": "bulk_changes",
                "ordering": ("-created_at", "id"),
                "indexes": [
                    models.Index(fields=["author", "created_at"], name="ix_bulk_author"),
                ],
            },
        ),
    ]
