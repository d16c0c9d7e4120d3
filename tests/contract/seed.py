"""python -m tests.contract.seed: make one of everything that the API shows, and print the ids and a key as JSON."""

import json
from datetime import timedelta

import django


def everything() -> dict[str, str]:
    from tests.api import used_key
    from tests.factories import START, AnomalyFactory, CaseFactory, TransactionFactory, VerdictFactory
    from transactions import scopes

    case = CaseFactory(anomaly_count=1)
    CaseFactory.create_batch(3)
    anomaly = AnomalyFactory(case=case, transaction__user_id=case.user_id)
    TransactionFactory.create_batch(8, user_id=case.user_id, txn_date=START - timedelta(days=1))
    VerdictFactory(transaction=anomaly.transaction)
    ids = {"case": case.pk, "transaction": anomaly.pk, "user": case.user_id}
    return {**{name: str(value) for name, value in ids.items()}, "key": used_key(*scopes.ALL)}


if __name__ == "__main__":
    django.setup()
    print(json.dumps(everything()))  # noqa: T201
