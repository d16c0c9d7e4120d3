"""Django's own accounts and groups, in the look of the rest; every change of them is in the audit log.

Whoever may edit accounts could make himself anything. So nobody edits an account that may do more than he, gives a
permission that he does not hold, or changes what his own account may do.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from anomalies import audit, ranks

admin.site.unregister(User)
admin.site.unregister(Group)

NO_DELETION = gettext_lazy(
    "Accounts are not deleted, because verdicts and the audit log name them. Deactivate the account instead: its "
    "sessions and API keys stop working at once."
)
RIGHTS = ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")


def state_of_account(user: User) -> dict[str, Any]:
    return {
        "username": user.username,
        "name": user.get_full_name(),
        "email": user.email,
        "active": user.is_active,
        "staff": user.is_staff,
        "superuser": user.is_superuser,
        "groups": sorted(user.groups.values_list("name", flat=True)),
        "permissions": sorted(user.user_permissions.values_list("codename", flat=True)),
    }


def state_of_group(group: Group) -> dict[str, Any]:
    return {"name": group.name, "permissions": sorted(group.permissions.values_list("codename", flat=True))}


class WithinOnesRights(forms.ModelForm):  # type: ignore[type-arg]
    """Refuses to give what the editor does not hold. `editor` is set on the class made for a request."""

    editor: Any = None

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        for name in ("groups", "user_permissions", "permissions"):
            if name in self.cleaned_data:
                self._check(name, self.cleaned_data[name])
        return cleaned

    def _check(self, name: str, chosen: Iterable[Any]) -> None:
        had = set(getattr(self.instance, name).all()) if self.instance.pk else set()
        given = [one.pk for one in chosen if one not in had]
        lookup = "group__in" if name == "groups" else "pk__in"
        wanted = Permission.objects.filter(**{lookup: given}).select_related("content_type")
        if lacks := ranks.lacking(self.editor, wanted):
            names = ", ".join(lacks[:3]) + ("…" if len(lacks) > 3 else "")
            self.add_error(name, _("You cannot give what you may not do yourself: %(names)s.") % {"names": names})


class AccountForm(WithinOnesRights, UserChangeForm):  # type: ignore[misc]
    pass


class GroupForm(WithinOnesRights):
    pass


class Told(admin.ModelAdmin):  # type: ignore[type-arg]
    """For a ModelAdmin, before all others: writes into the audit log what its forms change."""

    subject: str
    # What of an object the log keeps.
    state: Callable[[Any], dict[str, Any]]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        # A class of this request's own: the admin makes one for each.
        form.editor = request.user
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            obj.audit_before = self.state(type(obj).objects.get(pk=obj.pk))
        super().save_model(request, obj, form, change)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        logged = super().log_addition(request, obj, message)
        audit.write(f"{self.subject}.created", by=request.user, subject=str(obj), after=self.state(obj))
        return logged

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        logged = super().log_change(request, obj, message)
        before, after = getattr(obj, "audit_before", None), self.state(obj)
        # A new password comes here without a form of the account, and is written down where it is set.
        if before is not None and before != after:
            changed = [name for name in after if before[name] != after[name]]
            audit.write(
                f"{self.subject}.changed",
                by=request.user,
                subject=str(obj),
                before={name: before[name] for name in changed},
                after={name: after[name] for name in changed},
            )
        return logged

    @transaction.atomic
    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        subject, before = str(obj), self.state(obj)
        super().delete_model(request, obj)
        audit.write(f"{self.subject}.deleted", by=request.user, subject=subject, before=before)

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        gone = [
            audit.Entry(f"{self.subject}.deleted", subject=str(obj), before=self.state(obj))
            for obj in queryset.select_for_update()
        ]
        super().delete_queryset(request, queryset)
        audit.write_many(gone, by=request.user)


@admin.register(User)
class Accounts(Told, UserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]
    form = AccountForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "roles", "is_active", "is_staff", "is_superuser", "last_login")
    actions = ("deactivate", "activate")
    subject = "account"
    state = staticmethod(state_of_account)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description=gettext_lazy("roles"))
    def roles(self, user: User) -> str:
        return ", ".join(sorted(group.name for group in user.groups.all()))

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        if not super().has_change_permission(request, obj):
            return False
        return not isinstance(obj, User) or ranks.may_act_as(request.user, obj)

    def has_delete_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        dates = ("last_login", "date_joined")
        if obj is not None and obj.pk == request.user.pk:
            return (*dates, *RIGHTS)
        return dates if request.user.is_superuser else (*dates, "is_superuser")

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        sets = super().get_fieldsets(request, obj)
        if obj is None:
            return sets
        # Beside the switch that deactivates an account stands why there is no button to delete it.
        why = {"description": NO_DELETION}
        return [(title, {**options, **(why if "is_active" in options["fields"] else {})}) for title, options in sets]

    def delete_view(
        self, request: HttpRequest, object_id: str, _extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        messages.error(request, str(NO_DELETION))
        return HttpResponseRedirect(reverse("admin:auth_user_change", args=[object_id]))

    @admin.action(description=gettext_lazy("Deactivate: end sessions and API keys"), permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: "QuerySet[User]") -> None:
        self._set_active(request, queryset, is_active=False)

    @admin.action(description=gettext_lazy("Activate again"), permissions=["change"])
    def activate(self, request: HttpRequest, queryset: "QuerySet[User]") -> None:
        self._set_active(request, queryset, is_active=True)

    @transaction.atomic
    def _set_active(self, request: HttpRequest, queryset: "QuerySet[User]", *, is_active: bool) -> None:
        chosen = list(User.objects.select_for_update().filter(pk__in=queryset).order_by("pk"))
        mine = [user for user in chosen if user.pk == request.user.pk or not self.has_change_permission(request, user)]
        for user in mine:
            text = _("You may not change %(name)s: it is your own account, or one that may do more than yours.")
            self.message_user(request, text % {"name": user}, messages.ERROR)
        changed = [user for user in chosen if user not in mine and user.is_active != is_active]
        User.objects.filter(pk__in=[user.pk for user in changed]).update(is_active=is_active)
        action = "account.activated" if is_active else "account.deactivated"
        told = [
            audit.Entry(action, subject=user.username, before={"active": not is_active}, after={"active": is_active})
            for user in changed
        ]
        audit.write_many(told, by=request.user)
        many = len(changed)
        text = ngettext("%(many)s account changed.", "%(many)s accounts changed.", many) % {"many": many}
        self.message_user(request, text)


@admin.register(Group)
class Groups(Told, GroupAdmin, ModelAdmin):  # type: ignore[misc]
    form = GroupForm
    subject = "group"
    state = staticmethod(state_of_group)
