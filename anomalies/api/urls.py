"""Addresses of anomalies, cases, verdicts and webhooks, below /api/v1/."""

from django.urls import path

from anomalies.api import views, webhooks
from anomalies.api.base import Router
from anomalies.api.stream import StreamView

router = Router()
router.register("anomalies", views.AnomalyViewSet, "anomaly")
router.register("cases", views.CaseViewSet, "case")
router.register("verdicts", views.VerdictViewSet, "verdict")
router.register("webhooks", webhooks.WebhookViewSet, "webhook")
router.register("webhook-deliveries", webhooks.WebhookDeliveryViewSet, "webhook-delivery")
urlpatterns = [*router.urls, path("stream/", StreamView.as_view(), name="stream")]
