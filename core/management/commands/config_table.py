"""``manage.py config_table``: the README's configuration table, made from the options themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

BEGIN, END = "<!-- config:begin -->", "<!-- config:end -->"


def table() -> str:
    """The table in Markdown: a line for each environment variable that the portal reads."""
    lines = ["| Variable | Default | In the demo | What it does |", "|---|---|---|---|"]
    for option in settings.CONFIG_OPTIONS:
        default = "**required**" if option.required else _cell(option.default)
        demo = "" if option.demo is None else _cell(option.demo)
        in_a_file = f" Or `{option.name}_FILE`." if option.secret else ""
        lines.append(f"| `{option.name}` | {default} | {demo} | {option.help}{in_a_file} |")
    return "\n".join(lines) + "\n"


def fill(text: str) -> str:
    """``text`` with the table between its markers. ``ValueError`` where it has no markers."""
    before, found, rest = text.partition(BEGIN)
    _, found_end, after = rest.partition(END)
    if not found or not found_end:
        raise ValueError(f"no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{table()}{END}{after}"


def _cell(value: Any) -> str:
    if value in ("", [], {}):
        return ""
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    return f"`{','.join(value) if isinstance(value, list) else value}`"


class Command(BaseCommand):
    help = "Prints the table of environment variables; --write puts it into a file between its markers."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--write", type=Path, metavar="FILE", help="for example README.md")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path | None = options["write"]
        if path is None:
            self.stdout.write(table(), ending="")
            return
        try:
            path.write_text(fill(path.read_text()))
        except (OSError, ValueError) as error:
            raise CommandError(f"{path}: {error}") from None
