"""The queue of cases, and the page on which one is judged."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe
from unfold.views import ChangeList

from anomalies import cases, show, verdicts
from anomalies.admin import case_page
from anomalies.admin.base import IdSearch, ReadOnlyAdmin
from anomalies.admin.filters import Choice, LevelFilter, Links, Rows
from anomalies.models import Anomaly, Case
from anomalies.sentences import sentence


class StateFilter(Links):
    title = gettext_lazy("state")
    parameter_name = "state"
    options = (
        Choice("todo", gettext_lazy("To do")),
        Choice("open", gettext_lazy("Unclaimed")),
        Choice("mine", gettext_lazy("Mine")),
        Choice("claimed", gettext_lazy("Claimed")),
        Choice("closed", gettext_lazy("Closed")),
        Choice("all", gettext_lazy("All")),
    )

    def narrowed(self, request: HttpRequest, queryset: Rows, chosen: str) -> Rows:
        if chosen == "todo":
            # Only closed cases have an outcome: asking for one asks for them.
            return queryset if "outcome" in request.GET else queryset.exclude(state=Case.State.CLOSED)
        if chosen == "mine":
            return queryset.filter(assignee=request.user.pk).exclude(state=Case.State.CLOSED)
        return queryset if chosen == "all" else queryset.filter(state=chosen)


class PriorityFilter(LevelFilter):
    score_field = "priority"


class AgeFilter(Links):
    title = gettext_lazy("opened")
    parameter_name = "age"
    options = (
        Choice("any", gettext_lazy("Any time")),
        Choice("day", gettext_lazy("Last 24 h")),
        Choice("week", gettext_lazy("Last 7 days")),
        Choice("older", gettext_lazy("Earlier")),
    )

    def narrowed(self, _request: HttpRequest, queryset: Rows, chosen: str) -> Rows:
        moment = now()
        if chosen == "older":
            return queryset.filter(opened_at__lt=moment - timedelta(days=7))
        days = {"day": 1, "week": 7}.get(chosen)
        return queryset.filter(opened_at__gte=moment - timedelta(days=days)) if days else queryset


class OutcomeFilter(Links):
    title = gettext_lazy("outcome")
    parameter_name = "outcome"
    options = (Choice("any", gettext_lazy("Any")), *(Choice(value, name) for value, name in Case.Outcome.choices))

    def narrowed(self, _request: HttpRequest, queryset: Rows, chosen: str) -> Rows:
        return queryset if chosen == "any" else queryset.filter(outcome=chosen)


class CaseList(ChangeList):  # type: ignore[misc]
    """A page of cases, each with its strangest anomaly: one query for the page."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        page = list(self.result_list)
        strangest = case_page.strangest_of(page)
        for case in page:
            case.strangest = strangest.get(case.pk)
        self.result_list = page


