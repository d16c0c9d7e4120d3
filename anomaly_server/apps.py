from django.apps import AppConfig


class AnomalyServerConfig(AppConfig):
    name = "anomaly_server"
    verbose_name = "Anomaly server"

    def ready(self) -> None:
        # Models can be imported only now.
        from anomaly_server import audit_log

        audit_log.listen()
