"""What was found (anomalies, cases), what was judged (verdicts), and what it was measured against."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from anomalies import desk, events, kept_answers  # noqa: F401 (their models are this app's too)
from anomalies.findings import BUILT_IN_MODEL
from anomalies.webhooks import models as _webhooks  # noqa: F401 (as above)


class ModelVersion(models.Model):
    """A way of turning evidence into one number: the sum of surprises, each group by its weight.

    Name and weights are never changed. It is in shadow first, then live, then retired, and live once only: rows from
    `live_from` on, up to the next one's, are scored by it, whenever that is done.
    """

    class State(models.TextChoices):
        SHADOW = "shadow"
        LIVE = "live"
        RETIRED = "retired"

    id = models.UUIDField(primary_key=True, default=uuid7)
    name = models.CharField(max_length=64, unique=True)
    weights = models.JSONField(default=dict, help_text="Of the groups of evidence; one that is missing counts 1.")
    state = models.CharField(max_length=8, choices=State, default=State.SHADOW)
    live_from = models.DateTimeField("judges payments from", null=True)
    metrics = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "model_versions"
        constraints = [
            # Two live models would give one transaction two scores.
            models.UniqueConstraint(fields=("state",), condition=Q(state="live"), name="one_model_is_live"),
            # And so would two that were live at one time.
            models.UniqueConstraint(fields=("live_from",), name="one_model_goes_live_at_an_instant"),
            # One that was put back into shadow would still judge the payments of its time.
            models.CheckConstraint(
                condition=Q(state="shadow", live_from__isnull=True)
                | Q(state="live", live_from__isnull=False)
                | Q(state="retired"),
                name="model_is_live_from_an_instant",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Reference(models.Model):
    """What normal looked like in a window: rows at or after `until` are scored against the newest one of their model.

    `payload` is `scoring.Reference` as bytes, the model's weights among them; a reference is never changed once
    written.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    # Those that were built before there were other models are the built-in one's.
    model_version = models.ForeignKey(
        ModelVersion, db_default=BUILT_IN_MODEL, on_delete=models.PROTECT, related_name="references"
    )
    since = models.DateTimeField()
    until = models.DateTimeField()
    rows = models.BigIntegerField("transactions seen")
    payload = models.BinaryField()
    version = models.SmallIntegerField(db_default=1, help_text="Of the format of the payload.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "scoring_references"
        ordering = ("-until",)
        constraints = [
            # After an upgrade references of an earlier version stay, for the anomalies that name them.
            models.UniqueConstraint(
                fields=("model_version", "until", "version"), name="one_reference_of_a_model_ends_at_an_instant"
            ),
        ]

    def __str__(self) -> str:
        return f"reference of {self.since:%Y-%m-%d} to {self.until:%Y-%m-%d}"


class Case(models.Model):
    """One user's anomalies, reviewed together. Open from the first alert until an analyst closes it."""

    class State(models.TextChoices):
        OPEN = "open"
        CLAIMED = "claimed"
        CLOSED = "closed"

    class Outcome(models.TextChoices):
        FRAUD = "fraud"
        LEGITIMATE = "legitimate"
        EXPECTED = "expected"
        UNSURE = "unsure"

    id = models.UUIDField(primary_key=True, default=uuid7)
    user_id = models.UUIDField()
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    priority = models.FloatField(help_text="The highest score among its anomalies, 0 to 100.")
    anomaly_count = models.IntegerField("anomalies", default=0)
    opened_at = models.DateTimeField(db_default=Now())
    since = models.DateTimeField("reaches back to", help_text="Earlier transactions of the user stay out.")
    latest_at = models.DateTimeField("latest transaction")
    # A snapshot of the strangest anomaly, kept by cases_tally.sql: the queue filters and sorts by it.
    reason = models.JSONField("strongest reason", null=True, blank=True)
    top_reason = models.CharField("kind of the strongest reason", max_length=40, blank=True, db_default="")
    amount = models.DecimalField(max_digits=20, decimal_places=2, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True, db_default="")
    merchant_id = models.TextField("merchant", null=True, blank=True)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    lease_until = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        db_table = "cases"
        ordering = ("-priority", "id")
        indexes = [
            # The queue: cases not closed, the most urgent first.
            models.Index(fields=("-priority", "id"), condition=~Q(state="closed"), name="ix_case_queue"),
            # All cases of a user, newest first.
            models.Index(fields=("user_id", "-opened_at"), name="ix_case_user"),
            # New cases a day, for the dashboard and the budget.
            models.Index(fields=("opened_at",), name="ix_case_opened"),
            # Closed cases, the newest first: there may be millions, so the queue and the dashboard look at the latest.
            models.Index(fields=("-closed_at", "id"), condition=Q(closed_at__isnull=False), name="ix_case_closed"),
            # Those of a merchant, however far back they lie.
            models.Index(
                fields=("merchant_id", "-closed_at"),
                condition=Q(state="closed", merchant_id__isnull=False),
                name="ix_case_closed_merchant",
            ),
            # New cases by the day of the payment that opened them, for the dashboard.
            models.Index(fields=("since",), name="ix_case_since"),
        ]
        constraints = [
            # A second open case would split one story between two analysts.
            models.UniqueConstraint(
                fields=("user_id",), condition=~Q(state="closed"), name="one_case_of_a_user_is_not_closed"
            ),
        ]
        permissions = [
            ("review_case", "Can claim, judge and comment cases"),
            ("reassign_case", "Can give cases to others and reopen them"),
        ]

    def __str__(self) -> str:
        return f"case {str(self.id)[-8:]}"


class CaseSkip(models.Model):
    """An analyst who put a case back and is not handed it again for a while; others are."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    # A case that scoring removes again takes nothing along: that would cost scoring a query.
    case = models.ForeignKey(Case, db_constraint=False, on_delete=models.DO_NOTHING, related_name="+")
    analyst = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    until = models.DateTimeField()

    class Meta:
        db_table = "case_skips"
        constraints = [
            # Skipping again makes it longer. Serves the hand-out of the next case too.
            models.UniqueConstraint(fields=("analyst", "case"), name="a_case_is_skipped_once_by_an_analyst"),
        ]

    def __str__(self) -> str:
        return f"{self.case} until {self.until}"


class Anomaly(models.Model):
    """A transaction whose score reached the floor, with a snapshot of it and the reasons for the score."""

    transaction = models.OneToOneField(
        "transactions.Transaction",
        primary_key=True,
        db_constraint=False,
        on_delete=models.DO_NOTHING,
        related_name="anomaly",
    )
    user_id = models.UUIDField()
    amount = models.DecimalField(max_digits=20, decimal_places=2)
    currency = models.CharField(max_length=3)
    txn_date = models.DateTimeField("time")
    status = models.CharField(max_length=32)
    merchant_id = models.TextField("merchant", null=True)
    score = models.FloatField(help_text="20 log10 of the rarity, 0 to 100.")
    rarity = models.FloatField(help_text="One in so many transactions is as strange.")
    raw = models.FloatField(help_text="The sum of the reasons' contributions, in decades of surprise.")
    reasons = models.JSONField(help_text="The evidence; the contributions add up to raw.")
    features = models.JSONField(help_text="Feature name to value; unknown ones are missing.")
    reference = models.ForeignKey(Reference, on_delete=models.PROTECT, related_name="+")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    case = models.ForeignKey(
        Case, null=True, db_constraint=False, on_delete=models.DO_NOTHING, related_name="anomalies"
    )
    found_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "anomalies"
        verbose_name_plural = "anomalies"
        ordering = ("-txn_date", "transaction_id")
        indexes = [
            # A user's anomalies, newest first: the case's page, the user's page, gathering into a case.
            models.Index(fields=("user_id", "-txn_date", "transaction"), name="ix_anomaly_user_date"),
            # The newest anomalies of all users: the list, the dashboard, and, from the index alone, the alert threshold
            # of the last days, which a server reckons every few seconds.
            models.Index(fields=("-txn_date", "transaction"), include=("user_id", "score"), name="ix_anomaly_recent"),
            # The strangest first.
            models.Index(fields=("-score", "transaction"), name="ix_anomaly_score"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}, score {self.score:.0f}"


class Verdict(models.Model):
    """What somebody said about a transaction. Append-only; it counts from `known_at` on, the latest one alone.

    WITHDRAWN takes back the verdict before it: while it is the latest, the transaction has none.
    """

    class Value(models.TextChoices):
        FRAUD = "fraud"
        LEGITIMATE = "legitimate"
        EXPECTED = "expected", "Expected (odd, but fine for this user)"
        UNSURE = "unsure"

    # No value that anybody gives: what `cases.undo` leaves.
    WITHDRAWN = "withdrawn"

    id = models.UUIDField(primary_key=True, default=uuid7)
    transaction = models.ForeignKey(
        "transactions.Transaction", db_constraint=False, on_delete=models.DO_NOTHING, related_name="verdicts"
    )
    user_id = models.UUIDField()
    value = models.CharField(max_length=10, choices=[*Value.choices, (WITHDRAWN, "Withdrawn")])
    source = models.CharField(max_length=32, default="analyst")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    note = models.TextField(blank=True)
    known_at = models.DateTimeField(db_default=Now())
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "verdicts"
        ordering = ("-known_at", "id")
        indexes = [
            # A user's verdicts in the order in which they became known.
            models.Index(fields=("user_id", "-known_at"), name="ix_verdict_user_known"),
            # All verdicts, the latest first.
            models.Index(fields=("-known_at", "id"), name="ix_verdict_known"),
        ]

    def __str__(self) -> str:
        return self.get_value_display()


class AlertBudget(models.Model):
    """How many new cases a day analysts want, from `since` on. Append-only; the newest one counts.

    While there is none, settings.ALERT_BUDGET does.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    cases_per_day = models.IntegerField()
    since = models.DateTimeField(db_default=Now())
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        db_table = "alert_budgets"
        ordering = ("-since", "-id")
        indexes = [
            # The one that counts, which every reckoning of the alert threshold asks for.
            models.Index(fields=("-since", "-id"), name="ix_alert_budget_since"),
        ]
        constraints = [
            # The bounds of settings.ALERT_BUDGET.
            models.CheckConstraint(
                condition=Q(cases_per_day__gte=1) & Q(cases_per_day__lte=1_000_000), name="alert_budget_is_in_range"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cases_per_day} a day"


class PendingScore(models.Model):
    """A user whose rows from `since` on wait to be scored; written together with those rows."""

    user_id = models.UUIDField(primary_key=True)
    since = models.DateTimeField()

    class Meta:
        db_table = "pending_scores"

    def __str__(self) -> str:
        return f"{self.user_id} from {self.since}"


class Comment(models.Model):
    """What an analyst wrote on a case. Append-only."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    case = models.ForeignKey(
        Case, db_constraint=False, db_index=False, on_delete=models.DO_NOTHING, related_name="comments"
    )
    user_id = models.UUIDField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    text = models.TextField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "comments"
        ordering = ("at", "id")
        indexes = [
            # A case's comments in the order in which they were written.
            models.Index(fields=("case", "at", "id"), name="ix_comment_case"),
        ]

    def __str__(self) -> str:
        return self.text[:50]


class AuditEntry(models.Model):
    """Who did what, when, to what. Append-only: each entry holds the hash of the one before, see `audit`.

    People and cases are named by plain values, so that no deletion elsewhere takes anything away from here.
    """

    # Without a gap, and given under a lock: the key forbids two entries that follow on the same one.
    position = models.BigIntegerField("number", primary_key=True)
    at = models.DateTimeField()
    actor_id = models.BigIntegerField("account", null=True)
    actor = models.TextField("by")
    action = models.CharField(max_length=64)
    case_id = models.UUIDField("case", null=True)
    user_id = models.UUIDField("user", null=True)
    subject = models.TextField()
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    note = models.TextField()
    address = models.TextField("from")
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        db_table = "audit_entries"
        verbose_name_plural = "audit entries"
        ordering = ("-position",)
        indexes = [
            # The history of a case.
            models.Index("case_id", F("position").desc(), condition=Q(case_id__isnull=False), name="ix_audit_case"),
            # What was done about a user.
            models.Index("user_id", F("position").desc(), condition=Q(user_id__isnull=False), name="ix_audit_user"),
            # What somebody did.
            models.Index("actor", F("position").desc(), name="ix_audit_actor"),
            # All that was done of one kind.
            models.Index("action", F("position").desc(), name="ix_audit_action"),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor or 'the server'}"

    @property
    def changes(self) -> list[tuple[str, Any, Any]]:
        """What changed: (name, before, after), None where nothing was said."""
        before, after = self.before or {}, self.after or {}
        names = dict.fromkeys([*before, *after])
        return [(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)]
