"""The schema of the API, and a page to browse it, without a byte from elsewhere."""

from typing import Any

import orjson
from django.contrib.auth.views import redirect_to_login
from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiJsonRenderer2
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated

from anomalies.api.problems import MEDIA_TYPE


class SchemaView(SpectacularAPIView):
    """OpenAPI 3.1 as JSON."""

    renderer_classes = [OpenApiJsonRenderer2, OpenApiJsonRenderer]


class DocsView(SpectacularSwaggerSplitView):
    """A page for people: whoever is not known is asked to log in."""

    template_name = "api/docs.html"

    def handle_exception(self, exc: Exception) -> HttpResponseBase:  # type: ignore[override]
        if isinstance(exc, NotAuthenticated | AuthenticationFailed):
            return redirect_to_login(self.request.get_full_path())
        response: Any = super().handle_exception(exc)
        # The page's renderer would look for an HTML template of the error.
        return HttpResponse(orjson.dumps(response.data), status=response.status_code, content_type=MEDIA_TYPE)
