"""Transactions, to look at: a list that stays quick on any number of rows, and one transaction's page."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import F, Func, TextField
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe
from unfold.views import ChangeList

from anomalies import show, verdicts
from anomalies.admin import case_page
from anomalies.admin.base import PaymentColumns, ReadOnlyAdmin
from anomalies.admin.filters import DateRange, Inputs, NumberRange, Rows
from anomalies.findings import Scored, Unscored
from anomalies.models import Anomaly, Verdict
from transactions import scorer
from transactions.currencies import CURRENCIES
from transactions.models import Transaction
from transactions.rows import STATUS

AMOUNT = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,2})?").fullmatch
# Amount, currency and status are looked for among so many newest rows of the user, or of all users, in the
# days asked for. A rare value would otherwise have the whole table read for one page.
SEARCHED_ROWS = 100_000
NEWEST_FIRST = ("-txn_date", "id")
REVIEW = "anomalies.review_case"


class Days(DateRange):
    title = gettext_lazy("day (UTC)")
    field = "txn_date"


class Picking(Inputs):
    """A filter whose matches may be rare: the list applies it, together with a bound on what is read."""

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        narrowed = super().queryset(request, queryset)
        return narrowed if self.error else queryset

    def picked(self) -> dict[str, Any]:
        return {} if self.error else self.conditions(*self.texts)


class Amounts(Picking, NumberRange):
    title = gettext_lazy("amount")
    field = "amount"
    hint = gettext_lazy("Amounts such as 1234.50, please.")

    def conditions(self, *texts: str) -> dict[str, Any]:
        # Not as NumberRange does it: an amount never passes through a float.
        lookups = ("amount__gte", "amount__lte")
        return {lookup: _amount(text) for lookup, text in zip(lookups, texts, strict=True) if text}


class Currencies(Picking):
    title = gettext_lazy("currency")
    field = "currency"
    hint = gettext_lazy("A code such as EUR, please.")

    def conditions(self, *texts: str) -> dict[str, Any]:
        code = texts[0].upper()
        if code and code not in CURRENCIES:
            raise ValueError(code)
        return {"currency": code} if code else {}


class Statuses(Picking):
    title = gettext_lazy("status")
    field = "status"
    hint = gettext_lazy("A whole status such as completed, please.")

    def conditions(self, *texts: str) -> dict[str, Any]:
        status = texts[0]
        if status and not STATUS(status):
            raise ValueError(status)
        return {"status": status} if status else {}


class TransactionList(ChangeList):  # type: ignore[misc]
    """A page of the list; whatever is asked for, it reads at most SEARCHED_ROWS."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str] | None = None) -> Rows:
        """The rows of the days and of the search, and of those the picked ones."""
        rows: Rows = super().get_queryset(request, exclude_parameters)
        picked: dict[str, Any] = {}
        for spec in self.filter_specs:
            if isinstance(spec, Picking):
                picked |= spec.picked()
        if not picked or rows.query.is_empty():
            return rows
        newest = rows.order_by(*NEWEST_FIRST).values_list("txn_date", flat=True)
        since = newest[SEARCHED_ROWS : SEARCHED_ROWS + 1].first()
        return rows.filter(**picked) if since is None else self._within(request, rows.filter(**picked), since)

    def _within(self, request: HttpRequest, rows: Rows, since: datetime) -> Rows:
        told = {"rows": show.whole(SEARCHED_ROWS), "since": f"{since:%Y-%m-%d %H:%M}"}
        messages.info(
            request, _("Only the newest %(rows)s transactions were looked through, back to %(since)s UTC.") % told
        )
        return rows.filter(txn_date__gte=since)


