"""What the tabs of the queue do: keep the filters that are set as a view, rename, share or delete one."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR, SEARCH_VAR
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from anomalies import saved_views
from anomalies.admin import case_filters
from anomalies.admin.base import ReadOnlyAdmin
from anomalies.analysts import REVIEW
from anomalies.desk import SavedView

QUEUE = "admin:anomalies_case_changelist"


class ViewActions(ReadOnlyAdmin):
    """The addresses below `views/`, for the admin of cases; and opening the queue with the view shown first."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        views = saved_views.tabs(request.user)
        first = next((view for view in views if view.is_default and view.owner_id == request.user.pk), None)
        if first and not request.GET and request.method == "GET":
            return HttpResponseRedirect(f"{reverse(QUEUE)}?{first.query}")
        response: HttpResponse = super().changelist_view(request, {**(extra_context or {}), **tabs(request, views)})
        return response

    def get_urls(self) -> list[URLPattern]:
        def action(route: str, name: str, view: Callable[..., HttpResponse]) -> URLPattern:
            wrapped: Callable[..., HttpResponse] = self.admin_site.admin_view(require_POST(view))
            return path(f"views/{route}", wrapped, name=f"anomalies_case_{name}")

        inherited: list[URLPattern] = super().get_urls()
        return [
            action("", "view_save", self.save_view),
            action("<uuid:view_id>/rename/", "view_rename", self.rename_view),
            action("<uuid:view_id>/share/", "view_share", self.share_view),
            action("<uuid:view_id>/first/", "view_first", self.view_first),
            action("<uuid:view_id>/delete/", "view_delete", self.delete_view_),
            *inherited,
        ]

    def save_view(self, request: HttpRequest) -> HttpResponse:
        def work(by: User) -> tuple[str, str]:
            # The list reads the filters first: what it cannot read is not kept.
            try:
                changelist = self.get_changelist_instance(request)
            except IncorrectLookupParameters as error:
                raise saved_views.ViewError(_("These filters cannot be read.")) from error
            unread = [spec.error for spec in changelist.filter_specs if getattr(spec, "error", "")]
            if unread:
                raise saved_views.ViewError(str(unread[0]))
            view = saved_views.save(request.POST.get("name", ""), query_of(request), by=by)
            return view.query, _("The view “%(name)s” is kept.") % {"name": view.name}

        return self._act_on_view(request, work)

    def rename_view(self, request: HttpRequest, view_id: UUID) -> HttpResponse:
        def work(by: User) -> tuple[str, str]:
            view = saved_views.rename(view_id, request.POST.get("name", ""), by=by)
            return view.query, _("The view is now called “%(name)s”.") % {"name": view.name}

        return self._act_on_view(request, work)

    def share_view(self, request: HttpRequest, view_id: UUID) -> HttpResponse:
        def work(by: User) -> tuple[str, str]:
            view = saved_views.share(view_id, by=by, is_shared=request.POST.get("shared") == "yes")
            told = _("Everybody sees the view “%(name)s” now.") if view.is_shared else _("“%(name)s” is yours alone.")
            return view.query, told % {"name": view.name}

        return self._act_on_view(request, work)

    def view_first(self, request: HttpRequest, view_id: UUID) -> HttpResponse:
        def work(by: User) -> tuple[str, str]:
            view = saved_views.show_first(view_id, by=by, is_first=request.POST.get("first") == "yes")
            told = (
                _("The queue opens with “%(name)s”.")
                if view.is_default
                else _("The queue opens with all that is to do.")
            )
            return view.query, told % {"name": view.name}

        return self._act_on_view(request, work)

    def delete_view_(self, request: HttpRequest, view_id: UUID) -> HttpResponse:
        def work(by: User) -> tuple[str, str]:
            return "state=todo", _("The view “%(name)s” is gone.") % {"name": saved_views.delete(view_id, by=by)}

        return self._act_on_view(request, work)

    def _act_on_view(self, request: HttpRequest, work: Callable[[User], tuple[str, str]]) -> HttpResponse:
        """Do what a tab's button asks for, and show the queue with the view's filters and what came of it."""
        by = request.user
        if not isinstance(by, User):
            raise PermissionDenied
        query = query_of(request)
        try:
            query, told = work(by)
            messages.success(request, told)
        except saved_views.ViewError as error:
            messages.error(request, str(error))
        except SavedView.DoesNotExist as error:
            raise Http404 from error
        return HttpResponseRedirect(f"{reverse(QUEUE)}?{query or 'state=todo'}")


def query_of(request: HttpRequest) -> str:
    """The queue's filters in the URL, in the form in which views keep them."""
    return saved_views.normal(request.GET, {**case_filters.parameters(), ORDER_VAR: "", SEARCH_VAR: ""})


def tabs(request: HttpRequest, views: list[SavedView]) -> dict[str, Any]:
    """What the tabs need: the views, which of them is open, and what may be done with it."""
    query = query_of(request)
    current = next((view for view in views if view.query == query), None)
    user = request.user
    return {
        "saved_views": views,
        "current_view": current,
        "queue_query": query,
        "is_own_view": current is not None and current.owner_id == user.pk,
        "may_review": user.has_perm(REVIEW),
        "may_share": user.has_perm(saved_views.SHARE),
        "may_reassign": user.has_perm("anomalies.reassign_case"),
    }
