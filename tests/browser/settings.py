"""The settings of the tests, on a database of the browser tests' own."""

import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

DATABASES["default"]["NAME"] = os.environ["BROWSER_DATABASE"]
