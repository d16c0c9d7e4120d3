"""Transactions as they happened, and the state of loads."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Collate, Now
from django.db.models.lookups import Exact
from rest_framework_api_key.models import AbstractAPIKey
from uuid_utils.compat import uuid7

from transactions import rights

EARLIEST = "1970-01-01T00:00:00+00:00"


class Transaction(models.Model):
    """One payment of one user. Stored once, never changed: anomalies and verdicts refer to it."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    user_id = models.UUIDField()
    amount = models.DecimalField(max_digits=20, decimal_places=2)
    currency = models.CharField(max_length=3)
    txn_date = models.DateTimeField("time")
    status = models.CharField(max_length=32)
    meta_data = models.JSONField(default=dict, db_default=Value({}, output_field=models.JSONField()), blank=True)
    received_at = models.DateTimeField(db_default=Now(), editable=False)
    merchant_id = models.GeneratedField(
        expression=KeyTextTransform("merchant_id", "meta_data"),
        output_field=models.TextField(null=True),
        db_persist=True,
    )

    class Meta:
        db_table = "transactions"
        # The order of the primary query; together with Meta.indexes no page needs a sort.
        ordering = ("-txn_date", "id")
        indexes = [
            # The primary query: one user's transactions in a date and an amount range, newest first.
            models.Index("user_id", F("txn_date").desc(), "id", "amount", name="ix_user_date_amount_id"),
            # The newest transactions of all users, and their first and last instants: without it each such page
            # reads the whole table. Measured in docs/primary-query.md, BRIN beside it.
            models.Index(F("txn_date").desc(), "id", name="ix_transaction_date"),
            # A merchant's last payments in a currency before an instant, which a score compares with: with their
            # amounts, so that no payment is read from the table, and by bytes, which are quicker to compare.
            models.Index(
                Collate("merchant_id", "C"),
                Collate("currency", "C"),
                F("txn_date").desc(),
                F("id").desc(),
                name="ix_merchant_visits",
                include=["amount"],
                condition=Q(merchant_id__isnull=False),
            ),
        ]
        constraints = [
            # numeric knows NaN, and NaN is greater than every number.
            models.CheckConstraint(
                condition=Q(amount__gte=0) & Q(amount__lt=10**18), name="amount_is_finite_and_not_negative"
            ),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="currency_is_three_letters"),
            # The column says how long it may be: a bounded repetition takes five times as long to match.
            models.CheckConstraint(condition=Q(status__regex=r"^[a-z][a-z0-9_]*$"), name="status_is_a_code"),
            # timestamptz knows infinity; the upper bound keeps it out as well.
            models.CheckConstraint(
                condition=Q(txn_date__gte=EARLIEST) & Q(txn_date__lte=F("received_at") + timedelta(hours=24)),
                name="txn_date_is_past_or_within_a_day",
            ),
            models.CheckConstraint(
                condition=Exact(
                    Func(F("meta_data"), function="jsonb_typeof", output_field=models.TextField()), Value("object")
                ),
                name="meta_data_is_an_object",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} on {self.txn_date:%Y-%m-%d %H:%M}"


class Departure(models.Model):
    """A payment at a merchant that departs from its user's past (`scoring.departures`), kept for the others there.

    What a row of `transactions` says, and so never changed; whether it departs is told anew when its user is scored
    again. Not all that depart: only those whose user has been looked at.
    """

    # As in Anomaly: a sharded table has no key that a constraint could name.
    transaction = models.OneToOneField(
        Transaction, primary_key=True, db_constraint=False, on_delete=models.DO_NOTHING, related_name="+"
    )
    user_id = models.UUIDField()
    merchant_id = models.TextField()
    currency = models.CharField(max_length=3)
    txn_date = models.DateTimeField()

    class Meta:
        db_table = "departures"
        indexes = [
            # Those at a merchant between two instants, by bytes, as ix_merchant_visits.
            models.Index(
                Collate("merchant_id", "C"), Collate("currency", "C"), "txn_date", name="ix_departure_merchant"
            ),
            # Those of a user who is looked at again.
            models.Index("user_id", "txn_date", name="ix_departure_user"),
        ]

    def __str__(self) -> str:
        return f"at {self.merchant_id} on {self.txn_date:%Y-%m-%d %H:%M}"


