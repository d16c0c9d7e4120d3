"""How the API is set up: who is known, what is read and written, and what its schema says of itself."""

from typing import Any

from anomaly_server import __version__

FRAMEWORK: dict[str, Any] = {
    # The key comes first: its header is what a 401 asks for.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "transactions.api.authentication.KeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["anomalies.api.permissions.Scoped"],
    "DEFAULT_THROTTLE_CLASSES": ["transactions.api.throttling.KeyLimit"],
    "DEFAULT_PARSER_CLASSES": ["transactions.api.parsing.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["anomalies.api.rendering.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "anomalies.api.negotiation.Negotiation",
    "DEFAULT_SCHEMA_CLASS": "anomalies.api.schema.Schema",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler",
    # `format` would be a parameter that no listing declares.
    "URL_FORMAT_OVERRIDE": None,
}

ERRORS = {
    "EXCEPTION_HANDLER_CLASS": "anomalies.api.handling.Handler",
    "ENABLE_IN_DEBUG_FOR_UNHANDLED_EXCEPTIONS": True,
    "NESTED_FIELD_SEPARATOR": "/",
}

SCHEMA: dict[str, Any] = {
    "TITLE": "Anomaly server",
    "DESCRIPTION": (
        "Store transactions, and learn how strange each is for its user and why.\n\n"
        "Send `Authorization: Bearer <key>`. Amounts are strings, times are RFC 3339 in UTC. "
        "Errors are `application/problem+json`. Lists are walked by following `next`."
    ),
    "VERSION": __version__,
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["anomalies.api.permissions.MaySeeDocs"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # Without this the page asks validator.swagger.io about our schema.
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "anomalies.api.schema.add_problems",
        "anomalies.api.sparse.add_sparse_rows",
        "anomalies.api.examples.add_examples",
    ],
    "ENUM_NAME_OVERRIDES": {
        "LevelEnum": "anomalies.api.serializers.LEVELS",
        "EventEnum": "anomalies.webhooks.endpoints.KINDS",
        "DeliveryStateEnum": "anomalies.webhooks.models.WebhookDelivery.State",
        "CaseStateEnum": "anomalies.models.Case.State",
        # An outcome and a verdict are the same four words.
        "VerdictEnum": "anomalies.models.Verdict.Value",
        "GivenVerdictEnum": "anomalies.api.serializers.GIVEN_VERDICTS",
        "OutcomeEnum": "anomalies.models.Case.Outcome",
    },
}
