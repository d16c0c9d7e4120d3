"""Models in the admin: to look at, and to put live. They are made by `manage.py model add`."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies import show
from anomalies.admin.base import ReadOnlyAdmin
from anomalies.model_versions import ModelError, weights_told
from anomalies.models import ModelVersion
from transactions import promotion
from transactions.instants import EPOCH


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    list_display = ("name", "state", "weights_", "live_from_", "created")
    ordering = ("-created_at",)
    actions = ("promote",)

    def has_promote_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("anomalies.change_modelversion")

    @admin.action(description=gettext_lazy("Put live, for payments from now on"), permissions=["promote"])
    def promote(self, request: HttpRequest, queryset: QuerySet[ModelVersion]) -> None:
        names = list(queryset.values_list("name", flat=True))
        if len(names) != 1:
            self.message_user(request, _("One model is live at a time: choose one."), messages.ERROR)
            return
        try:
            model = promotion.promote(names[0], by=request.user)
        except ModelError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            told = {"name": model.name, "moment": f"{model.live_from:%Y-%m-%d %H:%M:%S}"}
            self.message_user(request, _("%(name)s scores payments from %(moment)s UTC on.") % told)

    @admin.display(description=gettext_lazy("weights"))
    def weights_(self, version: ModelVersion) -> str:
        told = weights_told(version)
        return format_html('<span class="reason-cell" title="{}">{}</span>', told, told)

    @admin.display(description=gettext_lazy("judges payments from (UTC)"))
    def live_from_(self, version: ModelVersion) -> str:
        if version.live_from is None:
            return ""
        return _("the first") if version.live_from.year == EPOCH.year else show.moment(version.live_from)

    @admin.display(description=gettext_lazy("made (UTC)"))
    def created(self, version: ModelVersion) -> str:
        return show.moment(version.created_at)
