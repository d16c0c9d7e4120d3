from django.apps import AppConfig
from django.core.signals import request_started
from django.db import close_old_connections


class AnomalyServerConfig(AppConfig):
    name = "anomaly_server"
    verbose_name = "Anomaly server"

    def ready(self) -> None:
        # Models can be imported only now.
        from anomaly_server import audit_log

        audit_log.listen()
        # The end of each request has looked for what its beginning would look for once more.
        request_started.disconnect(close_old_connections)
