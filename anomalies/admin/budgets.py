"""The alert budget in the admin: changed on the dashboard, listed here with who changed it when."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from anomalies import budget, show
from anomalies.admin.base import ReadOnlyAdmin
from anomalies.models import AlertBudget, Anomaly


@admin.register(AlertBudget)
class AlertBudgetAdmin(ReadOnlyAdmin):
    list_display = ("since_", "cases_", "by")
    list_select_related = ("by",)
    fields = ("cases_per_day", "since", "by")
    empty_title = gettext_lazy("Nobody has set a budget yet")
    empty_hint = gettext_lazy("The setting ALERT_BUDGET counts until somebody sets another one on the dashboard.")

    @admin.display(description=gettext_lazy("since"))
    def since_(self, set_: AlertBudget) -> str:
        return show.moment(set_.since)

    @admin.display(description=gettext_lazy("new cases a day"))
    def cases_(self, set_: AlertBudget) -> str:
        return format_html('<span class="number">{}</span>', show.whole(set_.cases_per_day))

    def get_urls(self) -> list[URLPattern]:
        own = path("set/", self.admin_site.admin_view(self.set_budget), name="anomalies_alertbudget_set")
        urls: list[URLPattern] = super().get_urls()
        return [own, *urls]

    @method_decorator(require_POST)
    def set_budget(self, request: HttpRequest) -> HttpResponse:
        """The dashboard's form."""
        if not isinstance(request.user, User) or not request.user.has_perm("anomalies.change_alertbudget"):
            raise PermissionDenied
        try:
            budget.change(_whole(request.POST.get("cases_per_day", "")), by=request.user)
        except budget.BudgetError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _told())
        return HttpResponseRedirect(reverse("admin:index"))


def _whole(text: str) -> int:
    """The number, or 0, which is no budget."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < len(str(budget.MOST)) + 1 else 0


def _told() -> str:
    newest = Anomaly.objects.order_by("-txn_date").values_list("txn_date", flat=True).first()
    reckoned = budget.reckoned(newest or now())
    told: dict[str, Any] = {"cases": show.whole(reckoned.cases_per_day), "score": show.points(reckoned.threshold)}
    return _("From now on %(cases)s new cases a day: a score of %(score)s opens one.") % told
