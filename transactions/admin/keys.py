"""API keys in the admin: made here, shown once, revoked for good."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext as _
from rest_framework_api_key.models import APIKey as UnusedKey
from unfold.admin import ModelAdmin

from transactions.models import ApiKey

# The library registers a page for keys of its own, which open nothing here.
admin.site.unregister(UnusedKey)


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("name", "prefix", "owner", "can_write", "created", "expiry_date", "revoked")
    list_select_related = ("owner",)
    list_filter = ("revoked", "can_write")
    search_fields = ("name", "prefix")
    autocomplete_fields = ("owner",)
    fields = ("name", "owner", "can_write", "expiry_date", "revoked")

    def get_readonly_fields(self, _request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("revoked",)
        # Whose key it is stays as it was made; and a revoked key stays revoked.
        return self.fields if obj.revoked else ("owner",)

    def save_model(self, request: HttpRequest, obj: ApiKey, _form: Any, change: bool) -> None:
        if change:
            obj.save()
            return
        text = ApiKey.objects.assign_key(obj)
        obj.save()
        messages.warning(request, _("Copy the new key now, it is not shown again: %(key)s") % {"key": text})
