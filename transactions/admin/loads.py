"""How far files have been loaded."""

from django.contrib import admin
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from anomalies import show
from anomalies.admin.base import ReadOnlyAdmin
from transactions.models import Load


@admin.register(Load)
class LoadAdmin(ReadOnlyAdmin):
    list_display = ("name_", "began", "ended", "accepted_", "duplicate_", "conflict_", "rejected_")
    ordering = ("-started_at", "pk")
    empty_title = _("Nothing loaded yet")
    empty_hint = _("Files that manage.py load_data reads appear here, with how far it has come.")

    @admin.display(description=_("file"))
    def name_(self, load: Load) -> str:
        return format_html('<span class="reason-cell" title="{}">{}</span>', load.name, load.name)

    @admin.display(description=_("started (UTC)"))
    def began(self, load: Load) -> str:
        return show.moment(load.started_at)

    @admin.display(description=_("finished (UTC)"))
    def ended(self, load: Load) -> str:
        return show.moment(load.finished_at) if load.finished_at else _("not yet, line %(line)s") % {"line": load.line}

    @admin.display(description=_("accepted"))
    def accepted_(self, load: Load) -> str:
        return _number(load.accepted)

    @admin.display(description=_("duplicate"))
    def duplicate_(self, load: Load) -> str:
        return _number(load.duplicate)

    @admin.display(description=_("conflict"))
    def conflict_(self, load: Load) -> str:
        return _number(load.conflict)

    @admin.display(description=_("rejected"))
    def rejected_(self, load: Load) -> str:
        return _number(load.rejected)


def _number(count: int) -> str:
    return format_html('<span class="number">{}</span>', show.whole(count))
