"""Class names as text: their order, and how a table writes them."""

import re
from collections.abc import Iterable
from decimal import Decimal

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|$~&^-])")
LONGEST = 200
"""Characters of a class name at most."""


def in_order(names: Iterable[str]) -> list[str]:
    """Return the distinct `names` in the order in which classes are numbered: as people count.

    Numbers by their value where all names are numbers; otherwise by their text, numbers in it counting as numbers.

    >>> in_order(["10", "2", "1.5", "1.25"]), in_order(["b", "a10", "a2"])
    (['1.25', '1.5', '2', '10'], ['a2', 'a10', 'b'])
    """
    distinct = set(names)
    if all(_NUMBER.fullmatch(name) for name in distinct):
        return sorted(distinct, key=lambda name: (Decimal(name), name))
    return sorted(distinct, key=lambda name: (_parts(name), name))


def _parts(name: str) -> list[tuple[int, Decimal, str]]:
    pieces = re.split(r"([0-9]+)", name)
    return [(0, Decimal(p), "") if p.isdecimal() else (1, Decimal(0), p) for p in pieces if p]


def escaped(name: str) -> str:
    r"""Return a name as Markdown that shows it letter by letter, also in a table; line breaks and the like as signs.

    >>> print(escaped("a|b $x$ *c*\n"))
    a\|b \$x\$ \*c\*␊
    """
    return _SPECIAL.sub(r"\\\1", visible(name))


def visible(name: str) -> str:
    r"""Return a name on one line, each control character as the sign that stands for it.

    >>> visible("two\nlines")
    'two␊lines'
    """
    return "".join(chr(0x2400 + ord(c)) if ord(c) < 32 else "␡" if ord(c) == 127 else c for c in name)
