"""Comments on a case: written by who may review, kept as written, shown as text."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from anomalies import comments
from anomalies.models import AuditEntry, Comment
from tests.factories import AnalystFactory, CaseFactory

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>\"'<img src=x onerror=alert(1)>"


def browser(*permissions: str) -> Client:
    user = AnalystFactory(username="ana")
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def write(client: Client, case, text: str):
    return client.post(f"/admin/anomalies/case/{case.pk}/comment/", {"text": text}, follow=True)


def page(client: Client, case) -> str:
    return client.get(f"/admin/anomalies/case/{case.pk}/change/").content.decode()


def test_a_comment_is_shown_on_its_case_and_told_to_the_log():
    ana, case = browser("view_case", "review_case"), CaseFactory()
    assert "Nobody has written anything" in page(ana, case)
    response = write(ana, case, "  Called the holder.\r\nNo answer. ")
    assert response.redirect_chain[-1][0].endswith("/change/#comments")
    assert "Called the holder.<br>No answer." in response.content.decode()
    comment, entry = Comment.objects.get(), AuditEntry.objects.get(action="case.commented")
    assert (comment.text, comment.author.username, comment.user_id) == (
        "Called the holder.\nNo answer.",
        "ana",
        case.user_id,
    )
    assert (entry.case_id, entry.user_id, entry.subject, entry.note) == (
        case.pk,
        case.user_id,
        str(comment.pk),
        comment.text,
    )
    assert "Commented" in page(ana, case)


def test_comments_stand_in_the_order_in_which_they_were_written():
    case, ana = CaseFactory(state="closed", outcome="fraud"), AnalystFactory()
    for text in ("first", "second", "third"):
        comments.add(case, ana, text)
    comments.add(CaseFactory(), ana, "of another case")
    assert [comment.text for comment in comments.of_case(case.pk)] == ["first", "second", "third"]


def test_who_may_only_look_finds_no_form_and_is_refused():
    viewer, case = browser("view_case"), CaseFactory()
    assert "/comment/" not in page(viewer, case)
    assert write(viewer, case, "x").status_code == 403
    assert not Comment.objects.exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "needs some text"),
        (" \r\n ", "needs some text"),
        ("x" * 2_001, "at most 2,000 characters"),
        ("a\0b", "no control characters"),
        ("a\x1b[2Jb", "no control characters"),
        ("a\x85b", "no control characters"),
        ("a\u202eb", "no control characters"),
        ("a\ud800b", "no control characters"),
    ],
)
def test_what_is_no_comment_is_refused_with_a_sentence(text: str, why: str):
    with pytest.raises(comments.CommentError, match=why):
        comments.add(CaseFactory(), AnalystFactory(), text)
    assert not Comment.objects.exists()
    assert not AuditEntry.objects.exists()


def test_the_refusal_is_shown_on_the_page():
    ana, case = browser("view_case", "review_case"), CaseFactory()
    assert "A comment needs some text." in write(ana, case, " ").content.decode()


def test_two_thousand_characters_in_any_script_fit():
    comment = comments.add(CaseFactory(), AnalystFactory(), "𝒳" * 1_999 + "\t\nß".strip())
    assert Comment.objects.get().text == comment.text


def test_a_comment_is_text_and_nothing_of_it_runs():
    ana, case = browser("view_case", "review_case"), CaseFactory()
    shown = write(ana, case, HOSTILE).content.decode()
    assert "&lt;script&gt;alert(1)" in shown
    assert "<script>alert(1)" not in shown
    assert "<img src=x" not in shown


def test_there_is_no_comment_without_a_case_and_none_by_get():
    ana, case = browser("view_case", "review_case"), CaseFactory()
    case.delete()
    assert write(ana, case, "x").status_code == 404
    assert ana.get(f"/admin/anomalies/case/{CaseFactory().pk}/comment/").status_code == 405
