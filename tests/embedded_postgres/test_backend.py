"""What Django makes of the backend: the pool, and how much asking for the server costs."""

from pathlib import Path

from tests.embedded_postgres import children

# One process with Django's pool, whose server is killed between two queries.
WITH_A_POOL = """
import os, django, time
django.setup()
from django.db import connection
from anomaly_server.embedded_postgres import base

def ask():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        answer = cursor.fetchone()
    connection.close()
    return answer

assert ask() == (1,)
assert connection.pool is not None
found = base.running()
found.process.kill()
while found.is_unchanged():
    time.sleep(0.001)
assert ask() == (1,)
assert base.running().pid != found.pid

began = time.process_time()
for _ in range(1000):
    base.running()
print((time.process_time() - began) * 1000)
"""


def test_the_first_query_after_a_crash_succeeds_though_the_pool_is_broken(home: Path) -> None:
    environment = children.environment(home, DJANGO_SETTINGS_MODULE="anomaly_server.settings")
    code, out, err = children.finish(children.python(WITH_A_POOL, env=environment))
    assert code == 0, err
    # Microseconds of this process for a connection.
    assert float(out) < 500
