"""Every address the server answers, but for /livez and /readyz: see `health`."""

from django.contrib import admin
from django.urls import include, path, re_path

from anomalies.api.base import NoSuchAddress
from anomaly_server.api_docs import DocsView, SchemaView
from transactions.admin import users

urlpatterns = [
    # First what is asked most.
    path("api/v1/", include("transactions.api.urls")),
    path("api/v1/", include("anomalies.api.urls")),
    # Before the admin's own, which answers whatever else begins so.
    path("admin/users/", include(users.urls)),
    path("admin/", admin.site.urls),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path("api/docs/", DocsView.as_view(url_name="schema"), name="docs"),
    re_path("^api/", NoSuchAddress.as_view()),
]

# Django's own pages, but problem documents below /api/.
handler400 = "anomalies.api.problems.bad_request"
handler403 = "anomalies.api.problems.permission_denied"
handler404 = "anomalies.api.problems.not_found"
handler500 = "anomalies.api.problems.server_error"
