"""Anomalies, verdicts, references and models, to look at."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from anomalies import show
from anomalies.admin import case_page
from anomalies.admin.base import IdSearch, PaymentColumns, ReadOnlyAdmin
from anomalies.admin.cases import reason_cell
from anomalies.admin.filters import Choice, Code, DateRange, LevelFilter, Links, NumberRange, Rows
from anomalies.models import Anomaly, PendingScore, Reference, Verdict
from anomalies.titles import TITLES


class ScoreRange(NumberRange):
    title = _("score")
    field = "score"


class DayRange(DateRange):
    title = _("day (UTC)")
    field = "txn_date"


class CurrencyFilter(Code):
    title = _("currency")
    field = "currency"


class StandingFilter(Links):
    title = _("case")
    parameter_name = "standing"
    options = (Choice("any", _("Any")), Choice("case", _("In a case")), Choice("alone", _("Alone")))

    def narrowed(self, _request: HttpRequest, queryset: Rows, chosen: str) -> Rows:
        return queryset if chosen == "any" else queryset.filter(case__isnull=chosen == "alone")


class ReasonFilter(Links):
    """By the strongest reason; the bar has no room for it, the dashboard links to it."""

    title = _("strongest reason")
    parameter_name = "reason"
    is_menu = True
    options = (Choice("any", _("Any")), *(Choice(code, title) for code, title in TITLES.items()))

    def narrowed(self, _request: HttpRequest, queryset: Rows, chosen: str) -> Rows:
        return queryset if chosen == "any" else queryset.filter(reasons__0__code=chosen)


@admin.register(Anomaly)
class AnomalyAdmin(PaymentColumns, IdSearch, ReadOnlyAdmin):
    list_display = ("strangeness", "when", "user", "amount_", "merchant", "status_", "top_reason", "in_case")
    list_display_links = ("strangeness", "when")
    list_filter = (LevelFilter, StandingFilter, ReasonFilter, ScoreRange, DayRange, CurrencyFilter)
    list_select_related = ("case",)
    ordering = ("-txn_date", "transaction_id")
    sortable_by = ("strangeness", "when")
    searched_ids = ("user_id", "pk")
    search_help_text = _("Whole user or transaction id")
    empty_title = _("No anomaly here")
    empty_hint = _(
        "An anomaly is a transaction that is at least as strange as one in a hundred. If there should be some, load "
        "transactions with manage.py load_data and score them with manage.py score."
    )

    @admin.display(description=_("score"), ordering="-score")
    def strangeness(self, anomaly: Anomaly) -> str:
        return show.level(anomaly.score)

    @admin.display(description=_("strongest reason"))
    def top_reason(self, anomaly: Anomaly) -> str:
        return reason_cell(anomaly.reasons[:1], anomaly.currency)

    @admin.display(description=_("case"))
    def in_case(self, anomaly: Anomaly) -> str:
        if anomaly.case is None:
            return ""
        url = reverse("admin:anomalies_case_change", args=[anomaly.case.pk])
        text = anomaly.case.get_outcome_display() or anomaly.case.get_state_display()
        return format_html('<a class="link" href="{}">{}</a>', url, text)

    @method_decorator(require_safe)
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002 (the admin's signature)
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        anomaly = self.get_object(request, object_id)
        if not self.has_view_permission(request, anomaly):
            raise PermissionDenied
        if anomaly is None:
            raise Http404
        said = list(Verdict.objects.filter(transaction=anomaly.pk).select_related("author"))
        context = {
            **self.admin_site.each_context(request),
            "shown": case_page.with_bars([anomaly], said),
            "anomaly": anomaly,
            "features": sorted(anomaly.features.items()),
            "history": said,
            "opts": self.opts,
            "original": anomaly,
            "title": str(anomaly),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "console/anomaly.html", context)


class ValueFilter(Links):
    title = _("verdict")
    parameter_name = "value"
    options = (
        Choice("any", _("Any")),
        *(Choice(value, value.capitalize()) for value in (*Verdict.Value.values, Verdict.WITHDRAWN)),
    )

    def narrowed(self, _request: HttpRequest, queryset: Rows, chosen: str) -> Rows:
        return queryset if chosen == "any" else queryset.filter(value=chosen)


@admin.register(Verdict)
class VerdictAdmin(IdSearch, ReadOnlyAdmin):
    list_display = ("value_", "known", "transaction_", "user", "source", "author", "note_")
    list_filter = (ValueFilter,)
    list_select_related = ("author",)
    ordering = ("-known_at", "id")
    searched_ids = ("user_id", "transaction_id")
    search_help_text = _("Whole user or transaction id")
    fields = ("value", "transaction_", "user_id", "source", "author", "note", "known_at", "created_at")
    readonly_fields = ("transaction_",)
    empty_title = _("No verdict yet")
    empty_hint = _("Open a case and say what it was. Verdicts are added, never changed; the latest one counts.")

    @admin.display(description=_("verdict"))
    def value_(self, verdict: Verdict) -> str:
        return format_html('<span class="state state-{}">{}</span>', verdict.value, verdict.value.capitalize())

    @admin.display(description=_("known since (UTC)"))
    def known(self, verdict: Verdict) -> str:
        return show.moment(verdict.known_at)

    @admin.display(description=_("transaction"))
    def transaction_(self, verdict: Verdict) -> str:
        return show.short_id(verdict.transaction_id)

    @admin.display(description=_("user"))
    def user(self, verdict: Verdict) -> str:
        return show.user_link(verdict.user_id)

    @admin.display(description=_("note"))
    def note_(self, verdict: Verdict) -> str:
        return format_html('<span class="reason-cell" title="{}">{}</span>', verdict.note, verdict.note)


@admin.register(Reference)
class ReferenceAdmin(ReadOnlyAdmin):
    list_display = ("until_", "since_", "model_version", "rows_", "created")
    list_select_related = ("model_version",)
    ordering = ("-until",)
    fields = ("id", "model_version", "since", "until", "rows", "created_at")
    empty_title = _("No reference yet")
    empty_hint = _(
        "A reference holds what normal looks like. Scoring builds it from about a day of transactions: "
        "load some with manage.py load_data, then run manage.py score."
    )

    def get_queryset(self, request: HttpRequest) -> Rows:
        # The payload is megabytes of bytes that no page shows.
        rows: Rows = super().get_queryset(request).defer("payload")
        return rows

    @admin.display(description=_("until (UTC)"))
    def until_(self, reference: Reference) -> str:
        return show.moment(reference.until)

    @admin.display(description=_("since (UTC)"))
    def since_(self, reference: Reference) -> str:
        return show.moment(reference.since)

    @admin.display(description=_("made (UTC)"))
    def created(self, reference: Reference) -> str:
        return show.moment(reference.created_at)

    @admin.display(description=_("transactions seen"))
    def rows_(self, reference: Reference) -> str:
        return format_html('<span class="number">{}</span>', show.whole(reference.rows))


@admin.register(PendingScore)
class PendingScoreAdmin(ReadOnlyAdmin):
    list_display = ("user_id", "since_")
    ordering = ("user_id",)
    empty_title = _("Nobody waits")
    empty_hint = _("Every stored transaction that can have a score has one.")

    @admin.display(description=_("rows from (UTC)"))
    def since_(self, pending: PendingScore) -> str:
        return show.moment(pending.since)
