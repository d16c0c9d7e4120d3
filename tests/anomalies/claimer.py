"""python -m tests.anomalies.claimer NAME...: analysts who take case after case, from the first line of input on."""

import sys
from threading import Thread

import django


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def take_all(name: str) -> None:
    from django.contrib.auth.models import User
    from django.db import connection

    from anomalies import handing

    by = User.objects.get(username=name)
    while case_id := handing.next_case(by):
        say(str(case_id))
    connection.close()


if __name__ == "__main__":
    django.setup()
    say("ready")
    sys.stdin.readline()
    for name in sys.argv[1:]:
        Thread(target=take_all, args=(name,)).start()
