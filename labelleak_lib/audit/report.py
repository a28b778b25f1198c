"""What an audit found, for people and for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from labelleak_lib.audit import html, strip
from labelleak_lib.audit.null import Comparison
from labelleak_lib.audit.racing import Found
from labelleak_lib.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

JSON_VERSION = 1
SCHEMA = Path(__file__).with_name("report.schema.json")
SILENCE = (
    "It does not show that nothing was forgotten: unlearning that leaves a class within reach, such as a short "
    "gradient ascent, goes unseen."
)


@dataclass(frozen=True, eq=False)
class AuditReport:
    """The result of `labelleak_lib.audit`.

    Parameters
    ----------
    verdict : str
        What was found, in sentences.
    forgotten : frozenset of int
        Classes that the model behaves as if it had hardly ever seen; empty where none stands out or no verdict is
        given.
    p_value : float
        Of "nothing was forgotten": the rank of the target's lowest class among never-unlearned models; NaN where no
        verdict is given.
    classes : DataFrame
        One line a class: ``class name reach relative_reach answered p_value verdict``, and ``accuracy`` where there
        were samples. Reach is in nats, of labels alone in answers; `answered` counts random inputs. Where a last layer
        was found also ``head_bias head_row_sum``, and with samples of every class ``dot_product difference``: the
        higher, the more forgotten. They decide nothing, since they differ between the classes of any model.
    flags : tuple of str
        What looks broken, and where the rule was not measured.
    queries : int
        Inputs that the model was asked about, samples among them.
    seconds : float
        Wall time.
    null : Comparison
        The never-unlearned models that it was compared with.
    status : {"complete", "interrupted", "budget spent"}
        How the search ended.
    labels_only : bool
        Whether labels alone were read.
    level : float
        The level at which classes were named.
    reproduce : dict
        ``call``, ``seed`` and ``versions``.
    leaks : DataFrame, optional
        What each reading says of the target and of its original, judged by the truth, where both were given; see
        `audit.leaks.table`.
    """

    verdict: str
    forgotten: frozenset[int]
    p_value: float
    classes: pd.DataFrame
    flags: tuple[str, ...]
    queries: int
    seconds: float
    null: Comparison
    status: str
    labels_only: bool
    level: float
    reproduce: dict[str, Any]
    leaks: pd.DataFrame | None = None

    def __repr__(self) -> str:
        return f"<AuditReport: {self.verdict}>"

    def __str__(self) -> str:
        lines = [self.verdict, "", self.classes.to_string(index=False, float_format="{:.3g}".format), ""]
        lines += [f'p-value of "nothing was forgotten": {self._p()}', self.null.sentence()]
        lines += [f"flag: {flag}" for flag in self.flags]
        if self.leaks is not None:
            written = dict.fromkeys(("named", "accused"), _classes)
            lines += ["", self.leaks.to_string(index=False, float_format="{:.3g}".format, formatters=written)]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as it stands in JSON (see `audit/report.schema.json`)."""
        low, high = self.null.interval
        null = {
            "models": len(self.null), "alarms": self.null.alarms, "rate_low": low, "rate_high": high,
            "datasets": list(self.null.datasets), "architectures": list(self.null.architectures),
            "classes": sorted(set(self.null.classes.tolist())), "sentence": self.null.sentence(),
        }  # fmt: skip
        return {
            "version": JSON_VERSION, "verdict": self.verdict, "forgotten": sorted(self.forgotten),
            "p_value": _finite(self.p_value), "level": self.level, "status": self.status,
            "labels_only": self.labels_only,
            "classes": [{str(k): _finite(v) for k, v in row.items()} for row in self.classes.to_dict("records")],
            "leaks": [] if self.leaks is None else [_listed(row) for row in self.leaks.to_dict("records")],
            "flags": list(self.flags), "queries": self.queries, "seconds": round(self.seconds, 3), "null": null,
            "reproduce": self.reproduce,
        }  # fmt: skip

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the report as JSON, written to `path` too if one is given."""
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        if path is not None:
            write_atomically(Path(path), text.encode())
        return text

    def to_html(self, path: str | Path | None = None) -> str:
        """Return the report as one HTML page that needs no network, written to `path` too if one is given."""
        text = html.page(self.to_dict(), self._strip())
        if path is not None:
            write_atomically(Path(path), text.encode())
        return text

    def _repr_html_(self) -> str:
        return html.body(self.to_dict(), self._strip())

    def _strip(self) -> str:
        return strip.svg(self.classes, self.forgotten, self.null.lowest)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the relative reach of the target's classes beside the lowest of each never-unlearned model."""
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=(7, 2), layout="constrained")
        for row, dots in enumerate(strip.rows(self.classes, self.forgotten, self.null.lowest)):
            ax.scatter(dots.x, row + dots.shift, s=14 if row else 24, c=dots.colours, alpha=0.8, linewidths=0)
        ax.axvline(0, color=strip.NAMED, linewidth=1)
        ax.set(yticks=[0, 1], yticklabels=strip.LABELS, xlabel="relative reach", xlim=strip.SPAN, ylim=(1.5, -0.5))
        return ax

    def _p(self) -> str:
        return "none given" if math.isnan(self.p_value) else f"{self.p_value:.3g}"


def verdict_of(named: frozenset[int], names: Sequence[str], found: Found, stop: str) -> str:
    """Return the verdict in sentences."""
    if stop:
        return f"No verdict: {stop}"
    if not named:
        beyond = int((found.reach <= 0).sum())
        said = "" if not beyond else f" {beyond} of {len(names)} classes were out of reach, which alone accuses none."
        return f"No class stands out: nothing says that the model has forgotten one.{said} {SILENCE}"
    listed = ", ".join(f"{names[c]!r}" if names[c] != str(c) else names[c] for c in sorted(named))
    one = len(named) == 1
    return (
        f"The model behaves as if it had hardly ever seen class{'' if one else 'es'} {listed}: none of "
        f"{found.queries:,} inputs was answered with {'it' if one else 'one of them'}. "
        "A class that was rare in training looks the same."
    )


def _classes(named: tuple[int, ...] | None) -> str:
    return "needs both" if named is None else ", ".join(map(str, named)) or "none"


def _listed(row: dict[Hashable, Any]) -> dict[str, Any]:
    return {str(k): list(v) if isinstance(v, tuple) else _finite(v) for k, v in row.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return float(f"{float(value):.6g}") if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