class PackedRows(models.Model):
    """A user's newest rows as scoring reads them, in one value: a copy, so that a live score need not gather them.

    The rows lie apart in `transactions`, which is in the order of arrival. The copy counts while as many rows with the
    same ids are stored from `since` to `until`, which an index tells; what is newer is read beside it. So whoever
    writes transactions need not know of it, and nothing is wrong when it is missing. The table is unlogged: after a
    crash of PostgreSQL it is empty, and fills again.
    """

    user_id = models.UUIDField(primary_key=True)
    since = models.DateTimeField()
    until = models.DateTimeField()
    # What `content` holds, as a number: see lookback.limits.
    layout = models.BigIntegerField()
    rows = models.IntegerField()
    # The exclusive or of the hashes of their ids.
    ids = models.IntegerField()
    content = models.BinaryField()

    class Meta:
        db_table = "packed_rows"

    def __str__(self) -> str:
        return f"{self.rows} rows of {self.user_id} up to {self.until:%Y-%m-%d %H:%M}"


class Load(models.Model):
    """How far a file has been loaded; each chunk's progress commits together with its rows.

    The key is a digest of the file's content and of the options that give its rows their meaning,
    so the same file loaded again, or at the same time, finds its own row.
    """

    digest = models.CharField(primary_key=True, max_length=64)
    name = models.TextField()
    position = models.BigIntegerField(default=0)
    line = models.BigIntegerField(default=0)
    accepted = models.BigIntegerField(default=0)
    duplicate = models.BigIntegerField(default=0)
    conflict = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    # The reject file as the last chunk left it: whatever a killed load wrote after that is cut off.
    reject_path = models.TextField(default="", blank=True)
    reject_size = models.BigIntegerField(default=0)
    reject_crc = models.BigIntegerField(default=0)
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "loads"

    def __str__(self) -> str:
        return f"{self.name} up to line {self.line}"


class ApiKey(AbstractAPIKey):
    """A token for the API. Only a hash of it is stored, so it is shown once, when it is made."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    # What it may do, in the words of `scopes`.
    scopes = ArrayField(models.TextField(), default=list)
    rate_limit = models.PositiveIntegerField(
        null=True, blank=True, help_text="Requests a minute; 0 for no limit, empty for the server's own."
    )
    # Written at most once a minute.
    last_used_at = models.DateTimeField("last used", null=True, editable=False)
    # Of the key's row and its owner's, as `keys` found them; and what its request has still to ask, if anything.
    version = ""
    guard: Any = None
    # What its owner was once seen to have; counts only where the request's guard asks for it again.
    granted: set[str]

    class Meta(AbstractAPIKey.Meta):
        db_table = "api_keys"
        verbose_name = "API key"
        verbose_name_plural = "API keys"

    def may(self, permission: str) -> bool:
        """Whether its owner, who is active, has the permission. At most one query."""
        if self.owner.is_superuser:
            return True
        if self.guard is not None and self.guard.covers == permission and permission in self.granted:
            return True
        if not rights.has(self.owner_id, permission):
            return False
        self.granted.add(permission)
        return True


class ApiKeyMinute(models.Model):
    """How many requests of a key were let through in a minute, counted by all servers together.

    The table is unlogged: after a crash of PostgreSQL the minute begins anew, and no request waits for a disk.
    """

    prefix = models.CharField(primary_key=True, max_length=8)
    minute = models.DateTimeField()
    taken = models.BigIntegerField()

    class Meta:
        db_table = "api_key_minutes"

    def __str__(self) -> str:
        return f"{self.prefix}: {self.taken}"
