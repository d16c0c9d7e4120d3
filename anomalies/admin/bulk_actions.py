"""Many cases at once: wished for below the queue, confirmed on a page that says how many, done in pieces."""

import time
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from anomalies import bulk, show, verdicts
from anomalies.admin.base import ReadOnlyAdmin
from anomalies.admin.view_actions import QUEUE, query_of
from anomalies.analysts import REVIEW
from anomalies.desk import BulkChange
from anomalies.models import Case

# A request works for about so long; then the page shows how far it is, and goes on.
WORK_S = 4.0


class BulkActions(ReadOnlyAdmin):
    """The addresses below `bulk/`, for the admin of cases."""

    def get_urls(self) -> list[URLPattern]:
        wish = self.admin_site.admin_view(require_POST(self.bulk_wish))
        change = self.admin_site.admin_view(require_http_methods(["GET", "HEAD", "POST"])(self.bulk_change))
        inherited: list[URLPattern] = super().get_urls()
        return [
            path("bulk/", wish, name="anomalies_case_bulk"),
            path("bulk/<uuid:change_id>/", change, name="anomalies_case_bulk_change"),
            *inherited,
        ]

    def bulk_wish(self, request: HttpRequest) -> HttpResponse:
        """Write down what is wished for, and ask whether it is meant. The URL's filters say what “all” are."""
        by, query = reviewer(request), query_of(request)
        action, _colon, value = request.POST.get("do", "").partition(":")
        try:
            change = bulk.wish(
                self.wished_cases(request),
                action=action,
                by=by,
                value=value,
                assignee=assignee(request, by) if action == BulkChange.Action.ASSIGN else None,
                query=query,
            )
        except bulk.BulkError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(f"{reverse(QUEUE)}?{query or 'state=todo'}")
        return HttpResponseRedirect(reverse("admin:anomalies_case_bulk_change", args=[change.pk]))

    def wished_cases(self, request: HttpRequest) -> Any:
        """The selected cases, or all that fit the filters. Raises BulkError."""
        if request.POST.get("scope") != "filtered":
            try:
                selected = [UUID(text) for text in request.POST.getlist("case")]
            except ValueError as error:
                raise bulk.BulkError(_("These are no cases.")) from error
            return Case.objects.filter(pk__in=selected)
        try:
            return self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters as error:
            raise bulk.BulkError(_("These filters cannot be read.")) from error

    def bulk_change(self, request: HttpRequest, change_id: UUID) -> HttpResponse:
        by = reviewer(request)
        try:
            change = BulkChange.objects.select_related("assignee").get(pk=change_id, author=by)
        except BulkChange.DoesNotExist as error:
            raise Http404 from error
        if request.method == "POST":
            return self.bulk_work(request, change, by)
        outlook = bulk.outlook(change)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": wording(change, change.total),
            "wish": wording(change, outlook.ready),
            "change": change,
            "outlook": outlook,
            "told": came_of_it(change),
            "queue": back(change),
        }
        return TemplateResponse(request, "console/bulk.html", context)

    def bulk_work(self, request: HttpRequest, change: BulkChange, by: User) -> HttpResponse:
        """Go on with the change for a while; at its end back to the queue, with what came of it."""
        until = time.monotonic() + WORK_S
        here = HttpResponseRedirect(reverse("admin:anomalies_case_bulk_change", args=[change.pk]))
        if change.is_done:
            return here
        try:
            while not change.is_done and time.monotonic() < until:
                change = bulk.step(change.pk, by=by, note=request.POST.get("note", ""))
        except (bulk.BulkError, verdicts.VerdictError) as error:
            messages.error(request, str(error))
            return here
        if not change.is_done:
            return here
        done, *left_out = came_of_it(change)
        messages.success(request, done)
        for sentence in left_out:
            messages.warning(request, sentence)
        return HttpResponseRedirect(back(change))


def reviewer(request: HttpRequest) -> User:
    """Who asks, if they may change cases at all."""
    if not (isinstance(request.user, User) and request.user.has_perm(REVIEW)):
        raise PermissionDenied
    return request.user


def assignee(request: HttpRequest, by: User) -> User | None:
    wanted = request.POST.get("assignee", "")
    if wanted in ("", str(by.pk)):
        return by
    return User.objects.filter(pk=wanted, is_active=True).first() if wanted.isdecimal() and len(wanted) < 10 else None


def back(change: BulkChange) -> str:
    return f"{reverse(QUEUE)}?{change.query or 'state=todo'}"


def wording(change: BulkChange, total: int) -> str:
    """The change of so many cases as a wish, for the title and the button."""
    count = {"cases": show.whole(total), "value": change.value, "assignee": change.assignee}
    ways = {
        "verdict": ngettext("Judge %(cases)s case as %(value)s", "Judge %(cases)s cases as %(value)s", total),
        "close": ngettext("Close %(cases)s case as %(value)s", "Close %(cases)s cases as %(value)s", total),
        "assign": ngettext("Give %(cases)s case to %(assignee)s", "Give %(cases)s cases to %(assignee)s", total),
        "release": ngettext("Release %(cases)s case", "Release %(cases)s cases", total),
    }
    return ways[change.action] % count


def came_of_it(change: BulkChange) -> list[str]:
    """What has been done, then why the others were left out; one sentence each."""
    tally = {name: int(times) for name, times in change.tally.items()}
    done = {"done": show.whole(tally.get("done", 0)), "verdicts": show.whole(tally.get("verdicts", 0))}
    first = {
        "verdict": _("Cases judged and closed: %(done)s, with %(verdicts)s verdicts."),
        "close": _("Cases closed: %(done)s."),
        "assign": _("Cases given: %(done)s."),
        "release": _("Cases released: %(done)s."),
    }
    reasons = {
        "held": _("Left out, because somebody else works on them: %(cases)s."),
        "busy": _("Left out, because somebody was just changing them: %(cases)s."),
        "closed": _("Left out, because somebody has closed them meanwhile: %(cases)s."),
        "gone": _("Left out, because they are gone: %(cases)s."),
        "same": _("Nothing to change: %(cases)s."),
        "judged": _("Left out, because all their transactions have verdicts: %(cases)s. Close them instead."),
    }
    others = [text % {"cases": show.whole(tally[name])} for name, text in reasons.items() if tally.get(name)]
    return [first[change.action] % done, *others]
