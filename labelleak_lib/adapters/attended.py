"""Other people's code while it runs: what it prints, how long it takes, and Ctrl-C."""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, TextIO

LINES = 100
"""Printed lines that are let through."""
FIRST = 20.0
"""Seconds after which it is said that code is still running; and after twice as many, and again."""


class FirstLines:
    """The standard output, of which the first `lines` lines come through and the others are counted."""

    def __init__(self, stream: TextIO, lines: int = LINES) -> None:
        self._stream, self._lines, self.seen = stream, lines, 0

    def write(self, text: str) -> int:
        """Write the part of `text` that belongs to the first lines."""
        shown = "".join(text.splitlines(keepends=True)[: max(0, self._lines - self.seen)])
        self.seen += text.count("\n")
        self._stream.write(shown)
        return len(text)

    @property
    def more(self) -> int:
        """Number of lines that were left out."""
        return max(0, self.seen - self._lines)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def first_lines(name: str, lines: int = LINES) -> Iterator[None]:
    """Let the first lines that `name` prints through, and say at the end how many more there were.

    >>> with first_lines("a method", lines=1):
    ...     print(*["epoch"] * 3, sep=chr(10))
    epoch
    (a method printed 2 more lines)
    """
    shown = FirstLines(sys.stdout, lines)
    with contextlib.redirect_stdout(shown):
        yield
    if shown.more:
        print(f"({name} printed {shown.more:,} more lines)")


@contextlib.contextmanager
def attended(name: str) -> Iterator[None]:
    """Run code called `name`: its first lines are shown, long runs told of, and a Ctrl-C that it swallows is not lost.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C was pressed, whatever the code made of it: it did not run to its end.
    """
    done, pressed = threading.Event(), []
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: Any) -> None:
        pressed.append(number)
        if callable(before):
            before(number, frame)

    teller = threading.Thread(target=_tell, args=(name, done, sys.stderr), daemon=True)
    if main and callable(before):
        signal.signal(signal.SIGINT, note)
    teller.start()
    try:
        with first_lines(name):
            yield
    finally:
        done.set()
        teller.join()
        if main and callable(before):
            signal.signal(signal.SIGINT, before)
        if pressed:
            raise KeyboardInterrupt


def _tell(name: str, done: threading.Event, stream: TextIO) -> None:
    start, pause = time.monotonic(), FIRST
    while not done.wait(start + pause - time.monotonic()):
        print(f"{name} has run for {pause:.0f} s", file=stream, flush=True)
        pause *= 2
