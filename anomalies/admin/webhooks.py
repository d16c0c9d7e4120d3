"""Webhooks in the admin: endpoints and what was delivered to them."""

from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from anomalies import sealing, show
from anomalies.admin.base import IdSearch, ReadOnlyAdmin
from anomalies.admin.filters import Choice, Inputs, Links, Rows
from anomalies.events import OutboxEvent
from anomalies.webhooks import deliveries, endpoints
from anomalies.webhooks import messages as signed
from anomalies.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint

SEE = "anomalies.view_webhookendpoint"
CHANGE = "anomalies.change_webhookendpoint"
EDITED = ("url", "description", "kinds", "enabled")


class EndpointForm(forms.ModelForm):  # type: ignore[type-arg]
    kinds = forms.MultipleChoiceField(
        label=gettext_lazy("Events"),
        choices=OutboxEvent.Kind.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=gettext_lazy("What the endpoint is told of."),
    )

    def clean_url(self) -> str:
        try:
            return endpoints.checked_url(self.cleaned_data["url"])
        except endpoints.EndpointError as fault:
            raise forms.ValidationError(str(fault)) from None


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ModelAdmin):  # type: ignore[misc]
    form = EndpointForm
    list_display = ("url", "description", "events", "enabled", "health")
    empty_title = gettext_lazy("No webhook endpoint yet")
    empty_hint = gettext_lazy("Make one, and the events that you choose are posted to it, signed, as they happen.")
    fields = (*EDITED, "disabled_reason", "masked_secret", "health", "owner")
    readonly_fields = ("disabled_reason", "masked_secret", "health", "owner")
    change_form_outer_after_template = "console/webhook_actions.html"
    actions = None

    def get_fields(self, _request: HttpRequest, obj: WebhookEndpoint | None = None) -> tuple[str, ...]:
        return EDITED if obj is None else self.fields

    def save_model(self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool) -> None:
        given = {name: form.cleaned_data[name] for name in EDITED}
        if change:
            endpoints.change(obj, by=request.user, **given)
            return
        made = endpoints.create(owner=request.user, **given)
        # What the admin goes on with is the endpoint that was made.
        obj.__dict__.update(made.__dict__)
        self._show(request, made)

    def delete_model(self, request: HttpRequest, obj: WebhookEndpoint) -> None:
        endpoints.remove(obj, by=request.user)

    def get_deleted_objects(self, objs: Any, _request: HttpRequest) -> Any:
        # Not the deliveries one by one: there may be millions.
        return [str(one) for one in objs], {}, set(), []

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(f"<uuid:endpoint_id>/{name}/", self.admin_site.admin_view(view), name=f"webhook_{name}")
            for name, view in (("test", self.test), ("rotate", self.rotate), ("replay", self.replay))
        ]
        urls: list[URLPattern] = super().get_urls()
        return [*own, *urls]

    @method_decorator(require_POST)
    def test(self, request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
        """Send a message that tells of nothing, and say what came back."""
        endpoint = self._endpoint(request, endpoint_id)
        answer = endpoints.test(endpoint, by=request.user)
        told = {"status": answer.status, "ms": answer.duration_ms, "error": answer.error}
        if answer.is_taken:
            messages.success(request, _("It answered %(status)s after %(ms)s ms.") % told)
        else:
            messages.error(request, _("It did not take the message (%(ms)s ms): %(error)s") % told)
        return self._back(endpoint)

    @method_decorator(require_POST)
    def rotate(self, request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
        """A new secret; the old one's signature goes with it for a day."""
        endpoint = endpoints.rotate(self._endpoint(request, endpoint_id), by=request.user)
        self._show(request, endpoint)
        return self._back(endpoint)

    @method_decorator(require_POST)
    def replay(self, request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
        """Send again all that was given up."""
        endpoint = self._endpoint(request, endpoint_id)
        _tell_many(request, deliveries.replay(endpoint, deliveries.failed_since(None), by=request.user))
        return self._back(endpoint)

    @admin.display(description=gettext_lazy("events"))
    def events(self, endpoint: WebhookEndpoint) -> str:
        return ", ".join(endpoint.kinds)

    @admin.display(description=gettext_lazy("secret"))
    def masked_secret(self, endpoint: WebhookEndpoint) -> str:
        try:
            return signed.masked(endpoint.secret)
        except sealing.SealError as fault:
            return f"{_('It is lost.')} {fault}"

    @admin.display(description=gettext_lazy("health"))
    def health(self, endpoint: WebhookEndpoint) -> str:
        if not endpoint.enabled:
            return endpoint.disabled_reason or _("Disabled")
        if endpoint.failing_since is None:
            return _("Good")
        many, since = show.whole(endpoint.failures), show.moment(endpoint.failing_since)
        told = ngettext("{} failure in a row since {} (UTC)", "{} failures in a row since {} (UTC)", endpoint.failures)
        return format_html(told, many, since)

    def _endpoint(self, request: HttpRequest, endpoint_id: UUID) -> WebhookEndpoint:
        if not request.user.has_perm(CHANGE):
            raise PermissionDenied
        return get_object_or_404(WebhookEndpoint, pk=endpoint_id)

    def _show(self, request: HttpRequest, endpoint: WebhookEndpoint) -> None:
        messages.warning(
            request, _("Copy the secret now, it is not shown again: %(secret)s") % {"secret": endpoint.secret}
        )

    def _back(self, endpoint: WebhookEndpoint) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:anomalies_webhookendpoint_change", args=[endpoint.pk]))


class StateFilter(Links):
    title = gettext_lazy("state")
    parameter_name = "state"
    options = (
        Choice("any", gettext_lazy("Any")),
        *(Choice(value, label) for value, label in WebhookDelivery.State.choices),
    )

    def narrowed(self, _request: HttpRequest, queryset: Rows, chosen: str) -> Rows:
        return queryset if chosen == "any" else queryset.filter(state=chosen)


class OfId(Inputs):
    hint = gettext_lazy("A whole id, please.")

    def conditions(self, *texts: str) -> dict[str, Any]:
        return {self.field: UUID(texts[0])} if texts[0] else {}


class EndpointFilter(OfId):
    title = gettext_lazy("webhook endpoint")
    field = "endpoint_id"


class OfUserFilter(OfId):
    title = gettext_lazy("user")
    field = "user_id"


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(IdSearch, ReadOnlyAdmin):
    list_display = ("when", "kind", "to", "user", "state_", "attempts", "status", "error_", "next_try")
    list_filter = (StateFilter, EndpointFilter, OfUserFilter)
    list_select_related = ("endpoint",)
    ordering = ("-created_at", "id")
    searched_ids = ("event_id", "user_id", "pk")
    search_help_text = gettext_lazy("Whole event, user or delivery id")
    fields = (
        "endpoint",
        "event_id",
        "kind",
        "user_id",
        "state",
        "attempts",
        "status",
        "duration_ms",
        "error",
        "next_try",
        "gives_up",
        "when",
        "finished",
        "tries_",
    )
    readonly_fields = ("next_try", "gives_up", "when", "finished", "tries_")
    actions = ("send_again",)
    empty_title = gettext_lazy("Nothing was delivered yet")

    @property
    def empty_hint(self) -> str:
        text = _(
            "What happens is written down here for each webhook endpoint that chose it, with every attempt. "
            "It is kept for %(days)s days."
        )
        return text % {"days": settings.OUTBOX_DAYS}

    def has_view_permission(self, request: HttpRequest, _obj: WebhookDelivery | None = None) -> bool:
        return request.user.has_perm(SEE)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(SEE)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(CHANGE)

    @admin.action(description=gettext_lazy("Send again"), permissions=["replay"])
    def send_again(self, request: HttpRequest, queryset: "QuerySet[WebhookDelivery]") -> None:
        chosen = Q(pk__in=list(queryset.values_list("pk", flat=True)))
        concerned = WebhookEndpoint.objects.filter(deliveries__in=queryset).distinct()
        _tell_many(request, sum(deliveries.replay(one, chosen, by=request.user) for one in concerned))

    @admin.display(description=gettext_lazy("time (UTC)"))
    def when(self, delivery: WebhookDelivery) -> str:
        return show.moment(delivery.created_at)

    @admin.display(description=gettext_lazy("to"))
    def to(self, delivery: WebhookDelivery) -> str:
        return format_html('<span class="reason-cell" title="{}">{}</span>', delivery.endpoint.url, delivery.endpoint)

    @admin.display(description=gettext_lazy("user"))
    def user(self, delivery: WebhookDelivery) -> str:
        return show.user_link(delivery.user_id) if delivery.user_id else ""

    @admin.display(description=gettext_lazy("state"))
    def state_(self, delivery: WebhookDelivery) -> str:
        return delivery.get_state_display()

    @admin.display(description=gettext_lazy("error"))
    def error_(self, delivery: WebhookDelivery) -> str:
        return format_html('<span title="{}">{}</span>', delivery.error, Truncator(delivery.error).chars(32))

    @admin.display(description=gettext_lazy("next try (UTC)"))
    def next_try(self, delivery: WebhookDelivery) -> str:
        if delivery.state != WebhookDelivery.State.WAITING:
            return ""
        return show.moment(delivery.next_try_at) if delivery.next_try_at else _("after an earlier event of the user")

    @admin.display(description=gettext_lazy("given up (UTC)"))
    def gives_up(self, delivery: WebhookDelivery) -> str:
        return show.moment(delivery.give_up_at)

    @admin.display(description=gettext_lazy("ended (UTC)"))
    def finished(self, delivery: WebhookDelivery) -> str:
        return show.moment(delivery.finished_at) if delivery.finished_at else ""

    @admin.display(description=gettext_lazy("every attempt (UTC)"))
    def tries_(self, delivery: WebhookDelivery) -> str:
        made = WebhookAttempt.objects.filter(delivery_id=delivery.pk).order_by("at", "id")[:100]
        return format_html_join(mark_safe("<br>"), "{}: {} ({} ms)", map(_told, made))


def _told(attempt: WebhookAttempt) -> tuple[str, str, int]:
    return show.moment(attempt.at), attempt.error or str(attempt.status), attempt.duration_ms


def _tell_many(request: HttpRequest, many: int) -> None:
    text = ngettext("%(many)s delivery is sent again.", "%(many)s deliveries are sent again.", many)
    messages.success(request, text % {"many": show.whole(many)})
