from django.apps import AppConfig


class AnomalyServerConfig(AppConfig):
    name = "anomaly_server"
    verbose_name = "Anomaly server"
