"""Who may be given cases."""

from django.contrib.auth.models import User

REVIEW = "anomalies.review_case"
# The backend that knows permissions; the other ones only say who may log in.
BACKEND = "django.contrib.auth.backends.ModelBackend"
# A menu of more people than this helps nobody.
MOST = 300


def reviewers() -> list[tuple[int, str]]:
    """Number and name of those who may review cases, by name. One query."""
    may = User.objects.with_perm(REVIEW, backend=BACKEND).filter(is_staff=True)
    return list(may.order_by("username").values_list("pk", "username")[:MOST])
