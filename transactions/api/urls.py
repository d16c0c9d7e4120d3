"""Addresses of transactions and users, below /api/v1/."""

from django.urls import path

from transactions.api import users, views

urlpatterns = [
    path("transactions/", views.TransactionsView.as_view(), name="transactions"),
    path("transactions/<uuid:id>/", views.TransactionView.as_view(), name="transaction"),
    path("transactions/<uuid:id>/explanation/", views.ExplanationView.as_view(), name="explanation"),
    path("users/", users.UsersView.as_view(), name="users"),
    path("users/<uuid:user_id>/", users.UserView.as_view(), name="user"),
]
