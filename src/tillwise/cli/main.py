"""The `tillwise` command. Exit codes: 0 done, 1 refused or failed with one clear line, 2 wrong usage."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from tillwise.errors import TillwiseError

OWN_FILES: Final = frozenset(
    {"tillwise.db", "tillwise.db-wal", "tillwise.db-shm", "secrets.toml", "tillwise.toml", "shop.py", "vendors.toml",
     "rules.toml"}
)  # fmt: skip
"""What a shop's folder lives on."""
COMMANDS: Final = {
    "init": "tillwise.cli.init",
    "import": "tillwise.cli.importing",
    "quarantine": "tillwise.cli.quarantine",
    "train": "tillwise.cli.learn",
    "evaluate": "tillwise.cli.learn",
    "score": "tillwise.cli.learn",
    "serve": "tillwise.cli.serve",
    "releases": "tillwise.cli.release",
    "release": "tillwise.cli.release",
    "rollback": "tillwise.cli.release",
    "review": "tillwise.cli.review",
    "consent": "tillwise.cli.consent",
    "privacy": "tillwise.cli.privacy",
    "inventory": "tillwise.cli.inventory",
    "notice": "tillwise.cli.notice",
    "ropa": "tillwise.cli.ropa",
    "retention": "tillwise.cli.retention",
    "audit": "tillwise.cli.audit",
    "features": "tillwise.cli.features",
    "keys": "tillwise.cli.keys",
    "people": "tillwise.cli.people",
    "grants": "tillwise.cli.grants",
    "access": "tillwise.cli.access",
    "work": "tillwise.cli.work",
    "replay": "tillwise.cli.replay",
    "recipients": "tillwise.cli.recipients",
    "doctor": "tillwise.cli.doctor",
    "demo": "tillwise.cli.demo",
}
"""Command → module; a module is imported only when its command is asked for, so that `serve` starts fast."""


class Commands(click.Group):
    """The table of commands above."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name]), f"{cmd_name}_command")
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="tillwise")
def cli() -> None:
    """The machine-learned decisions of an online shop, with permission, reasons and proof on the road."""


class OutFile(click.Path):
    """A file to write: any but one of a shop's own, which nobody could bring back."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(str(super().convert(value, param, ctx)))
        if path.resolve().name in OWN_FILES:
            self.fail(f"{path} is a file of the shop itself: name another", param, ctx)
        return path


def shop_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--shop DIR`, which every command has."""
    return click.option(
        "--shop",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(),
        help="The shop's folder (default: the current one).",
    )(command)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json`, and turn tillwise's errors into one clear line and exit code 1."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except TillwiseError as error:
            raise click.ClickException(str(error)) from error

    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of tables.")(run)


def main() -> None:
    """Run the command line."""
    cli()
