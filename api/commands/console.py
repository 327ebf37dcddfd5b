"""How commands speak: progress and messages on standard error, results on standard output."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from geo.errors import GridcircleError

EXIT_FAILED = 1
"""Something is wrong with the input or the machine; nothing was written."""
EXIT_REJECTED = 3
"""Done, but some rows were rejected and wait in the reject file."""
EXIT_RULE_BROKEN = 4
"""Done and written, but a hard rule of the plan cannot be kept everywhere."""

_messages = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Print one line for people, on standard error."""
    _messages.print(text, markup=False)


def warn(text: str) -> None:
    """Print one warning for people, on standard error."""
    _messages.print(f"Warning: {text}", style="yellow", markup=False)


def show(result: dict[str, Any], *, text: str, as_json: bool) -> None:
    """Print the result of a command on standard output: a sentence, or JSON for machines."""
    if as_json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False, default=str) + "\n")
    else:
        sys.stdout.write(text.rstrip("\n") + "\n")


@contextmanager
def errors_for_people(*, as_json: bool = False) -> Iterator[None]:
    """Turn an error of ours into a message with its remedy and exit code 1."""
    try:
        yield
    except GridcircleError as error:
        if as_json:
            payload = {
                "error": type(error).__name__,
                "message": str(error),
                "remedy": error.remedy,
            }
            sys.stdout.write(json.dumps(payload, ensure_ascii=False) + "\n")
        _messages.print(f"Error: {error}", style="bold red", markup=False)
        if error.remedy:
            _messages.print(f"  {error.remedy}", markup=False)
        raise typer.Exit(EXIT_FAILED) from error


class Stages:
    """Progress of a command: a bar on a terminal, a line a stage elsewhere."""

    def __init__(self) -> None:
        self._stage = ""
        self._started = time.monotonic()
        self._bar: Progress | None = None
        self._task: Any = None
        if _messages.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TimeElapsedColumn(),
                console=_messages,
                transient=True,
            )
            self._bar.start()

    def __call__(self, stage: str, share: float) -> None:
        """Report that ``stage`` is done to ``share`` (0 to 1)."""
        if stage != self._stage:
            self._stage = stage
            if self._bar is None:
                say(f"  {time.monotonic() - self._started:6.1f} s  {stage}")
            else:
                if self._task is not None:
                    self._bar.remove_task(self._task)
                self._task = self._bar.add_task(stage, total=1.0)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=share)

    def close(self) -> None:
        """Take the bar off the screen."""
        if self._bar is not None:
            self._bar.stop()


@contextmanager
def stages() -> Iterator[Stages]:
    """Show progress while the block runs."""
    shown = Stages()
    try:
        yield shown
    finally:
        shown.close()
