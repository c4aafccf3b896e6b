"""A tree of commands whose modules are loaded when one of them is run, so that `moretta --help` need not load them all.

Belongs here: the loading. Does not belong here: which commands there are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command is: an attribute of a module, a function or a `typer.Typer`. `help` is its first line."""

    module: str
    attribute: str
    help: str


class _Loading(Mapping[str, Any]):
    """The commands by name, each loaded when it is looked at."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = entries

    def __getitem__(self, name: str) -> Any:
        entry = self._entries[name]
        found = getattr(import_module(entry.module), entry.attribute)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            alone.command(name)(found)
            found = alone
        command = get_command(found)
        command.name = name
        return command

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


class LazyGroup(TyperGroup):
    """A group of `entries`, which a subclass names."""

    entries: ClassVar[Mapping[str, Entry]] = {}

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = cast(Any, _Loading(self.entries))
        self._listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in the order of `entries`."""
        return list(self.entries)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command; for a list of all, what is told of it there."""
        if cmd_name not in self.entries:
            return None
        if self._listing:
            return TyperCommand(cmd_name, help=self.entries[cmd_name].help)
        return self.commands[cmd_name]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Tell of all commands without loading one."""
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False
