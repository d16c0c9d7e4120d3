"""The alert budget: the threshold that gives analysts as many new cases a day as they can take."""

from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection

QUERY = (Path(__file__).parent / "sql" / "alert_threshold.sql").read_text()

WINDOW = timedelta(days=14)
# One in a thousand transactions: until a day of anomalies has been seen, nobody knows what is too many.
WITHOUT_PAST = 60.0
SHORTEST_PAST_DAYS = 1.0


def threshold(now: datetime) -> float:
    """The score that settings.ALERT_BUDGET cases a day reached over the 14 days before `now`.

    A case is reckoned for each user and day with an anomaly, at its highest score; the truth is a little
    lower, because one case may last for days. Never below settings.ANOMALY_FLOOR; WITHOUT_PAST as long as
    the anomalies reach back less than a day. One query over the index on anomalies' dates, so a run asks
    once and a server now and then, not for every row. For past data, `now` is its newest instant.
    """
    with connection.cursor() as cursor:
        cursor.execute(QUERY, {"since": now - WINDOW, "until": now, "budget": settings.ALERT_BUDGET})
        days, peak = cursor.fetchone()
    if days is None or days < SHORTEST_PAST_DAYS:
        return WITHOUT_PAST
    return max(float(settings.ANOMALY_FLOOR), peak or 0.0)
