"""The list of transactions and a transaction's page in the admin."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from tests.factories import (
    USER,
    AnalystFactory,
    AnomalyFactory,
    CaseFactory,
    RowFactory,
    TransactionFactory,
    VerdictFactory,
)
from transactions.admin import transactions as pages
from transactions.models import Load, Transaction
from transactions.store import write

pytestmark = pytest.mark.django_db

LIST = reverse("admin:transactions_transaction_changelist")
OTHER_USER = UUID("0190a1b2-0000-7000-8000-000000000002")
# Session, user, permissions of the user and of the groups; then the page itself.
LOGIN_QUERIES = 2


def page_of(transaction: Transaction) -> str:
    return reverse("admin:transactions_transaction_change", args=[transaction.pk])


def listed(client: Client, **asked: str) -> list[Transaction]:
    answer = client.get(LIST, asked)
    assert answer.status_code == 200
    return list(answer.context["cl"].result_list)


def told(client: Client, **asked: str) -> str:
    return client.get(LIST, asked).content.decode()


def test_the_list_shows_each_payment_newest_first(admin_client: Client) -> None:
    older, newer = TransactionFactory.create_batch(2, meta_data={"merchant_id": "m-17"})
    assert listed(admin_client) == [newer, older]
    text = told(admin_client)
    for shown in ("10.00", "EUR", "completed", "m-17", str(newer.pk), str(USER)):
        assert shown in text


def test_the_list_can_be_turned_round(admin_client: Client) -> None:
    older, newer = TransactionFactory.create_batch(2)
    assert listed(admin_client, o="-0") == [older, newer]


@pytest.mark.parametrize(
    ("asked", "amounts"),
    [
        ({"amount_from": "20"}, ["20.00", "30.00"]),
        ({"amount_to": "20.00"}, ["10.00", "20.00"]),
        ({"amount_from": "10.01", "amount_to": "29.99"}, ["20.00"]),
        ({"currency": "usd"}, ["30.00"]),
        ({"status": "failed"}, ["20.00"]),
        ({"txn_date_from": "2024-06-02"}, ["20.00", "30.00"]),
        ({"txn_date_to": "2024-06-02"}, ["10.00", "20.00"]),
        ({"txn_date_from": "2024-06-02", "txn_date_to": "2024-06-02", "status": "failed"}, ["20.00"]),
        ({"amount_from": "20", "currency": "EUR"}, ["20.00"]),
        ({"status": "completed", "q": str(USER)}, ["10.00"]),
        ({"status": "nobody_has_this"}, []),
    ],
)
def test_filters_narrow_the_list(admin_client: Client, asked: dict[str, str], amounts: list[str]) -> None:
    TransactionFactory(amount="10.00", txn_date=datetime(2024, 6, 1, 23, 59, tzinfo=UTC))
    TransactionFactory(amount="20.00", txn_date=datetime(2024, 6, 2, 23, 59, tzinfo=UTC), status="failed")
    TransactionFactory(amount="30.00", txn_date=datetime(2024, 6, 3, tzinfo=UTC), currency="USD", user_id=OTHER_USER)
    assert sorted(str(one.amount) for one in listed(admin_client, **asked)) == amounts


def test_a_range_of_amounts_is_exact_to_the_cent(admin_client: Client) -> None:
    TransactionFactory(amount=Decimal("90071992547409.92"))
    exact = TransactionFactory(amount=Decimal("90071992547409.93"))
    assert listed(admin_client, amount_from="90071992547409.93") == [exact]


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ({"amount_from": "ten"}, "Amounts such as"),
        ({"amount_to": "NaN"}, "Amounts such as"),
        ({"amount_to": "1e99999"}, "Amounts such as"),
        ({"amount_from": "9" * 400}, "Amounts such as"),
        ({"amount_from": "\x00"}, "Amounts such as"),
        ({"currency": "XYZ"}, "A code such as"),
        ({"currency": "\x00"}, "A code such as"),
        ({"status": "In Progress"}, "A whole status"),
        ({"status": "a\x00"}, "A whole status"),
        ({"txn_date_from": "yesterday"}, "Dates like"),
        ({"txn_date_to": "9999-12-31"}, "Dates like"),
        ({"txn_date_from": "2024-02-30"}, "Dates like"),
    ],
)
def test_a_filter_that_cannot_be_read_lists_nothing_and_says_why(
    admin_client: Client, asked: dict[str, str], hint: str
) -> None:
    TransactionFactory()
    assert listed(admin_client, **asked) == []
    assert hint in told(admin_client, **asked)


def test_the_search_finds_a_user_or_a_transaction_by_its_whole_id(admin_client: Client) -> None:
    one, other = TransactionFactory(), TransactionFactory(user_id=OTHER_USER)
    assert listed(admin_client, q=str(OTHER_USER)) == [other]
    assert listed(admin_client, q=f"  {str(one.pk).upper()} ") == [one]
    assert listed(admin_client, q=one.pk.hex) == [one]
    assert listed(admin_client, q=str(UUID(int=1))) == []


@pytest.mark.parametrize("text", ["alice", "0190a1b2", "'; DROP TABLE", "x" * 5000])
def test_a_search_for_anything_else_asks_for_a_uuid(admin_client: Client, text: str) -> None:
    TransactionFactory()
    assert listed(admin_client, q=text) == []
    assert "is no id: enter a UUID, in full." in told(admin_client, q=text)


@pytest.mark.parametrize(
    "asked",
    [
        {"amount__gt": "5"},
        {"status__contains": "a"},
        {"meta_data__icontains": "a"},
        {"anomaly__score__gt": "5"},
        {"user_id": str(USER)},
    ],
)
def test_no_other_lookup_can_be_made_up_in_the_address(admin_client: Client, asked: dict[str, str]) -> None:
    assert admin_client.get(LIST, asked).status_code == 400


def test_beyond_the_newest_rows_a_filter_does_not_look_and_says_so(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SEARCHED_ROWS", 3)
    older, *newer = TransactionFactory.create_batch(6, status="failed")
    theirs = TransactionFactory(user_id=OTHER_USER, status="failed", txn_date=older.txn_date)
    assert len(listed(admin_client)) == 7
    assert listed(admin_client, status="failed") == newer[:0:-1]
    assert "Only the newest 3 transactions were looked through, back to 2024-06-01" in told(
        admin_client, status="failed"
    )
    # A user or days move the bound.
    assert listed(admin_client, status="failed", q=str(OTHER_USER)) == [theirs]
    assert "Only the newest" not in told(admin_client, status="failed", q=str(OTHER_USER))


def test_nothing_can_be_added_changed_or_deleted(admin_client: Client) -> None:
    transaction = TransactionFactory()
    assert admin_client.get(reverse("admin:transactions_transaction_add")).status_code == 403
    assert admin_client.post(page_of(transaction), {"amount": "1"}).status_code == 405
    assert admin_client.post(reverse("admin:transactions_transaction_delete", args=[transaction.pk])).status_code == 403
    assert "delete_selected" not in told(admin_client)
    assert Transaction.objects.get() == transaction


def test_only_who_may_view_sees_anything(client: Client) -> None:
    transaction = TransactionFactory()
    analyst = AnalystFactory()
    client.force_login(analyst)
    assert client.get(LIST).status_code == 403
    assert client.get(page_of(transaction)).status_code == 403
    analyst.user_permissions.add(Permission.objects.get(codename="view_transaction"))
    assert client.get(LIST).status_code == 200
    assert client.get(page_of(transaction)).status_code == 200


def test_an_empty_list_says_what_to_do(admin_client: Client) -> None:
    assert "load_data" in told(admin_client)


def test_a_page_shows_the_transaction_as_it_was_sent(admin_client: Client) -> None:
    row = RowFactory(
        amount=Decimal("90071992547409.93"), meta_data='{"merchant_id":"<b>m</b>","rate":0.10000000000000001}'
    )
    write([row])
    text = admin_client.get(page_of(Transaction(pk=row.id))).content.decode()
    for shown in ("90,071,992,547,409.93", "0.10000000000000001", str(row.id), str(USER), "&lt;b&gt;m&lt;/b&gt;"):
        assert shown in text
    assert "<b>m</b>" not in text


def test_a_page_without_a_reference_says_why_there_is_no_score(admin_client: Client) -> None:
    text = admin_client.get(page_of(TransactionFactory())).content.decode()
    assert "a score needs about a day of earlier transactions" in text
    assert "Nobody has judged this transaction yet." in text


def test_a_page_of_an_anomaly_leads_to_its_case_and_shows_verdicts(admin_client: Client) -> None:
    transaction = TransactionFactory()
    anomaly = AnomalyFactory(transaction=transaction, user_id=USER, case=CaseFactory(user_id=USER))
    VerdictFactory(transaction=transaction, user_id=USER, note="called the customer")
    text = admin_client.get(page_of(transaction)).content.decode()
    assert reverse("admin:anomalies_case_change", args=[anomaly.case_id]) in text
    assert "called the customer" in text


@pytest.mark.parametrize("pk", [str(UUID(int=7)), "7", "x", "%00"])
def test_a_page_of_no_transaction_is_not_found(admin_client: Client, pk: str) -> None:
    assert admin_client.get(f"{LIST}{pk}/change/").status_code == 404


def test_loads_are_listed_with_how_far_they_have_come(admin_client: Client) -> None:
    Load.objects.create(digest="a" * 64, name="june.csv", line=1201, accepted=1234, rejected=5)
    text = admin_client.get(reverse("admin:transactions_load_changelist")).content.decode()
    for shown in ("june.csv", "not yet, line 1201", "1,234"):
        assert shown in text


@pytest.mark.parametrize(
    ("asked", "queries"),
    [
        ({}, 3),
        ({"status": "completed"}, 4),
        ({"q": str(USER)}, 4),
        ({"q": "alice"}, 0),
    ],
)
def test_the_list_takes_the_same_queries_for_one_row_and_for_many(
    admin_client: Client, asked: dict[str, str], queries: int, django_assert_num_queries
) -> None:
    for count in (1, 40):
        TransactionFactory.create_batch(count)
        with django_assert_num_queries(LOGIN_QUERIES + queries):
            listed(admin_client, **asked)


def test_the_page_takes_a_fixed_number_of_queries(admin_client: Client, django_assert_num_queries) -> None:
    transaction = TransactionFactory.create_batch(40)[-1]
    with django_assert_num_queries(LOGIN_QUERIES + 4):
        admin_client.get(page_of(transaction))