@admin.register(Case)
class CaseAdmin(IdSearch, ReadOnlyAdmin):
    list_display = ("urgency", "user", "anomalies_", "top_reason", "amount", "age", "state_", "who")
    list_display_links = ("urgency", "user")
    list_filter = (StateFilter, PriorityFilter, AgeFilter, OutcomeFilter)
    list_select_related = ("assignee", "closed_by")
    ordering = ("-priority", "id")
    sortable_by = ("urgency", "age")
    searched_ids = ("user_id", "pk")
    search_help_text = gettext_lazy("Whole user or case id")
    empty_title = gettext_lazy("No case here")
    empty_hint = gettext_lazy(
        "A case opens when an anomaly reaches the alert threshold, which follows from the alert budget. "
        "Nothing to do is the best state of a queue; closed cases are under “Closed”."
    )

    def get_changelist(self, _request: HttpRequest, **_kwargs: Any) -> type[ChangeList]:
        return CaseList

    @admin.display(description=gettext_lazy("priority"), ordering="-priority")
    def urgency(self, case: Case) -> str:
        return show.level(case.priority)

    @admin.display(description=gettext_lazy("user"))
    def user(self, case: Case) -> str:
        return show.short_id(case.user_id)

    @admin.display(description=gettext_lazy("anomalies"))
    def anomalies_(self, case: Case) -> str:
        return format_html('<span class="number">{}</span>', show.whole(case.anomaly_count))

    @admin.display(description=gettext_lazy("strongest reason"))
    def top_reason(self, case: Any) -> str:
        found: Anomaly | None = case.strangest
        return reason_cell(found.reasons[:1], found.currency) if found else ""

    @admin.display(description=gettext_lazy("amount"))
    def amount(self, case: Any) -> str:
        found: Anomaly | None = case.strangest
        return show.money(found.amount, found.currency) if found else ""

    @admin.display(description=gettext_lazy("age"), ordering="opened_at")
    def age(self, case: Case) -> str:
        return format_html('<span class="number">{}</span>', show.span((case.closed_at or now()) - case.opened_at))

    @admin.display(description=gettext_lazy("state"))
    def state_(self, case: Case) -> str:
        text = case.get_outcome_display() if case.state == Case.State.CLOSED else case.get_state_display()
        return format_html('<span class="state state-{}">{}</span>', case.outcome or case.state, text)

    @admin.display(description=gettext_lazy("analyst"))
    def who(self, case: Case) -> str:
        return str(case.closed_by or case.assignee or "")

    @method_decorator(require_safe)
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002 (the admin's signature)
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        case = self.get_object(request, object_id)
        if not self.has_view_permission(request, case):
            raise PermissionDenied
        if case is None:
            raise Http404
        context = {
            **self.admin_site.each_context(request),
            **case_page.context(case, request.user),
            "opts": self.opts,
            "original": case,
            "title": str(case),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "console/case.html", context)

    def get_urls(self) -> list[URLPattern]:
        def action(route: str, name: str, view: Callable[..., HttpResponse]) -> URLPattern:
            wrapped: Callable[..., HttpResponse] = self.admin_site.admin_view(require_POST(view))
            return path(f"<uuid:case_id>/{route}", wrapped, name=f"anomalies_case_{name}")

        inherited: list[URLPattern] = super().get_urls()
        return [
            action("claim/", "claim", self.claim),
            action("release/", "release", self.release),
            action("close/", "close", self.close),
            action("judge/", "judge", self.judge),
            action("judge/<uuid:transaction_id>/", "judge_one", self.judge_one),
            *inherited,
        ]

    def claim(self, request: HttpRequest, case_id: UUID) -> HttpResponse:
        def work(by: User) -> str:
            cases.claim(case_id, by=by)
            return _("The case is yours for %(span)s.") % {"span": show.span(cases.LEASE)}

        return self._act(request, case_id, "anomalies.change_case", work)

    def release(self, request: HttpRequest, case_id: UUID) -> HttpResponse:
        def work(by: User) -> str:
            cases.release(case_id, by=by)
            return _("The case is back in the queue.")

        return self._act(request, case_id, "anomalies.change_case", work)

    def close(self, request: HttpRequest, case_id: UUID) -> HttpResponse:
        def work(by: User) -> str:
            outcome = request.POST.get("outcome", "")
            cases.close(case_id, outcome=outcome, by=by)
            return _("Closed as %(outcome)s.") % {"outcome": outcome}

        return self._act(request, case_id, "anomalies.change_case", work)

    def judge(self, request: HttpRequest, case_id: UUID) -> HttpResponse:
        def work(by: User) -> str:
            value, note = request.POST.get("value", ""), request.POST.get("note", "")
            given = len(cases.judge(case_id, value=value, by=by, note=note))
            return ngettext(
                "Closed as %(value)s, with a verdict on %(given)s transaction.",
                "Closed as %(value)s, with a verdict on %(given)s transactions.",
                given,
            ) % {"value": value, "given": given}

        return self._act(request, case_id, "anomalies.add_verdict", work)

    def judge_one(self, request: HttpRequest, case_id: UUID, transaction_id: UUID) -> HttpResponse:
        def work(by: User) -> str:
            verdict = verdicts.give(
                transaction_id=transaction_id,
                user_id=Anomaly.objects.values_list("user_id", flat=True).get(pk=transaction_id, case=case_id),
                value=request.POST.get("value", ""),
                author=by,
                note=request.POST.get("note", ""),
            )
            return _("Verdict on one transaction: %(value)s.") % {"value": verdict.value}

        return self._act(request, case_id, "anomalies.add_verdict", work)

    def _act(self, request: HttpRequest, case_id: UUID, permission: str, work: Callable[[User], str]) -> HttpResponse:
        """Do what a button of the case's page asks for, and show the page again with what came of it."""
        by = request.user
        if not (isinstance(by, User) and by.has_perm(permission)):
            raise PermissionDenied
        try:
            messages.success(request, work(by))
        except (cases.CaseError, verdicts.VerdictError) as error:
            messages.error(request, str(error))
        except (Case.DoesNotExist, Anomaly.DoesNotExist) as error:
            raise Http404 from error
        return HttpResponseRedirect(reverse("admin:anomalies_case_change", args=[case_id]))


def reason_cell(reasons: list[dict[str, Any]], currency: str) -> str:
    """The first reason as a sentence that is cut where the column ends; whole on hover."""
    if not reasons:
        return ""
    text = sentence(reasons[0], currency)
    return format_html('<span class="reason-cell" title="{}">{}</span>', text, text)
