"""Comments on cases: plain text, added and never changed."""

import unicodedata
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction

from anomalies import audit
from anomalies.models import Case, Comment

CHARACTERS = 2_000
SHOWN = 200
# Marks that make text read in another order than it is written in: they hide what a line says.
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class CommentError(ValueError):
    """The comment cannot be taken as it is; the text is a sentence for people."""


@transaction.atomic
def add(case: Case, by: User, text: str) -> Comment:
    """Add a comment to the case, closed or not, and tell the audit log. Raises CommentError."""
    written = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not written:
        raise CommentError("A comment needs some text.")
    if len(written) > CHARACTERS:
        raise CommentError(f"A comment has at most {CHARACTERS:,} characters: this one has {len(written):,}.")
    if any(_is_control(character) for character in written):
        raise CommentError("A comment has no control characters, but for line breaks and tabs.")
    comment = Comment.objects.create(case=case, user_id=case.user_id, author=by, text=written)
    audit.write(
        "case.commented", by=by, case_id=case.pk, user_id=case.user_id, subject=str(comment.pk), note=comment.text
    )
    return comment


def of_case(case_id: UUID) -> list[Comment]:
    """The case's comments in the order in which they were written, the latest SHOWN of them. One query."""
    latest = Comment.objects.filter(case=case_id).select_related("author").order_by("-at", "-id")[:SHOWN]
    return list(reversed(latest))


def _is_control(character: str) -> bool:
    return character not in "\n\t" and (unicodedata.category(character) in {"Cc", "Cs"} or character in TURNING)
