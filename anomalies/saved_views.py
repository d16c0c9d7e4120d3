"""Saved views of the queue: filters under a name, for oneself or for everybody."""

from collections.abc import Mapping
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import QueryDict

from anomalies import audit
from anomalies.analysts import REVIEW
from anomalies.desk import SavedView

SHARE = "anomalies.share_savedview"
NAME_CHARACTERS = 40
QUERY_CHARACTERS = 1_000
# One's own and shared ones each; more tabs than this are no help.
MOST = 30


class ViewError(Exception):
    """The view cannot be kept as wished; the text is a sentence for people."""


def normal(parameters: QueryDict, known: Mapping[str, str]) -> str:
    """The query string of the known parameters that say something, in one order: equal filters, equal text.

    known: their names, each with the text that says nothing.
    """
    kept = QueryDict(mutable=True)
    for name in sorted({*known} & {*parameters}):
        text = str(parameters[name]).strip()
        if text not in ("", known[name]):
            kept[name] = text
    return kept.urlencode()


def tabs(user: User | AnonymousUser) -> list[SavedView]:
    """The views that the user may choose from: their own, then those that others share. One query."""
    found = SavedView.objects.filter(Q(owner=user.pk) | Q(is_shared=True)).select_related("owner")
    views = sorted(found.order_by("name", "id")[: 4 * MOST], key=lambda view: view.owner_id != user.pk)
    return views[: 2 * MOST]


@transaction.atomic
def save(name: str, query: str, *, by: User) -> SavedView:
    """Keep the filters under the name; again under the same name, and it means the new ones. Raises ViewError."""
    _may(by, REVIEW)
    named = _named(name)
    if len(query) > QUERY_CHARACTERS:
        raise ViewError("These filters are too long to be kept.")
    if not query:
        raise ViewError("Set some filters first: the queue without any has its own tab.")
    own = SavedView.objects.filter(owner=by)
    known = own.select_for_update().filter(name=named).first()
    if known is None and own.count() >= MOST:
        raise ViewError(f"You have {MOST} views: delete one first.")
    if known and known.is_shared:
        # Whoever uses a shared view would find other filters under its name.
        _may(by, SHARE)
    before = _told(known)
    view = known or SavedView(owner=by, name=named)
    view.query = query
    _store(view)
    if view.is_shared:
        audit.write("view.shared", by=by, subject=str(view.pk), before=before, after=_told(view))
    return view


@transaction.atomic
def rename(view_id: UUID, name: str, *, by: User) -> SavedView:
    """Raises ViewError, SavedView.DoesNotExist if it is not `by`'s."""
    view, before = _own(view_id, by)
    view.name = _named(name)
    _store(view)
    if view.is_shared:
        audit.write("view.shared", by=by, subject=str(view.pk), before=before, after=_told(view))
    return view


@transaction.atomic
def delete(view_id: UUID, *, by: User) -> str:
    """Delete the view; says what it was called. Raises SavedView.DoesNotExist if it is not `by`'s."""
    view, before = _own(view_id, by)
    view.delete()
    if view.is_shared:
        audit.write("view.shared", by=by, subject=str(view_id), before=before)
    return view.name


@transaction.atomic
def share(view_id: UUID, *, by: User, is_shared: bool) -> SavedView:
    """Show the view to everybody, or only to its owner again."""
    _may(by, SHARE)
    view, before = _own(view_id, by)
    if view.is_shared != is_shared:
        view.is_shared = is_shared
        _store(view)
        audit.write("view.shared", by=by, subject=str(view.pk), before=before, after=_told(view))
    return view


@transaction.atomic
def show_first(view_id: UUID, *, by: User, is_first: bool) -> SavedView:
    """Open the queue with this view, or with none."""
    view, _before = _own(view_id, by)
    SavedView.objects.filter(owner=by, is_default=True).update(is_default=False)
    view.is_default = is_first
    _store(view)
    return view


def _own(view_id: UUID, by: User) -> tuple[SavedView, audit.State]:
    """The view, locked, and what it is now. Raises SavedView.DoesNotExist if it is not `by`'s."""
    _may(by, REVIEW)
    view = SavedView.objects.select_for_update().get(pk=view_id, owner=by)
    return view, _told(view)


def _told(view: SavedView | None) -> audit.State:
    """What the audit log says of a view that everybody sees; one's own are nobody's business."""
    return {"name": view.name, "filters": view.query, "shared": view.is_shared} if view else None


def _store(view: SavedView) -> None:
    try:
        with transaction.atomic():
            view.save()
    except IntegrityError as error:
        raise ViewError(f"You already have a view “{view.name}”.") from error


def _named(name: str) -> str:
    named = " ".join(name.split())
    if not 0 < len(named) <= NAME_CHARACTERS or not named.isprintable():
        raise ViewError(f"A name has 1 to {NAME_CHARACTERS} printable characters.")
    return named


def _may(by: User, permission: str) -> None:
    if not by.has_perm(permission):
        raise PermissionDenied
