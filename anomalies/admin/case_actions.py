"""The page of one case, and what its buttons do."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from anomalies import cases, show, verdicts
from anomalies.admin import case_page, comments
from anomalies.admin.base import ReadOnlyAdmin
from anomalies.models import Anomaly, Case


class CaseActions(ReadOnlyAdmin):
    """The addresses below a case, for the admin of cases."""

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
            action("comment/", "comment", comments.comment),
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
                case_id=case_id,
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
