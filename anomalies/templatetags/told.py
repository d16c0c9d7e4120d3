"""What people said about a case and did to it, each as one tag for its page."""

from typing import Any

from django import template
from django.template.context import Context

from anomalies import audit, comments
from anomalies.models import Case

register = template.Library()


@register.inclusion_tag("console/comments.html", takes_context=True)
def comments_of(context: Context, case: Case) -> dict[str, Any]:
    """The case's comments, and the form for one more. One query."""
    return {
        "case": case,
        "comments": comments.of_case(case.pk),
        "may_comment": context["request"].user.has_perm("anomalies.review_case"),
        "characters": comments.CHARACTERS,
        "csrf_token": context["csrf_token"],
    }


@register.inclusion_tag("console/audit.html")
def history_of(case: Case) -> dict[str, Any]:
    """What was done to the case, the latest first. One query."""
    return {"entries": audit.of_case(case.pk)}


@register.filter
def doing(action: str) -> str:
    """case.claimed → claimed; verdict.given → verdict given."""
    subject, _, deed = action.partition(".")
    text = deed if subject == "case" else f"{subject} {deed}"
    return text.replace("_", " ")
