"""The page of one case, and what its buttons do."""

from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.cache import patch_vary_headers
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from anomalies import analysts, cases, handing, show, verdicts
from anomalies.admin import case_page, comments
from anomalies.admin.base import ReadOnlyAdmin
from anomalies.models import Anomaly, Case

REVIEW = "anomalies.review_case"
REASSIGN = "anomalies.reassign_case"
# Sent by case.js, which needs no more of a page than what it puts in place of the last one.
PART = "X-Console-Part"
FAULTS = (cases.CaseError, verdicts.VerdictError)


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
        return self._case_page(request, object_id, request.GET.dict(), **(extra_context or {}))

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Case]":
        # The page names both.
        return super().get_queryset(request).select_related("assignee", "closed_by")  # type: ignore[no-any-return]

    def get_urls(self) -> list[URLPattern]:
        def action(route: str, name: str, view: Callable[..., HttpResponse]) -> URLPattern:
            wrapped: Callable[..., HttpResponse] = self.admin_site.admin_view(require_POST(view))
            return path(route, wrapped, name=f"anomalies_case_{name}")

        inherited: list[URLPattern] = super().get_urls()
        return [
            action("next/", "next", self.next_case),
            action("<uuid:case_id>/claim/", "claim", self.claim),
            action("<uuid:case_id>/renew/", "renew", self.renew),
            action("<uuid:case_id>/release/", "release", self.release),
            action("<uuid:case_id>/skip/", "skip", self.skip),
            action("<uuid:case_id>/reopen/", "reopen", self.reopen),
            action("<uuid:case_id>/close/", "close", self.close),
            action("<uuid:case_id>/judge/", "judge", self.judge),
            action("<uuid:case_id>/judge/<uuid:transaction_id>/", "judge_one", self.judge_one),
            action("<uuid:case_id>/undo/", "undo", self.undo),
            action("<uuid:case_id>/comment/", "comment", comments.comment),
            path("<uuid:case_id>/assign/", self.admin_site.admin_view(self.assign), name="anomalies_case_assign"),
            *inherited,
        ]

    def next_case(self, request: HttpRequest) -> HttpResponse:
        found = handing.next_case(permitted(request, REVIEW))
        if found is None:
            messages.info(request, _("No case waits for you."))
            return HttpResponseRedirect(reverse("admin:anomalies_case_changelist"))
        return self._lead_to(request, found)

    def claim(self, request: HttpRequest, case_id: UUID) -> HttpResponse:
        def work(by: User) -> str:
            cases.claim(case_id, by=by)
            return _("The case is yours for %(span)s.") % {"span": show.span(cases.LEASE)}

        return self._act(request, case_id, REVIEW, work)

    def renew(self, request: HttpRequest, case_id: UUID) -> HttpResponse:
        """For the script of an open page: how long the case is the analyst's, or why it is not any more."""
        by = permitted(request, REVIEW)
        try:
            until = handing.renew(case_id, by=by)
        except cases.CaseError as error:
            return JsonResponse({"error": str(error)}, status=HTTPStatus.CONFLICT)
        except Case.DoesNotExist as error:
            raise Http404 from error
        return JsonResponse({"lease_ms": int(until.timestamp() * 1000)})

    def release(self, request: HttpRequest, case_id: UUID) -> HttpResponse:
        def work(by: User) -> str:
            cases.release(case_id, by=by)
            return _("The case is back in the queue.")

        return self._act(request, case_id, REVIEW, work)

    def skip(self, request: HttpRequest, case_id: UUID) -> HttpResponse:
        def work(by: User) -> str:
            handing.skip(case_id, by=by)
            return _("Skipped: others are handed that case, you for %(span)s are not.") % {
                "span": show.span(handing.SKIPPED)
            }

        return self._act(request, case_id, REVIEW, work, goes_on=True)

    def reopen(self, request: HttpRequest, case_id: UUID) -> HttpResponse:
        def work(by: User) -> str:
            handing.reopen(case_id, by=by)
            return _("The case is open again; its verdicts stay.")

        return self._act(request, case_id, REASSIGN, work)

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def assign(self, request: HttpRequest, case_id: UUID) -> HttpResponse:
        """A page on which a lead chooses to whom to give the case; then that is done."""
        permitted(request, REASSIGN)
        if request.method != "POST":
            case = get_object_or_404(Case.objects.select_related("assignee"), pk=case_id)
            return self._page(request, case, "console/assign.html", {"case": case, "people": analysts.reviewers()})

        def work(by: User) -> str:
            wanted = request.POST.get("to", "")
            to = User.objects.filter(pk=int(wanted)).first() if wanted.isdecimal() and len(wanted) < 10 else None
            if to is None:
                raise cases.CaseError(_("Choose to whom the case is given."))
            handing.assign(case_id, to=to, by=by)
            return _("The case is %(name)s’s for %(span)s.") % {"name": to, "span": show.span(handing.GIVEN)}

        return self._act(request, case_id, REASSIGN, work)

    def close(self, request: HttpRequest, case_id: UUID) -> HttpResponse:
        def work(by: User) -> str:
            outcome = request.POST.get("outcome", "")
            cases.close(case_id, outcome=outcome, by=by)
            return _("Closed as %(outcome)s.") % {"outcome": outcome}

        return self._act(request, case_id, REVIEW, work, goes_on=True)

    def judge(self, request: HttpRequest, case_id: UUID) -> HttpResponse:
        def work(by: User) -> str:
            value, note = request.POST.get("value", ""), request.POST.get("note", "")
            given = len(cases.judge(case_id, value=value, by=by, note=note))
            return ngettext(
                "Closed as %(value)s, with a verdict on %(given)s transaction.",
                "Closed as %(value)s, with a verdict on %(given)s transactions.",
                given,
            ) % {"value": value, "given": given}

        return self._act(request, case_id, REVIEW, work, goes_on=True)

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

        return self._act(request, case_id, REVIEW, work)

    def undo(self, request: HttpRequest, case_id: UUID) -> HttpResponse:
        def work(by: User) -> str:
            handing.undo(case_id, by=by)
            # The case that came next was only looked at: others may have it.
            with suppress(cases.CaseError, Case.DoesNotExist, ValueError):
                cases.release(UUID(request.POST.get("instead_of", "")), by=by)
            return _("Taken back: the case is yours again.")

        return self._act(request, case_id, REVIEW, work)

    def _act(
        self,
        request: HttpRequest,
        case_id: UUID,
        permission: str,
        work: Callable[[User], str],
        *,
        goes_on: bool = False,
    ) -> HttpResponse:
        """Do what a button of the case's page asks for, and show the page again with what came of it.

        Where it `goes_on`, and the form says so, the next case is claimed and shown.
        """
        by = permitted(request, permission)
        try:
            messages.success(request, work(by))
        except FAULTS as error:
            messages.error(request, str(error))
            return self._lead_to(request, case_id)
        except (Case.DoesNotExist, Anomaly.DoesNotExist) as error:
            raise Http404 from error
        if not (goes_on and request.POST.get("then") == "next"):
            return self._lead_to(request, case_id)
        following = handing.next_case(by)
        if following is None:
            messages.info(request, _("No other case waits for you."))
        return self._lead_to(request, following or case_id, after=str(case_id))

    def _lead_to(self, request: HttpRequest, case_id: UUID, **query: str) -> HttpResponse:
        """The way to a case's page; for case.js the page at once, with its address: one request less to wait for."""
        where = address(case_id, **query)
        if PART not in request.headers:
            return HttpResponseRedirect(where)
        response = self._case_page(request, str(case_id), query)
        response["Content-Location"] = where
        return response

    def _case_page(self, request: HttpRequest, case_id: str, asked: dict[str, str], **more: Any) -> HttpResponse:
        case = self.get_object(request, case_id)
        if not self.has_view_permission(request, case):
            raise PermissionDenied
        if case is None:
            raise Http404
        return self._page(request, case, "console/case.html", {**case_page.context(case, request.user, asked), **more})

    def _page(self, request: HttpRequest, case: Case, template: str, context: dict[str, Any]) -> HttpResponse:
        is_part = PART in request.headers
        # The frame around the content costs more than the content, and is already there.
        frame = {} if is_part else self.admin_site.each_context(request)
        base = "console/part.html" if is_part else "console/page.html"
        shared = {"opts": self.opts, "original": case, "title": str(case), "base": base}
        response = TemplateResponse(request, template, {**frame, **shared, **context})
        patch_vary_headers(response, [PART])
        return response


def permitted(request: HttpRequest, permission: str) -> User:
    """Who asks. Raises PermissionDenied."""
    by = request.user
    if not (isinstance(by, User) and by.has_perm(permission)):
        raise PermissionDenied
    return by


def address(case_id: UUID, **query: str) -> str:
    return reverse("admin:anomalies_case_change", args=[case_id], query=query or None)
