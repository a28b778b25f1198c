"""What the decimals of the printed rates give away: the counts that can have produced them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import binom

from labelleak_lib.checks import require, require_int
from labelleak_lib.paper.published import attack_success_rate

GROUPS = {
    "dot product": ("dot_product",),
    "difference, tree": ("difference",),
    "inversion": ("whitebox_inversion", "blackbox_inversion"),
}


def could_be_mean(percent: float, denominator: int, *, datasets: int = 4) -> bool:
    """Tell whether a printed percentage can be the mean of rates that are each a count out of `denominator`.

    Such a mean is a whole multiple of ``100 / (datasets * denominator)``. It may have been rounded or cut to
    two decimals (the tables show both), so it must lie less than 0.01 from a multiple: the GRIM test of Brown
    and Heathers (2017), "The GRIM test", Social Psychological and Personality Science 8(4).

    `percent` lies in 0 .. 100 and has at most two decimals; the `denominator`, decisions counted for each data set, and
    `datasets`, the number averaged, are at least 1 (ValueError otherwise). Above a denominator of ``5000 / datasets``
    every number fits. No mean of four counts out of 10 lies near 71.42%, but one of four counts out of 7 does:

    >>> could_be_mean(71.42, 10), could_be_mean(71.42, 7)
    (False, True)
    """
    require_int("denominator", denominator, low=1)
    require_int("datasets", datasets, low=1)
    require(0 <= percent <= 100, "percent", percent, "in 0 .. 100")
    # In whole hundredths of a percent, so that no rounding error of ours decides.
    printed, total = round(percent * 100), datasets * denominator
    nearest = round(printed * total / 10_000)
    return abs(printed * total - 10_000 * nearest) < total


def granularity(denominators: Sequence[int] = (400, 80, 200)) -> pd.DataFrame:
    """Test for every printed rate of Tables V to VIII which counts could have produced it.

    The `denominators` count decisions for each data set: 400 are 200 retained and 200 forgotten auxiliary heads, 80 a
    20% test split of those, 200 are 10 classes in 20 trials. Each adds a column ``fits_<denominator>`` of bool (see
    :func:`could_be_mean`) to the 70 rows of :func:`attack_success_rate` other than the printed means.
    """
    table = attack_success_rate().query("unlearning != 'mean'").reset_index(drop=True)
    fits = {f"fits_{n}": [could_be_mean(percent, n) for percent in table["asr_percent"]] for n in denominators}
    return table.assign(**fits)


def row_mean_mismatch() -> pd.DataFrame:
    """Compare each printed row mean of Tables V to VIII with the mean of the five entries of its row.

    14 rows, with columns ``table scenario attack criterion``, ``printed_mean`` and ``mean_of_entries`` in percent, and
    ``mismatch``: True where they differ by 0.02 or more, which printing two decimals cannot explain (it can shift the
    entries by less than 0.01, and the mean too).
    """
    table = attack_success_rate()
    is_mean = table["unlearning"] == "mean"
    rows = table[is_mean].drop(columns="unlearning").rename(columns={"asr_percent": "printed_mean"})
    cell = ["table", "scenario", "attack", "criterion"]
    entries = table[~is_mean].groupby(cell)["asr_percent"].mean().rename("mean_of_entries").reset_index()
    rows = rows.merge(entries, on=cell, validate="1:1")
    return rows.assign(mismatch=(rows["printed_mean"] - rows["mean_of_entries"]).abs() >= 0.02)


def granularity_table(denominators: Sequence[int] = (400, 80, 200)) -> pd.DataFrame:
    """Test which counts could have produced the printed rates, beside how often any number would pass.

    One line a group of attacks and denominator: ``group denominator numbers fit any_number chance``. ``fit`` of
    ``numbers`` printed rates pass; ``any_number`` is the share of all two-decimal numbers between the group's
    smallest and largest rate that pass; ``chance`` is the probability that so many of so many such numbers do.
    """
    table, rows = granularity(denominators), []
    for group, attacks in GROUPS.items():
        lines = table[table.attack.isin(attacks)]
        first, last = (round(100 * value) for value in (lines.asr_percent.min(), lines.asr_percent.max()))
        for n in denominators:
            passing = float(np.mean([could_be_mean(cents / 100, n) for cents in range(first, last + 1)]))
            fit = int(lines[f"fits_{n}"].sum())
            rows.append((group, n, len(lines), fit, passing, float(binom.sf(fit - 1, len(lines), passing))))
    return pd.DataFrame(rows, columns=["group", "denominator", "numbers", "fit", "any_number", "chance"])


def misfits(denominator: int = 200, most: int = 200) -> pd.DataFrame:
    """Return the printed inversion rates that are no mean of counts out of `denominator`, and what they could be.

    Columns ``table attack criterion unlearning asr_percent smallest``: the last is the smallest number of decisions a
    data set, below `most`, that can give the rate (0 if none).
    """
    table = granularity((denominator,))
    lines = table[table.attack.isin(GROUPS["inversion"]) & ~table[f"fits_{denominator}"]]
    smallest = [next((n for n in range(1, most) if could_be_mean(p, n)), 0) for p in lines.asr_percent]
    return lines[["table", "attack", "criterion", "unlearning", "asr_percent"]].assign(smallest=smallest)
