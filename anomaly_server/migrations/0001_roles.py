"""The roles: five groups to put accounts in.

A group that is there already stays as it is, because somebody made it or changed it. Reversing removes the five.
"""

from django.db import migrations

CUSTOM = {
    "review_case": "Can claim, judge and comment cases",
    "reassign_case": "Can give cases to others and reopen them",
    "share_savedview": "Can share views of the queue with everybody",
}
VIEWER = {
    "anomalies": [
        "view_case", "view_anomaly", "view_verdict", "view_comment", "view_reference", "view_modelversion",
        "view_pendingscore", "view_alertbudget", "view_savedview",
    ],
    "transactions": ["view_transaction", "view_load"],
}
ANALYST = {"anomalies": ["review_case"]}
LEAD = {"anomalies": ["reassign_case", "change_alertbudget", "share_savedview", "view_auditentry"]}
OPERATOR = {
    "anomalies": [
        "add_reference", "add_modelversion", "change_modelversion", "view_auditentry",
        "view_webhookendpoint", "add_webhookendpoint", "change_webhookendpoint", "delete_webhookendpoint",
    ],
    "transactions": [
        "add_transaction", "add_load", "view_apikey", "add_apikey", "change_apikey", "delete_apikey",
    ],
    # Who owns a key is chosen among the accounts.
    "auth": ["view_user"],
    "procrastinate": ["view_procrastinatejob"],
}
ADMIN = {
    "auth": ["add_user", "change_user", "view_user", "add_group", "change_group", "delete_group", "view_group"],
    "axes": ["view_accessattempt", "delete_accessattempt", "view_accesslog", "view_accessfailurelog"],
}
ROLES = {
    "Viewer": [VIEWER],
    "Analyst": [VIEWER, ANALYST],
    "Lead": [VIEWER, ANALYST, LEAD],
    "Operator": [VIEWER, OPERATOR],
    "Admin": [VIEWER, ANALYST, LEAD, OPERATOR, ADMIN],
}
# The words of Django's own names for permissions.
SPOKEN = {
    "alertbudget": "alert budget", "auditentry": "audit entry", "savedview": "saved view", "modelversion": "model version",
    "pendingscore": "pending score", "apikey": "API key", "webhookendpoint": "webhook endpoint",
    "procrastinatejob": "procrastinate job", "accessattempt": "access attempt", "accesslog": "access log",
    "accessfailurelog": "access failure",
}


def permission(apps, app, codename):
    """Django makes permissions only after all migrations have run: those that are needed here are made now."""
    types, permissions = apps.get_model("contenttypes", "ContentType"), apps.get_model("auth", "Permission")
    deed, model = codename.split("_", 1)
    content_type, _ = types.objects.get_or_create(app_label=app, model=model)
    name = CUSTOM.get(codename) or f"Can {deed} {SPOKEN.get(model, model)}"
    found, _ = permissions.objects.get_or_create(
        content_type=content_type, codename=codename, defaults={"name": name}
    )
    return found


def make(apps, _editor):
    groups = apps.get_model("auth", "Group")
    for name, parts in ROLES.items():
        group, is_new = groups.objects.get_or_create(name=name)
        if is_new:
            codes = [(app, code) for part in parts for app, codes in part.items() for code in codes]
            group.permissions.set([permission(apps, app, code) for app, code in codes])


def remove(apps, _editor):
    apps.get_model("auth", "Group").objects.filter(name__in=ROLES).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("anomalies", "0009_comments"),
        ("transactions", "0007_api_key_scopes"),
    ]
    operations = [migrations.RunPython(make, remove)]
