"""A client of the anomaly server: `Client(server, key)`, typed answers, and errors that say what was wrong."""

from anomaly_client.client import Client
from anomaly_client.errors import (
    ApiError,
    Conflict,
    Fault,
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

__all__ = [
    "Anomaly",
    "ApiError",
    "Case",
    "Client",
    "Conflict",
    "Explanation",
    "Fault",
    "Invalid",
    "NewTransaction",
    "NotAllowed",
    "NotFound",
    "Reason",
    "ScoredTransaction",
    "ServerFault",
    "TooManyRequests",
    "Transaction",
    "Unreachable",
    "Unscored",
    "User",
    "Verdict",
]
