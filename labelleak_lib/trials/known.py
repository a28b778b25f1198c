"""What stores hold of a grid already, and what of it is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from labelleak_lib.trials.grid import Wanted
from labelleak_lib.trials.store import Stored


class Known(NamedTuple):
    """What stores hold: evidence by (model, its weights), and (model, weights, weights of M_o) of every M_u.

    Weights count, since the same recipe ends in other weights on another kind of processor.
    """

    evidence: dict[tuple[str, str], frozenset[str]]
    models: frozenset[tuple[str, str, str]]

    @classmethod
    def of(cls, *stored: Stored) -> Known:
        """Return what the stores hold together."""
        evidence: dict[tuple[str, str], set[str]] = {}
        models: set[tuple[str, str, str]] = set()
        for part in stored:
            for model, weights, digest in part.evidence[["model", "weights", "evidence"]].itertuples(index=False):
                evidence.setdefault((model, weights), set()).add(digest)
            models |= set(part.models[["model", "weights", "original_weights"]].itertuples(index=False, name=None))
        return cls({key: frozenset(held) for key, held in evidence.items()}, frozenset(models))

    def found(self, cell: Wanted, original_weights: str) -> str | None:
        """Return the weights of an M_u of the cell, unlearned from this M_o, of which everything wanted is known."""
        if not cell.on_original <= self.evidence.get((cell.original, original_weights), frozenset()):
            return None
        for model, weights, before in self.models:
            same = (model, before) == (cell.model, original_weights)
            if same and cell.on_model <= self.evidence.get((model, weights), frozenset()):
                return weights
        return None

    def complete(self, cells: Sequence[Wanted]) -> dict[str, str]:
        """Return the weights of M_o, and of every M_u by its identity, from which all `cells` of one M_o are known.

        Empty where something is missing.
        """
        original = cells[0].original
        for weights in (held for model, held, _ in sorted(self.models) if model == original):
            found = {cell.model: self.found(cell, weights) for cell in cells}
            if None not in found.values():
                return {original: weights} | {model: held for model, held in found.items() if held is not None}
        return {}


NOTHING = Known({}, frozenset())