@admin.register(Transaction)
class TransactionAdmin(PaymentColumns, ReadOnlyAdmin):
    list_display = ("when", "user", "amount_", "merchant", "status_", "id_")
    list_display_links = ("when",)
    list_filter = (Days, Amounts, Currencies, Statuses)
    ordering = NEWEST_FIRST
    sortable_by = ("when",)
    search_fields = ("pk",)
    searched_ids = ("user_id", "pk")
    search_help_text = gettext_lazy("Whole user or transaction id")
    empty_title = gettext_lazy("No transaction yet")
    empty_hint = gettext_lazy("Load some with manage.py load_data, or post them to /api/v1/transactions/.")

    def lookup_allowed(self, lookup: str, _value: str, request: HttpRequest) -> bool:  # noqa: ARG002 (Django's name)
        """Only what the bar asks: Django lets any field be filtered from the address, by any lookup."""
        return any(lookup == spec.field + suffix for spec in self.list_filter for suffix in spec.suffixes)

    def get_queryset(self, request: HttpRequest) -> Rows:
        rows: Rows = super().get_queryset(request).defer("meta_data")
        return rows

    def get_changelist(self, _request: HttpRequest, **_kwargs: Any) -> type[ChangeList]:
        return TransactionList

    def get_search_results(self, request: HttpRequest, queryset: Rows, search_term: str) -> tuple[Rows, bool]:
        text = search_term.strip()
        if not text:
            return queryset, False
        try:
            wanted = UUID(text)
        except ValueError:
            messages.warning(request, _("“%(text)s” is no id: enter a UUID, in full.") % {"text": text[:80]})
            return queryset.none(), False
        # Not both in one query: a user's many rows could then not be read in the order of the list.
        field = "pk" if Transaction.objects.filter(pk=wanted).exists() else "user_id"
        return queryset.filter(**{field: wanted}), False

    @admin.display(description=gettext_lazy("transaction"))
    def id_(self, transaction: Transaction) -> str:
        return show.short_id(transaction.pk)

    @method_decorator(require_safe)
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002 (the admin's signature)
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        transaction = _transaction(object_id)
        context = {
            **self.admin_site.each_context(request),
            **_explained(transaction),
            "transaction": transaction,
            "history": Verdict.objects.filter(transaction=transaction.pk).select_related("author"),
            "may_judge": request.user.has_perm(REVIEW),
            "opts": self.opts,
            "original": transaction,
            "title": str(transaction),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "console/transaction.html", context)

    def get_urls(self) -> list[URLPattern]:
        judge = self.admin_site.admin_view(require_POST(self.judge))
        inherited: list[URLPattern] = super().get_urls()
        return [path("<uuid:transaction_id>/judge/", judge, name="transactions_transaction_judge"), *inherited]

    def judge(self, request: HttpRequest, transaction_id: UUID) -> HttpResponse:
        """A verdict on any transaction: chargebacks also hit what nobody flagged."""
        by = request.user
        if not (isinstance(by, User) and by.has_perm(REVIEW) and self.has_view_permission(request)):
            raise PermissionDenied
        found = Transaction.objects.filter(pk=transaction_id).values_list("user_id", flat=True).first()
        if found is None:
            raise Http404
        case = Anomaly.objects.filter(pk=transaction_id).values_list("case_id", flat=True).first()
        value, note = request.POST.get("value", ""), request.POST.get("note", "")
        try:
            verdicts.give(transaction_id=transaction_id, user_id=found, value=value, author=by, note=note, case_id=case)
        except verdicts.VerdictError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _("Verdict: %(value)s.") % {"value": value})
        return HttpResponseRedirect(reverse("admin:transactions_transaction_change", args=[transaction_id]))


def _amount(text: str) -> Decimal:
    if not AMOUNT(text):
        raise ValueError(text)
    return Decimal(text)


def _transaction(object_id: str) -> Transaction:
    """The transaction of that id, with its meta_data digit for digit as `meta_text`."""
    try:
        wanted = UUID(object_id)
    except ValueError:
        raise Http404 from None
    as_text = Func(F("meta_data"), function="jsonb_pretty", output_field=TextField())
    found = Transaction.objects.defer("meta_data").annotate(meta_text=as_text).filter(pk=wanted).first()
    if found is None:
        raise Http404
    return found


def _explained(transaction: Transaction) -> dict[str, Any]:
    """The reasons of a transaction: as recorded if it is an anomaly, otherwise found now."""
    anomaly = Anomaly.objects.filter(pk=transaction.pk).first()
    recorded = anomaly is not None
    if anomaly is None:
        scored = scorer.explain(user_id=transaction.user_id, txn_date=transaction.txn_date, id=transaction.pk)
        if isinstance(scored, Unscored):
            return {"unscored": scored}
        anomaly = _unrecorded(transaction, scored)
    return {"anomaly": anomaly, "is_anomaly": recorded, "shown": case_page.with_bars([anomaly], [])}


def _unrecorded(transaction: Transaction, scored: Scored) -> Anomaly:
    """What the templates of anomalies show, of a transaction that is none. Never saved."""
    return Anomaly(
        transaction_id=transaction.pk,
        user_id=transaction.user_id,
        amount=transaction.amount,
        currency=transaction.currency,
        txn_date=transaction.txn_date,
        status=transaction.status,
        merchant_id=transaction.merchant_id,
        score=scored.score,
        rarity=scored.rarity,
        raw=scored.raw,
        reasons=scored.reasons,
    )
