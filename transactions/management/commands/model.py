"""`manage.py model`: list, add, promote and retire the models that weigh the groups of evidence."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Max

import scoring
from anomalies import model_versions
from anomalies.model_versions import ModelError, weights_told
from anomalies.models import ModelVersion
from transactions import promotion, strict_json
from transactions.instants import EPOCH


class Command(BaseCommand):
    help = (
        "A model gives each group of evidence a weight. A new one is in shadow: `manage.py evaluate` measures it "
        "beside the live one. `promote` puts it live, for the payments from then on. Models never change."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        shown = actions.add_parser("list", help="list the models, the oldest first")
        add = actions.add_parser("add", help="make a model, in shadow")
        add.add_argument("name", metavar="NAME")
        add.add_argument(
            "--weights",
            default="{}",
            metavar="JSON",
            help='from 0 to 10 by group, such as {"hour": 0.5}; a group that is missing counts 1. '
            f"The groups: {', '.join(scoring.GROUPS)}",
        )
        promote = actions.add_parser("promote", help="put a model live instead of the one that is; that one retires")
        promote.add_argument("name", metavar="NAME")
        retire = actions.add_parser("retire", help="put a model in shadow away for good")
        retire.add_argument("name", metavar="NAME")
        for one in (shown, add, promote, retire):
            one.add_argument("--json", action="store_true", help="print JSON: an array of models, or the one model")

    def handle(self, **options: Any) -> None:
        try:
            getattr(self, options["action"])(options)
        except ModelError as error:
            raise CommandError(str(error)) from error

    def list(self, options: dict[str, Any]) -> None:
        models = ModelVersion.objects.annotate(until=Max("references__until")).order_by("created_at", "id")
        if options["json"]:
            self.stdout.write(json.dumps([_as_json(model) for model in models]))
            return
        for model in models:
            until = f"newest reference {model.until:%Y-%m-%d}" if model.until else "no reference"
            self.stdout.write(f"{model.name}  {model.state}, {_since(model)}, {until}; weights {weights_told(model)}")

    def add(self, options: dict[str, Any]) -> None:
        try:
            weights = strict_json.loads(options["weights"])
        except strict_json.BadJson as bad:
            raise CommandError(f"--weights: {bad}", returncode=2) from bad
        model = model_versions.add(options["name"], weights, by=None)
        self._tell(model, f"Made {model.name}, in shadow; weights {weights_told(model)}.", options)

    def promote(self, options: dict[str, Any]) -> None:
        model = promotion.promote(options["name"], by=None)
        self._tell(model, f"{model.name} is live: it scores payments {_since(model)} on.", options)

    def retire(self, options: dict[str, Any]) -> None:
        model = model_versions.retire(options["name"], by=None)
        self._tell(model, f"{model.name} is retired.", options)

    def _tell(self, model: ModelVersion, sentence: str, options: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(_as_json(model)) if options["json"] else sentence)


def _since(model: ModelVersion) -> str:
    if model.live_from is None:
        return "never live"
    if model.live_from.year == EPOCH.year:
        return "from the first"
    return f"from {model.live_from:%Y-%m-%d %H:%M:%S} UTC"


def _as_json(model: ModelVersion) -> dict[str, Any]:
    return {
        "id": str(model.pk),
        "name": model.name,
        "state": model.state,
        "weights": model.weights,
        "live_from": model.live_from and model.live_from.isoformat(),
    }
