"""The same service as Django REST framework and django-filter make it, the usual way. Started on `plain_settings`."""

from typing import Any

import django_filters
from django.core.wsgi import get_wsgi_application
from django.urls import include, path
from rest_framework import pagination, routers, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

application = get_wsgi_application()

from transactions.models import Transaction  # noqa: E402 (needs the applications)


class Filters(django_filters.FilterSet):  # type: ignore[misc]
    from_date = django_filters.IsoDateTimeFilter("txn_date", "gte")
    to_date = django_filters.IsoDateTimeFilter("txn_date", "lte")
    min_amount = django_filters.NumberFilter("amount", "gte")
    max_amount = django_filters.NumberFilter("amount", "lte")
    merchant_id = django_filters.CharFilter()

    class Meta:
        model = Transaction
        fields = ("user_id", "currency", "status")


class Together(serializers.ListSerializer[Transaction]):
    def create(self, validated_data: list[dict[str, Any]]) -> list[Transaction]:
        return Transaction.objects.bulk_create(Transaction(**one) for one in validated_data)


class Serializer(serializers.ModelSerializer[Transaction]):
    id = serializers.UUIDField()

    class Meta:
        model = Transaction
        list_serializer_class = Together
        fields = (
            "id",
            "user_id",
            "amount",
            "currency",
            "txn_date",
            "status",
            "meta_data",
            "merchant_id",
            "received_at",
        )


class Pages(pagination.CursorPagination):
    ordering = "-txn_date"
    page_size = 100


class ViewSet(viewsets.ModelViewSet[Transaction]):
    queryset = Transaction.objects.all()
    serializer_class = Serializer
    filterset_class = Filters
    pagination_class = Pages

    @action(detail=False, methods=["post"])
    def bulk(self, request: Request) -> Response:
        serializer = self.get_serializer(data=request.data, many=True)
        serializer.is_valid(raise_exception=True)
        serializer.save()
        return Response(serializer.data, status=201)


router = routers.SimpleRouter()
router.register("transactions", ViewSet)
urlpatterns = [path("", include(router.urls))]
