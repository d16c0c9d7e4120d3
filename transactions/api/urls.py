"""Addresses of transactions and users, below /api/v1/."""

from anomalies.api.base import Router
from transactions.api.users import UserViewSet
from transactions.api.views import TransactionViewSet

router = Router()
router.register("transactions", TransactionViewSet, "transaction")
router.register("users", UserViewSet, "user")
urlpatterns = router.urls
