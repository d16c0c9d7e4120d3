"""API keys in the admin: made here, shown once, exchanged, and revoked for good."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework_api_key.models import APIKey as UnusedKey
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from anomalies import audit, ranks
from transactions import keys
from transactions.models import ApiKey
from transactions.scopes import ALL, READ

# The library registers a page for keys of its own, which open nothing here.
admin.site.unregister(UnusedKey)

OVERLAP = timedelta(hours=24)


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in ALL],
        initial=READ,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=gettext_lazy("What the key may do."),
    )
    # Who fills in the form: set on the class made for a request.
    editor: Any = None

    def clean_owner(self) -> User:
        owner: User = self.cleaned_data["owner"]
        if not ranks.may_act_as(self.editor, owner):
            raise forms.ValidationError(_("You cannot make a key for an account that may do more than yours."))
        return owner


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):  # type: ignore[misc]
    form = ApiKeyForm
    list_display = ("name", "prefix", "owner", "scopes", "created", "last_used_at", "expiry_date", "revoked")
    list_select_related = ("owner",)
    list_filter = ("revoked",)
    search_fields = ("name", "prefix")
    autocomplete_fields = ("owner",)
    fields = ("name", "owner", "scopes", "rate_limit", "expiry_date", "revoked", "last_used_at")
    actions = ("rotate",)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        form.editor = request.user
        return form

    def get_readonly_fields(self, _request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("revoked", "last_used_at")
        # Whose key it is stays as it was made; and a revoked key stays revoked.
        return self.fields if obj.revoked else ("owner", "last_used_at")

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if not change:
            text = ApiKey.objects.assign_key(obj)
            obj.save()
            audit.write("key.created", by=request.user, subject=obj.prefix, after=keys.told(obj))
            self._show(request, text)
            return
        before = keys.told(ApiKey.objects.select_related("owner").get(pk=obj.pk))
        obj.save()
        revokes = obj.revoked and "revoked" in form.changed_data
        action = "key.revoked" if revokes else "key.changed"
        audit.write(action, by=request.user, subject=obj.prefix, before=before, after=keys.told(obj))

    @admin.action(description=gettext_lazy("Exchange for new keys; the old ones end in 24 hours"), permissions=["add"])
    def rotate(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset.select_related("owner"):
            if not ranks.may_act_as(request.user, key.owner):
                text = _("%(key)s is of an account that may do more than yours: you can only revoke it.")
                self.message_user(request, text % {"key": key}, messages.ERROR)
                continue
            try:
                _new, text = keys.rotate(key.prefix, overlap=OVERLAP, by=request.user)
            except keys.NotValid:
                self.message_user(request, _("%(key)s is revoked or has expired.") % {"key": key}, messages.ERROR)
            else:
                self._show(request, text)

    def delete_model(self, request: HttpRequest, obj: ApiKey) -> None:
        audit.write("key.deleted", by=request.user, subject=obj.prefix, before=keys.told(obj))
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset.select_related("owner"):
            self.delete_model(request, key)

    def _show(self, request: HttpRequest, text: str) -> None:
        messages.warning(request, _("Copy the new key now, it is not shown again: %(key)s") % {"key": text})
