"""What an endpoint is sent: a body, and headers that prove from whom it is, after standardwebhooks.com."""

import base64
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from standardwebhooks import Webhook

SECRET_BYTES = 32
PREFIX = "whsec_"
USER_AGENT = "anomaly-server"


class Message(NamedTuple):
    """An event as it is told; the id is the same whenever and to whomever it is told."""

    id: str
    body: str


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def masked(secret: str) -> str:
    """What may be shown of a secret: enough to tell it from another one."""
    return f"{PREFIX}…{secret[-5:]}"


def message(event_id: object, kind: str, at: datetime, data: str) -> Message:
    """`data` is JSON already."""
    instant = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return Message(f"evt_{event_id}", f'{{"type":"{kind}","timestamp":"{instant}","data":{data}}}')


def headers(message: Message, now: datetime, keys: Sequence[str]) -> dict[str, str]:
    """The headers of an attempt made now, with a signature by each of the secrets."""
    signatures = [Webhook(key).sign(message.id, now, message.body) for key in keys]
    return {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "Webhook-Id": message.id,
        "Webhook-Timestamp": str(int(now.timestamp())),
        "Webhook-Signature": " ".join(signatures),
    }
