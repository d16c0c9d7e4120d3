"""The body of a request: JSON and nothing else, read by the same strict reader as every other door."""

from typing import IO, Any

from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser

from anomalies.api.problems import Error, Refused, TooLarge
from transactions.strict_json import BadJson, loads

# meta_data may have 16 KiB, which escapes can triple.
BODY_BYTES = 64 * 1024


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(self, stream: IO[Any], _media_type: object = None, context: Any = None) -> Any:
        packed = context["request"].META.get("HTTP_CONTENT_ENCODING", "identity") if context else "identity"
        if packed.lower() != "identity":
            raise UnsupportedMediaType(packed, "Send the body as it is, without Content-Encoding.")
        body = stream.read(BODY_BYTES + 1)
        if len(body) > BODY_BYTES:
            raise TooLarge(f"The body is larger than {BODY_BYTES // 1024} KiB.")
        try:
            return loads(body)
        except BadJson as fault:
            raise Refused("The body cannot be read.", [Error("", fault.code, fault.detail)]) from None
