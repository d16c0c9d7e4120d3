"""The same service as Django REST framework and django-filter make it, the usual way. Started on `plain_settings`."""

import django_filters
from django.core.wsgi import get_wsgi_application
from django.urls import include, path
from rest_framework import pagination, routers, serializers, viewsets

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


class Serializer(serializers.ModelSerializer[Transaction]):
    id = serializers.UUIDField()

    class Meta:
        model = Transaction
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


router = routers.SimpleRouter()
router.register("transactions", ViewSet)
urlpatterns = [path("", include(router.urls))]
