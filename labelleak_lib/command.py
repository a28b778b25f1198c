"""The console command `labelleak`: one verb a task; each verb's module parses the options that follow it."""

import argparse
import contextlib
import difflib
import functools
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from typing import NoReturn, ParamSpec

from labelleak_lib import __version__
from labelleak_lib.checks import one_line

P = ParamSpec("P")
# Modules are named, not imported: `labelleak --help` answers at once.
VERBS = {
    "audit": ("labelleak_lib.audit.command", "say which classes a model behaves as if it had hardly ever seen"),
    "book": ("labelleak_lib.authoring.chapters", "execute the notebooks into the book's chapters"),
    "pages": ("labelleak_lib.authoring.pages", "write the book's pages that are generated from records"),
    "sweep": ("labelleak_lib.trials.engine", "run the trials of a data set and store their records"),
    "verify": ("labelleak_lib.trials.verify", "run a random sample of committed trials again and compare"),
}
HELP = """usage: labelleak VERB [options]

Label leakage in machine unlearning: the book, and the long runs behind it.

{verbs}

labelleak VERB --help lists the options of a verb; labelleak --version prints the version."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that is spelt most like `word`.

    Examples
    --------
    >>> nearest("tirals", ["dataset", "seed", "trials"])
    'trials'
    """
    return difflib.get_close_matches(word, list(known), n=1, cutoff=0)[0]


def one_sentence(main: Callable[P, int]) -> Callable[P, int]:
    """Have a verb's `main` answer bad input, or a file it cannot use, with one sentence and exit status 2.

    An interrupt from the keyboard, or a request to end (SIGTERM), is one sentence and exit status 130.
    """

    @functools.wraps(main)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            with _ending_like_an_interrupt():
                return main(*args, **kwargs)
        except KeyboardInterrupt:
            print("interrupted: what is stored is whole, and the same command goes on with the rest", file=sys.stderr)
            return 130
        except (ValueError, OSError) as error:
            print(f"error: {one_line(error)}", file=sys.stderr)
            return 2

    return guarded


@contextlib.contextmanager
def _ending_like_an_interrupt() -> Iterator[None]:
    """Have SIGTERM, by which schedulers and containers end a process, unwind as Ctrl-C does: no half-written draft."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Parser(argparse.ArgumentParser):
    """Parses a verb's options; bad input is one sentence and exit status 2, and names the nearest known option."""

    def error(self, message: str) -> NoReturn:
        """Print `message` on standard error and leave with status 2."""
        unknown = re.match(r"unrecognized arguments: (-[^\s=]+)", message)
        if unknown:
            known = re.findall(r"--[\w-]+", self.format_usage())
            message = f"{unknown[1]} is not an option of {self.prog}; the nearest is {nearest(unknown[1], known)}"
        self.exit(2, f"error: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb that a command line begins with and return the exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line, `sys.argv[1:]` by default.

    Returns
    -------
    int
        What the verb returns: 0, or 1 where something is amiss; 2 for bad input, after one sentence.
    """
    verb, *options = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if verb in ("-h", "--help"):
        print(HELP.format(verbs="\n".join(f"  {name:8}{summary}" for name, (_, summary) in VERBS.items())))
    elif verb == "--version":
        print(f"labelleak {__version__}")
    elif verb in VERBS:
        return int(import_module(VERBS[verb][0]).main(options))
    else:
        print(f"error: {verb} is not a verb of labelleak; the nearest is {nearest(verb, VERBS)}", file=sys.stderr)
        return 2
    return 0


def numbers(text: str) -> list[float]:
    """Return the numbers of a list with commas.

    >>> numbers("0.5,1")
    [0.5, 1.0]
    """
    return [float(part) for part in text.split(",")]


def lengths(text: str) -> tuple[int, ...]:
    """Return the lengths of a list with commas.

    >>> lengths("3,32,32"), lengths("20")
    ((3, 32, 32), (20,))
    """
    return tuple(int(part) for part in text.split(","))
