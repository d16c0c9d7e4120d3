"""What analysts keep beside the cases: saved views of the queue, and changes to many cases at once."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7


class SavedView(models.Model):
    """Filters of the queue under a name. Seen by its owner, and by everybody once it is shared."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=40)
    query = models.TextField("filters", help_text="As they stand in the URL, in the order of their names.")
    is_shared = models.BooleanField("shared", default=False)
    is_default = models.BooleanField("shown first", default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "saved_views"
        ordering = ("name", "id")
        permissions = [("share_savedview", "Can share views of the queue with everybody")]
        constraints = [
            # Two tabs of one name cannot be told apart. Serves the owner's tabs too.
            models.UniqueConstraint(fields=("owner", "name"), name="one_view_of_an_owner_has_the_name"),
            # The queue opens with one view.
            models.UniqueConstraint(fields=("owner",), condition=Q(is_default=True), name="one_view_is_shown_first"),
        ]
        indexes = [
            # Everybody's tabs.
            models.Index(fields=("name",), condition=Q(is_shared=True), name="ix_view_shared"),
        ]

    def __str__(self) -> str:
        return self.name


class BulkChange(models.Model):
    """One change to many cases: exactly those that were there when somebody was asked to confirm it.

    Done in chunks, each in a database transaction together with `position`: a killed one goes on where it stopped.
    """

    class Action(models.TextChoices):
        VERDICT = "verdict"
        CLOSE = "close"
        ASSIGN = "assign"
        RELEASE = "release"

    id = models.UUIDField(primary_key=True, default=uuid7)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    action = models.CharField(max_length=8, choices=Action)
    value = models.CharField(max_length=10, blank=True, help_text="The verdict or the outcome.")
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    note = models.TextField(blank=True)
    query = models.TextField("filters", blank=True, help_text="Of the list in which it was wished.")
    cases = ArrayField(models.UUIDField())
    total = models.IntegerField()
    position = models.IntegerField(default=0, help_text="How many of the cases have been looked at.")
    tally = models.JSONField(default=dict, help_text="How many came to what.")
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "bulk_changes"
        ordering = ("-created_at", "id")
        indexes = [
            # What somebody left behind without confirming it is swept out with their next wish.
            models.Index(fields=("author", "created_at"), name="ix_bulk_author"),
        ]

    def __str__(self) -> str:
        return f"{self.action} on {self.total} cases"

    @property
    def is_done(self) -> bool:
        return self.position >= self.total
