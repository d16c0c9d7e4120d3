"""What must be read again and may not be read in a copy of the database: sealed by a key that SECRET_KEY gives.

The key is not SECRET_KEY itself, so that what is sealed tells nothing of what is signed with it. After SECRET_KEY has
changed, SECRET_KEY_FALLBACKS still open what was sealed before.
"""

from base64 import urlsafe_b64encode
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

# Another one makes another key: nothing that is sealed could be opened any more. Migrations have it too.
PURPOSE = b"anomaly-server: sealed in the database"


class SealError(ValueError):
    """It cannot be opened; the text is a sentence for people."""

    def __init__(self) -> None:
        super().__init__("It was sealed with a SECRET_KEY that is neither the present one nor in SECRET_KEY_FALLBACKS.")


def seal(text: str) -> str:
    """The text, sealed and protected against change; another one each time."""
    return _keys().encrypt(text.encode()).decode()


def opened(sealed: str) -> str:
    """The text that was sealed. Raises SealError."""
    try:
        return _keys().decrypt(sealed).decode()
    except InvalidToken:
        raise SealError from None


def is_of_present_key(sealed: str) -> bool:
    try:
        _fernet(settings.SECRET_KEY).decrypt(sealed)
    except InvalidToken:
        return False
    return True


def _keys() -> MultiFernet:
    return MultiFernet([_fernet(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


@lru_cache
def _fernet(secret_key: str) -> Fernet:
    derived = HKDF(SHA256(), length=32, salt=None, info=PURPOSE).derive(secret_key.encode())
    return Fernet(urlsafe_b64encode(derived))
