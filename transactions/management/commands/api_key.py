"""`manage.py api_key`: make, list, exchange and revoke keys of the API."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from transactions import keys
from transactions.models import ApiKey
from transactions.scopes import ALL, READ

NAME_CHARACTERS = 50


class Command(BaseCommand):
    help = "Make, list, exchange and revoke keys of the API. A new key is printed once and stored only as a hash."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make a key and print it")
        create.add_argument("--user", required=True, help="user name of its owner")
        create.add_argument("--name", required=True, help="what the key is for, at most 50 characters")
        create.add_argument(
            "--scope",
            action="append",
            choices=ALL,
            metavar="SCOPE",
            help=f"what it may do, once for each: {', '.join(ALL)} (default: everything that reads)",
        )
        create.add_argument("--write", action="store_true", help="it may do everything")
        create.add_argument("--days", type=int, help="it expires after so many days (default: never)")
        create.add_argument("--rate", type=int, help="requests a minute, 0 for no limit (default: API_RATE_LIMIT)")
        actions.add_parser("list", help="list the keys, the newest first")
        rotate = actions.add_parser("rotate", help="make a new key like it and print it; the old one ends later")
        rotate.add_argument("prefix", help="the old key's first eight characters")
        rotate.add_argument("--hours", type=int, default=24, help="how long both are valid (default: 24)")
        revoke = actions.add_parser("revoke", help="revoke a key, from the next request on")
        revoke.add_argument("prefix", help="the key's first eight characters")

    def handle(self, *_: Any, **options: Any) -> None:
        getattr(self, options["action"])(options)

    def create(self, options: dict[str, Any]) -> None:
        owner = get_user_model().objects.filter(username=options["user"]).first()
        if owner is None:
            raise CommandError(f"There is no user {options['user']!r}: `manage.py createsuperuser` makes one.")
        if not 0 < len(options["name"]) <= NAME_CHARACTERS:
            raise CommandError(f"A name has 1 to {NAME_CHARACTERS} characters: give the key another one.")
        days = options["days"]
        if days is not None and not 0 < days <= 36_500:
            raise CommandError("--days is a number of days from 1 to 36500.")
        expires = None if days is None else timezone.now() + timedelta(days=days)
        if options["rate"] is not None and not 0 <= options["rate"] < 2**31:
            raise CommandError("--rate is a number of requests a minute, 0 for no limit.")
        scopes = ALL if options["write"] else options["scope"] or READ
        _, text = keys.create(
            owner=owner, name=options["name"], scopes=scopes, expires=expires, rate_limit=options["rate"]
        )
        self._show(text)

    def list(self, _options: dict[str, Any]) -> None:
        for key in ApiKey.objects.select_related("owner"):
            rights = " ".join(key.scopes) or "nothing"
            until = f"until {key.expiry_date:%Y-%m-%d %H:%M} UTC" if key.expiry_date else "without end"
            state = "revoked" if key.revoked else until
            used = f"used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
            self.stdout.write(f"{key.prefix}  {key.name}, of {key.owner}: {rights}; {state}; {used}")

    def rotate(self, options: dict[str, Any]) -> None:
        if not 0 <= options["hours"] <= 8_760:
            raise CommandError("--hours is a number of hours from 0 to 8760.")
        try:
            _, text = keys.rotate(options["prefix"], overlap=timedelta(hours=options["hours"]))
        except keys.NotValid:
            raise CommandError(f"No key that is still valid starts with {options['prefix']!r}.") from None
        self._show(text)

    def revoke(self, options: dict[str, Any]) -> None:
        if not keys.revoke(options["prefix"]):
            raise CommandError(f"No key that is still valid starts with {options['prefix']!r}.")
        self.stdout.write("Revoked.")

    def _show(self, text: str) -> None:
        self.stderr.write("Copy the key now: it is not shown again.")
        self.stdout.write(text)
