"""`wayfarer label`.

People label episodes, by options or by keys while the episodes play in the terminal.
"""

import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text
from wayfarer_bags.bag import read_episode
from wayfarer_bags.episode import Episode
from wayfarer_bags.labels import Label, read_labels, write_label
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_common.terminal import Terminal, keys_of_terminal

from wayfarer_cli.label.picture import picture

_FRAME = 0.08  # s for each picture
_MOST = 60  # pictures of an episode at most
_HELP = "y success · n failure · u neither · t a note · Enter next · b back · q end"
_JUDGED = {"y": True, "n": False, "u": None}
_ENTER = ("\n", "\r")
_MEANT = (*_JUDGED, "t", "b", "q", *_ENTER)


class _Keys:
    """A terminal's keys one after the other, however fast they come."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal, self._waiting = terminal, ""

    def next(self, timeout: float) -> str:
        """Return the next key, or "" if none comes in time [s]."""
        if not self._waiting:
            self._waiting = self._terminal.read(timeout)
        key, self._waiting = self._waiting[:1], self._waiting[1:]
        return key


def label_one(run: Path, episode: int, said: dict[str, Any]) -> str:
    """Write a label; return the whole label of the episode in words."""
    return f"episode {episode}: {_words(write_label(run, episode, **said))}"


def label_by_keys(run: Path, first: int) -> None:
    """Play episode after episode, from number `first` on, and write the labels of the keys.

    ConfigError for a run without that episode, or if there is no terminal.
    """
    opened = RunDirectory(run)
    opened.require(first)
    files = opened.episodes()
    numbers, console = list(files), Console()
    place = numbers.index(first)
    with keys_of_terminal() as terminal:
        keys = _Keys(terminal)
        while 0 <= place < len(numbers):
            number = numbers[place]
            key = _ask(
                keys, console, read_episode(files[number]), read_labels(run).get(number, Label())
            )
            if key in _JUDGED:
                write_label(run, number, success=_JUDGED[key])
            elif key == "t":
                write_label(run, number, note=_typed(keys, console))
                continue  # the same episode again: it may be judged, too
            elif key == "q":
                return

            place += -1 if key == "b" and place > 0 else 0 if key == "b" else 1


def _ask(keys: _Keys, console: Console, episode: Episode, label: Label) -> str:
    """Play an episode again and again until a valid key is pressed; return the key."""
    info = episode.info
    head = (
        f"episode {info.number}: {episode.steps} steps, {info.end.name.lower()} ({info.reason}); "
        f"{_words(label)}"
    )
    with Live(console=console, transient=True, auto_refresh=False) as live:
        for step, drawn in _played(episode):
            live.update(Group(Text(f"{head}\n{_HELP}\nobservation {step}"), drawn), refresh=True)
            until = time.monotonic() + _FRAME
            while (left := until - time.monotonic()) > 0:
                key = keys.next(left)
                if key in _MEANT:
                    return key

    return "\n"


def _played(episode: Episode) -> Iterator[tuple[int, Text]]:
    seen = np.flatnonzero(episode.seen)
    if not len(seen):
        yield from cycle([(0, Text("no picture"))])
    chosen = np.unique(np.linspace(0, len(seen) - 1, min(len(seen), _MOST)).astype(int))
    yield from cycle([(int(seen[k]), picture(episode.images[seen[k]])) for k in chosen])


def _typed(keys: _Keys, console: Console) -> str:
    """Read a line from the person."""
    console.print("note: ", end="")
    written = ""
    while True:
        key = keys.next(1.0)
        if key in _ENTER:
            console.print()
            return written

        if key in ("\x7f", "\b"):
            written = written[:-1]
            console.print("\b \b", end="")
        elif key and key.isprintable():
            written += key
            console.print(key, end="", markup=False, highlight=False)


def _words(label: Label) -> str:
    judged = {True: "success", False: "failure", None: "not judged"}[label.success]
    return f"{judged}, note: {label.note}" if label.note else judged
