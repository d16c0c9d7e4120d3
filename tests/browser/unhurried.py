"""The server's application, on which a verdict can be undone for longer: a busy browser takes its time."""

from datetime import timedelta

from anomaly_server.wsgi import application  # isort: skip, before it there are no models
from anomalies import handing

handing.UNDO = handing.UNDO_TAKEN = timedelta(minutes=10)

__all__ = ["application"]
