"""Addresses of anomalies, cases and verdicts, below /api/v1/."""

from anomalies.api import views
from anomalies.api.base import Router

router = Router()
router.register("anomalies", views.AnomalyViewSet, "anomaly")
router.register("cases", views.CaseViewSet, "case")
router.register("verdicts", views.VerdictViewSet, "verdict")
urlpatterns = router.urls
