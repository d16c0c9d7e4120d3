"""Addresses of anomalies, cases and verdicts, below /api/v1/."""

from django.urls import path

from anomalies.api import views

urlpatterns = [
    path("anomalies/", views.AnomaliesView.as_view(), name="anomalies"),
    path("anomalies/<uuid:transaction_id>/", views.AnomalyView.as_view(), name="anomaly"),
    path("cases/", views.CasesView.as_view(), name="cases"),
    path("cases/<uuid:id>/", views.CaseView.as_view(), name="case"),
    path("verdicts/", views.VerdictsView.as_view(), name="verdicts"),
]
