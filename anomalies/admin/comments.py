"""The form that adds a comment to a case."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _

from anomalies import comments
from anomalies.models import Case


def comment(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """Add what was written, and show the page again where the comments are."""
    by = request.user
    if not (isinstance(by, User) and by.has_perm("anomalies.review_case")):
        raise PermissionDenied
    case = get_object_or_404(Case, pk=case_id)
    try:
        comments.add(case, by, request.POST.get("text", ""))
    except comments.CommentError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Your comment was added."))
    return HttpResponseRedirect(reverse("admin:anomalies_case_change", args=[case_id]) + "#comments")
