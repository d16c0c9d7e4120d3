"""The space for the data of the embedded PostgreSQL; that of others is for who runs them."""

import shutil

from django.conf import settings

from anomaly_server.doctor.findings import Finding, error, ok, warning
from anomaly_server.embedded_postgres import base
from anomaly_server.embedded_postgres.place import existing

FULL, NEARLY_FULL = 1 << 30, 5 << 30
DO = "Make room on that disk, or move the data to a larger one: `manage.py db stop`, then EMBEDDED_POSTGRES_DIR."


def disk() -> Finding:
    if settings.DATABASE_URL:
        return ok("disk", "The data lie where DATABASE_URL leads, not here.")
    place = existing(base.folder())
    if place is None:
        return ok("disk", "There are no data yet.")
    return judge_disk(shutil.disk_usage(place.home).free)


def judge_disk(free: int) -> Finding:
    says = f"{free / (1 << 30):,.1f} GiB are free beside the data."
    if free < FULL:
        return error("disk", f"{says} PostgreSQL ends when none is left.", DO)
    return warning("disk", says, DO) if free < NEARLY_FULL else ok("disk", says)
