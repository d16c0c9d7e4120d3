"""The server's application, with less patience: for a test that cannot wait for so long."""

from anomaly_server import pacing
from anomaly_server.wsgi import application

pacing.PATIENCE_S = 0.5
pacing.BYTES_A_SECOND = 1 << 20

__all__ = ["application"]
