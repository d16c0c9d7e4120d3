"""A client of the anomaly server: `Client(server, key)`, typed answers, and errors that say what was wrong."""

from anomaly_client.bulk import RowAnswer
from anomaly_client.client import Client
from anomaly_client.errors import (
    ApiError,
    Conflict,
    Fault,
    Gone,
    Invalid,
    NotAllowed,
    NotFound,
    ServerFault,
    TooManyRequests,
    Unreachable,
)
from anomaly_client.shapes import (
    Anomaly,
    Case,
    Explanation,
    NewTransaction,
    Reason,
    ScoredTransaction,
    Transaction,
    Unscored,
    User,
    Verdict,
)
from anomaly_client.stream import Event, Stream

__all__ = [
    "Anomaly",
    "ApiError",
    "Case",
    "Client",
    "Conflict",
    "Event",
    "Explanation",
    "Fault",
    "Gone",
    "Invalid",
    "NewTransaction",
    "NotAllowed",
    "NotFound",
    "Reason",
    "RowAnswer",
    "ScoredTransaction",
    "ServerFault",
    "Stream",
    "TooManyRequests",
    "Transaction",
    "Unreachable",
    "Unscored",
    "User",
    "Verdict",
]
