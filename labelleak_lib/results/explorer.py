"""Every cell of the committed records in one table, with where its evidence is drawn and how to run it again."""

import pandas as pd

from labelleak_lib.names import PAPER_METHODS, attack_title, in_order
from labelleak_lib.paper.published import datasets, published_asr
from labelleak_lib.registry import ATTACKS, CRITERIA

CELL = ["dataset", "k", "unlearning", "attack", "criterion"]
COLUMNS = [*CELL, "exact_silent", "exact", "silent", "rate", "published", "auc", "targets", "trials"]
FIGURES = {
    "dot_product": ("03_parameter_attacks", "fig-03-all-dots"),
    "difference": ("03_parameter_attacks", "fig-03-all-sums"),
    "whitebox_inversion": ("04_whitebox_inversion", "fig-04-all-peaks"),
    "blackbox_inversion": ("05_blackbox_inversion", "fig-05-all-peaks"),
}
"""Chapter and figure that draw an attack's evidence on every data set; of other attacks `OTHERS`."""
OTHERS = ("08_controls", "fig-08-readings")
CARDS = ("11_leak_cards", "fig-11-ranking")
"""Of methods beside the paper's."""


def cells(records: pd.DataFrame) -> pd.DataFrame:
    """Return one line a data set, k, unlearning method, attack and criterion: `COLUMNS`.

    Decided by class, over the targets that pass the gate: the shares that are exact and silent, exact, and met with
    silence on M_o; the success rate judged as published and what is published (the mean over four data sets), all in
    percent; the area under the curve in 0 .. 1; how many `targets` of how many `trials`.
    """
    by_class = records[records.protocol == "attacker"]
    target, placebo = (by_class[by_class.control == control] for control in ("none", "placebo"))
    rule = ["config_hash", "attack", "criterion"]
    silent = placebo.assign(silent=placebo.predicted.eq("").astype(float))[[*rule, "silent"]]
    judged = target.merge(silent, on=rule, how="left")
    gate = judged.unlearned.astype(bool)
    judged = judged.assign(both=judged.exact_match * judged.silent, passed=gate.astype(int))
    judged[["both", "exact_match", "silent", "auc"]] = judged[["both", "exact_match", "silent", "auc"]].where(gate)
    asked = records[(records.protocol == "paper") & (records.control == "none") & records.unlearned.astype(bool)]
    rates = asked.groupby(CELL).asr.mean().rename("rate")
    found = judged.groupby(CELL, as_index=False).agg(
        exact_silent=("both", "mean"), exact=("exact_match", "mean"), silent=("silent", "mean"), auc=("auc", "mean"),
        targets=("passed", "sum"), trials=("passed", "size"),
    )  # fmt: skip
    found = found.join(rates, on=CELL)
    found["published"] = [_published(*cell) for cell in found[CELL].itertuples(index=False)]
    shares = ["exact_silent", "exact", "silent", "rate"]
    found[shares] *= 100
    ordered = in_order(found)[COLUMNS]
    # the paper's data sets first
    return ordered.sort_values("dataset", key=lambda names: ~names.isin(datasets()), kind="stable", ignore_index=True)


def _published(dataset: str, k: int, unlearning: str, attack: str, criterion: str) -> float | None:
    return published_asr(attack, criterion, unlearning, k) if dataset in datasets() else None


def evidence_at(unlearning: str, attack: str) -> str:
    """Return the page and the figure, as seen from the book's root, that draw a cell's evidence."""
    chapter, figure = _where(unlearning, attack)
    return f"chapters/{chapter}.html#{figure}"


def command(dataset: str, k: int, unlearning: str, attack: str, trials: int) -> str:
    """Return the command that runs a cell's trials anew and draws them."""
    chapter, _ = _where(unlearning, attack)
    methods = f' -y "methods: [{unlearning}]"' if unlearning not in PAPER_METHODS else ""
    return (
        f"papermill notebooks/{chapter}.ipynb out.ipynb -p dataset {dataset} -p k {k} -p trials {trials} "
        f"-p profile paper -p records recompute{methods}"
    )


def _where(unlearning: str, attack: str) -> tuple[str, str]:
    return CARDS if unlearning not in PAPER_METHODS else FIGURES.get(attack, OTHERS)


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return `cells` as the page shows them: titles in place of names, one decimal, a link and a command."""
    pairs = list(zip(table.unlearning, table.attack, strict=True))
    places = [evidence_at(*pair) for pair in pairs]
    asked = table[["dataset", "k", "unlearning", "attack", "trials"]].itertuples(index=False)
    lines = pd.DataFrame({
        "data set": table.dataset, "k": table.k, "unlearning": table.unlearning,
        "attack": table.attack.map(attack_title),
        "criterion": [CRITERIA.title(name) or name.replace("_", " ") for name in table.criterion],
        "exact and silent %": table.exact_silent.round(1), "exact %": table.exact.round(1),
        "silent %": table.silent.round(1), "success rate %": table.rate.round(1), "published %": table.published,
        "AUC": table.auc.round(2),
        "passing": [f"{n} of {trials}" for n, trials in zip(table.targets, table.trials, strict=True)],
        "access": [ATTACKS[name].access_kind.replace("_", " ") for name in table.attack],
        "evidence": [f'<a href="{place}">figure</a>' for place in places],
        "run again": [f"<details><summary>command</summary><code>{command(*cell)}</code></details>" for cell in asked],
    })  # fmt: skip
    # an empty field where there is no number
    return lines.astype(object).where(lines.notna(), "")
