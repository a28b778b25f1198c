"""Leak cards: what is measured of every unlearning method, as Markdown."""

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from labelleak_lib.registry import METHODS
from labelleak_lib.results.markdown import rows_of, with_interval

LEVEL = 0.05


def card(code: str, leaked: pd.DataFrame, forgot: pd.DataFrame) -> str:
    """Write a method's card in Markdown."""
    (line,) = rows_of(forgot[forgot.unlearning == code])
    steps = "more steps than were tried" if np.isinf(line.steps) else f"{line.steps:.0f} steps"
    facts = [
        f"**Does it forget?** {line.passed} of {line.trials} targets pass the gate. Accuracy on forgotten classes is "
        f"{100 * line.forget:.1f}%; {100 * line.lost:.1f} points are lost on retained ones."
    ]
    if not np.isnan(line.probe):
        facts.append(
            f"**What is left?** A linear probe of the features answers {100 * line.probe:.0f}% of the forgotten class "
            f"rightly ({100 * line.untrained:.0f}% on an untrained network); half of the original accuracy is back "
            f"after {steps}."
        )
    if not np.isnan(line.seconds):
        facts.append(
            f"**What does it cost?** {line.seconds:.1f} s of the processor, {line.ratio:.2g} times retraining."
        )
    own = leaked[leaked.unlearning == code]
    rates = [with_interval(100 * x.both, 100 * x.low, 100 * x.high) for x in rows_of(own)]
    table = pd.DataFrame({
        "access": own.access, "exact and silent %": rates, "exact %": (100 * own.exact).map("{:.0f}".format),
        "silent %": (100 * own.silent).map("{:.0f}".format), "targets": own.n,
    })  # fmt: skip
    what = table.to_markdown(index=False, disable_numparse=True) if len(own) else "No target passes: nothing to leak."
    return "\n\n".join([f"## {METHODS.title(code)} ({code})", *facts, "**What leaks?**", what])


def sentences(ranked: pd.DataFrame) -> list[str]:
    """Say which method leaks least, and whether those that leak less have forgotten less."""
    least = ranked[ranked.leak == ranked.leak.min()]
    names = ", ".join(f"{METHODS.title(code)} ({code})" for code in least.unlearning)
    said = [f"Least leaks from {names}: the classes are named exactly, and nobody on the original model, for "
            f"{100 * ranked.leak.min():.0f}% of the targets that pass the gate."]  # fmt: skip
    known = ranked.dropna(subset=["probe", "leak"])
    if len(known) > 4 and known.leak.nunique() > 1:
        rho, p = spearmanr(known.probe, known.leak)
        also = "" if p <= LEVEL else ", which chance explains as well"
        less = "leak less" if rho < 0 else "do not leak less"
        said.append(f"Methods after which a probe still finds more of the class {less}: Spearman's rank correlation "
                    f"over {len(known)} methods is {rho:.2f} (p = {p:.2g}){also}.")  # fmt: skip
    return said
