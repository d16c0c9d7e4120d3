"""The look of the admin: names, colours, and what the side bar leads to."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse

Item = dict[str, Any]


def to_list(model: str) -> Callable[[HttpRequest], str]:
    """The address of a model's list; none as long as nothing is registered for it."""

    def link(_request: HttpRequest) -> str:
        try:
            return reverse(f"admin:{model.replace('.', '_')}_changelist")
        except NoReverseMatch:
            return ""

    return link


def may_view(model: str) -> Callable[[HttpRequest], bool]:
    app, name = model.split(".")

    def permission(request: HttpRequest) -> bool:
        is_registered = bool(to_list(model)(request))
        return is_registered and (
            request.user.has_perm(f"{app}.view_{name}") or request.user.has_perm(f"{app}.change_{name}")
        )

    return permission


def item(title: str, icon: str, model: str) -> Item:
    return {"title": title, "icon": icon, "link": to_list(model), "permission": may_view(model)}


REVIEW: list[Item] = [
    {"title": "Dashboard", "icon": "monitoring", "link": lambda _request: reverse("admin:index")},
    item("Cases", "inbox", "anomalies.case"),
    item("Anomalies", "release_alert", "anomalies.anomaly"),
    item("Transactions", "receipt_long", "transactions.transaction"),
    {
        "title": "Users",
        "icon": "person_search",
        "link": lambda _request: reverse("console_users"),
        "permission": lambda request: request.user.has_perm("transactions.view_transaction"),
    },
    item("Verdicts", "gavel", "anomalies.verdict"),
]
SCORING: list[Item] = [
    item("References", "straighten", "anomalies.reference"),
    item("Models", "model_training", "anomalies.modelversion"),
    item("Waiting for a score", "hourglass_top", "anomalies.pendingscore"),
    item("Loads", "upload_file", "transactions.load"),
]
ACCESS: list[Item] = [
    item("API keys", "key", "transactions.apikey"),
    item("Webhooks", "webhook", "anomalies.webhookendpoint"),
    item("Deliveries", "outgoing_mail", "anomalies.webhookdelivery"),
    item("Accounts", "person", "auth.user"),
    item("Groups", "group", "auth.group"),
    item("Audit log", "history_edu", "anomalies.auditentry"),
]

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Anomaly server",
    "SITE_HEADER": "Anomaly server",
    "SITE_SYMBOL": "query_stats",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("console/icon.svg")},
    ],
    "STYLES": [lambda _request: static("console/console.css")],
    "DASHBOARD_CALLBACK": "anomalies.admin.dashboard.add_figures",
    "BORDER_RADIUS": "5px",
    "SHOW_HISTORY": False,
    # One accent, a teal that carries white text (5.5 : 1) and is none of the levels' colours.
    "COLORS": {
        "primary": {
            "50": "oklch(98.4% .014 180.72)",
            "100": "oklch(95.3% .051 180.801)",
            "200": "oklch(91% .096 180.426)",
            "300": "oklch(85.5% .138 181.071)",
            "400": "oklch(77.7% .152 181.912)",
            "500": "oklch(70.4% .14 182.503)",
            "600": "oklch(51.1% .096 186.391)",
            "700": "oklch(43.7% .078 188.216)",
            "800": "oklch(38.6% .063 188.416)",
            "900": "oklch(33% .05 188.5)",
            "950": "oklch(27.7% .046 192.524)",
        },
    },
    "SIDEBAR": {
        "navigation": [
            {"title": "Review", "items": REVIEW},
            {"title": "Scoring", "items": SCORING, "separator": True},
            {"title": "Access", "items": ACCESS, "separator": True},
        ],
    },
}
