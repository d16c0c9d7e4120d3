"""Our settings without what plain Django REST framework would not have; connections stay open, as ours do."""

from anomaly_server.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.http_rivals.plain_drf"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}
