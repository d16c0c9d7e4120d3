"""The audit log, to look at."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from anomalies import show
from anomalies.admin.base import IdSearch, ReadOnlyAdmin
from anomalies.admin.filters import Inputs
from anomalies.models import AuditEntry


class Whole(Inputs):
    """A text as a whole, as its index finds it."""

    def conditions(self, *texts: str) -> dict[str, Any]:
        return {self.field: texts[0]} if texts[0] else {}


class ActionFilter(Whole):
    title = _("action")
    field = "action"


class ActorFilter(Whole):
    title = _("by")
    field = "actor"


class IdFilter(Inputs):
    hint = _("A whole id, please.")

    def conditions(self, *texts: str) -> dict[str, Any]:
        return {self.field: UUID(texts[0])} if texts[0] else {}


class CaseFilter(IdFilter):
    title = _("case")
    field = "case_id"


class UserFilter(IdFilter):
    title = _("user")
    field = "user_id"


@admin.register(AuditEntry)
class AuditEntryAdmin(IdSearch, ReadOnlyAdmin):
    list_display = ("when", "actor_", "action", "subject_", "changed", "note_", "in_case", "address")
    list_filter = (ActionFilter, ActorFilter, CaseFilter, UserFilter)
    ordering = ("-position",)
    searched_ids = ("case_id", "user_id")
    search_help_text = _("Whole case or user id")
    fields = (
        "position",
        "at",
        "actor_",
        "actor_id",
        "action",
        "subject",
        "changed",
        "note",
        "case_id",
        "user_id",
        "address",
        "previous_hash",
        "hash",
    )
    readonly_fields = ("actor_", "changed")
    empty_title = _("Nothing here")
    empty_hint = _(
        "Logins, claims, verdicts, and changes of accounts, keys and settings are written down here as they happen. "
        "Nothing is ever changed or removed: manage.py audit verify shows it."
    )

    @admin.display(description=_("time (UTC)"))
    def when(self, entry: AuditEntry) -> str:
        return show.moment(entry.at)

    @admin.display(description=_("by"))
    def actor_(self, entry: AuditEntry) -> str:
        return entry.actor or "–"

    @admin.display(description=_("of what"))
    def subject_(self, entry: AuditEntry) -> str:
        return _cut(entry.subject)

    @admin.display(description=_("before → after"))
    def changed(self, entry: AuditEntry) -> str:
        return format_html_join(
            ", ", "{}: {} → {}", ((name, _text(before), _text(after)) for name, before, after in entry.changes)
        )

    @admin.display(description=_("note"))
    def note_(self, entry: AuditEntry) -> str:
        return _cut(entry.note)

    @admin.display(description=_("case"))
    def in_case(self, entry: AuditEntry) -> str:
        if entry.case_id is None:
            return ""
        url = reverse("admin:anomalies_case_change", args=[entry.case_id])
        return format_html('<a class="link" href="{}">{}</a>', url, str(entry.case_id)[-8:])


def _cut(text: str) -> str:
    """One line that ends where the column does; whole on hover."""
    return format_html('<span class="reason-cell" title="{}">{}</span>', text, text) if text else ""


def _text(value: Any) -> str:
    return "–" if value is None else str(value)
