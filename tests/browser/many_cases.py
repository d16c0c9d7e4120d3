"""python -m tests.browser.many_cases NUMBER: so many cases of one anomaly each, the least urgent, in XTS."""

import sys

import django


def main(number: int) -> None:
    from anomalies.models import Case
    from tests.anomalies import many

    Case.objects.filter(pk__in=many.cases(number, anomalies=1)).update(priority=0.5, currency="XTS")


if __name__ == "__main__":
    django.setup()
    main(int(sys.argv[1]))
