"""Whether anything reaches a class without samples, on trained networks: rows beside their start, and free searches."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from labelleak_lib.attacks.reach import margins
from labelleak_lib.checks import require_choice
from labelleak_lib.data.samples import split_classes
from labelleak_lib.models import classifier
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.models.evaluation import accuracy
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.models.training import SHORTEST_CYCLE, batches, train
from labelleak_lib.nulls.calibration import RARE, evidence_on_bank, kinds
from labelleak_lib.results.markdown import Markdown, numbered, rows_of
from labelleak_lib.space import InputSpace
from labelleak_lib.theory import heads, reach
from labelleak_lib.theory.heads import Array
from labelleak_lib.trials.judging import records_of
from labelleak_lib.trials.originals import original_model, unlearned_model
from labelleak_lib.trials.schema import unpack
from labelleak_lib.trials.seeds import make_generator
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.trials.store import Stored
from labelleak_lib.unlearning.finetune import FineTune
from labelleak_lib.unlearning.random_label import RandomLabel

INPUTS = ("smooth", "box", "unbounded")
"""Where a search may go: smooth images of the box, every pixel of the box, every real number as a pixel."""
FREE = {"smooth": "smooth images", "box": "pixels in the box", "unbounded": "unbounded pixels"}
ZERO = "RT, zero head"


def head_of(model: Classifier) -> Array:
    """Return the last layer, weight and bias: float64 (C, d + 1)."""
    return heads.flat_head(model.head.weight.detach().cpu().numpy(), model.head.bias.detach().cpu().numpy())


def learning_rates(recipe: Recipe, samples: int) -> Array:
    """Return the learning rate of every step of a training run on a number of samples: float (T,)."""
    steps_an_epoch = sum(1 for _ in batches(samples, recipe.batch_size, torch.Generator()))
    steps = recipe.epochs_for(steps_an_epoch) * steps_an_epoch
    if recipe.schedule == "constant" or steps < SHORTEST_CYCLE:
        return np.full(steps, recipe.lr)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=recipe.lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.lr, total_steps=steps, pct_start=max(0.2, 2 / steps), cycle_momentum=False
    )
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return np.array(rates)


def retrained_from_zero(spec: TrialSpec) -> Classifier:
    """Return a network retrained without the forgotten classes as RT does it, but from a last layer of zeros."""
    model = fresh(spec)
    for parameter in model.head.parameters():
        nn.init.zeros_(parameter)
    generator = make_generator(spec.unlearn_seed, "zero head")
    train(model, split_classes(spec.part("train"), spec.forgotten)[0], spec.settings.recipe, generator=generator)
    return model


def fresh(spec: TrialSpec) -> Classifier:
    """Return the network that RT begins with in a trial."""
    generator = make_generator(spec.unlearn_seed, "unlearn", "RT")
    return classifier.build(spec.model_spec, seed=int(torch.randint(2**31, (1,), generator=generator)))


def kept_of_head(spec: TrialSpec, code: str) -> float:
    """Return what weight decay leaves of the head that a method begins with (`theory.reach.kept_of_start`)."""
    if code == "NG":
        return 1.0  # plain steps, without momentum and decay
    retained, forgotten = split_classes(spec.part("train"), spec.forgotten)
    method = spec.settings.methods.get(code)
    recipe = method.recipe() if isinstance(method, FineTune | RandomLabel) else spec.settings.recipe
    rates = learning_rates(recipe, len(retained) + (len(forgotten) if code == "RL" else 0))
    return reach.kept_of_start(rates, recipe.momentum, recipe.weight_decay)


def lifted(
    model: Classifier, label: int, inputs: str, *, generator: torch.Generator, starts: int = 30, steps: int = 200
) -> float:
    """Return the best margin of the class `label` that Adam finds among `inputs` (one of `INPUTS`)."""
    require_choice("inputs", inputs, INPUTS)
    space = InputSpace(model.spec.shape)
    smooth = inputs == "smooth"
    shape = space.grid(5) if smooth else space.shape
    draw = torch.randn if smooth else torch.rand
    z = draw((starts, *shape), generator=generator).requires_grad_(True)
    # units of a sigmoid's argument, or of grey values
    optimizer, best = torch.optim.Adam([z], 0.1 if smooth else 0.05), -np.inf
    with classifier.evaluation_mode(model):
        for _ in range(steps):
            own = margins(model(space.smooth(z) if smooth else z))[:, label]
            best = max(best, float(own.detach().max()))
            (z.grad,) = torch.autograd.grad(-own.sum(), z)
            optimizer.step()
            if inputs == "box":
                with torch.no_grad():
                    z.clamp_(0, 1)
    return best


def rows_and_reach(spec: TrialSpec, codes: Sequence[str]) -> pd.DataFrame:
    """Compare the row of the first forgotten class with its start, and search for inputs that reach the class.

    One line a target: `ZERO`, the methods `codes`, and ``M_o``, of which no start is compared.

    Columns: ``target``; ``accuracy`` on test samples of the class, 0 .. 1; ``kept``, A; ``fallen``, the share of the
    row's entries at or below A times their start; ``imbalance``, the largest entry of the sum of all rows less A times
    what it was; ``positive``, the share of the row's entries above zero; ``allowed``, the largest margin on training
    images that the start allows; ``any_features``, the largest one over all features up to the largest on training
    images; and, for every kind of `INPUTS`, the margin found.
    """
    label, original, test = spec.forgotten[0], original_model(spec), spec.part("test")
    targets = {ZERO: retrained_from_zero(spec), **{code: unlearned_model(spec, code) for code in codes}}
    rows = []
    for name, model in {**targets, "M_o": original}.items():
        phi = classifier.extract_features(model, spec.data.train_images).cpu().numpy().astype(np.float64)
        head = head_of(model)
        line: dict[str, Any] = {"target": name, "accuracy": accuracy(model, test.where(test.labels == label))}
        if name != "M_o":
            start = head_of(fresh(spec) if name == "RT" else original) * (name != ZERO)
            kept = kept_of_head(spec, name)
            # float32 steps round: the last bits of a row's largest entry
            slack = 1e-5 * np.abs(start).max()
            line |= {
                "kept": kept, "fallen": float((head[label] <= kept * start[label] + slack).mean()),
                "imbalance": float(np.abs(head.sum(0) - kept * start.sum(0)).max()),
                "allowed": float(reach.start_bound(start, kept, phi)[:, label].max()),
            }  # fmt: skip
        line |= {"positive": float((head[label] > 0).mean())}
        line |= {"any_features": reach.box_reach(head, label, float(phi.max()))}
        for kind in INPUTS:
            line[kind] = lifted(model, label, kind, generator=make_generator(spec.attack_seed, "lifted", kind))
        rows.append(line)
    columns = ["target", "accuracy", "kept", "fallen", "imbalance", "positive", "allowed", "any_features", *INPUTS]
    return pd.DataFrame(rows, columns=columns)


def to_markdown(table: pd.DataFrame, *, caption: str | None = None, name: str | None = None) -> Markdown:
    """Write `rows_and_reach` in Markdown; `caption` and `name` as for :func:`numbered`."""
    percent = {name: (100 * table[name]).map("{:.0f}".format) for name in ("accuracy", "fallen", "positive")}
    numbers = {name: table[name].map("{:.2f}".format) for name in ("kept", "allowed", "any_features", *INPUTS)}
    shown = table.assign(imbalance=table.imbalance.map("{:.0e}".format), **percent, **numbers)
    names = ["accuracy on it %", "A", "entries fallen %", "sum kept within", "entries above 0 %"]
    shown.columns = ["target", *names, "allowed by the start", "any features", *FREE.values()]
    # of M_o there is no start
    text = shown.mask(table.isna().to_numpy(), "").to_markdown(index=False, disable_numparse=True)
    return numbered(text, caption, name)


def sentences(table: pd.DataFrame) -> list[str]:
    """Say of `rows_and_reach` which targets are out of reach, of what, and what is left of a trained row."""
    lines = table[table.target != "M_o"]
    best = lines.set_index("target")[list(INPUTS)]
    out, reached = best[(best < 0).all(axis=1)].index, best[best.smooth >= 0]
    found = ["Out of reach of every search, without bounds too: " + (", ".join(out) or "no target") + "."]
    crossed = best[(best.smooth < 0) & (best.max(axis=1) >= 0)].index
    if len(crossed):
        found.append(f"Reached by free pixels alone, and by no smooth image: {', '.join(crossed)}.")
    if len(reached):
        each = ", ".join(f"{name} {line.smooth:.1f}" for name, line in reached.iterrows())
        found.append(f"Reached by smooth images of the box, by a margin of: {each}.")
    known = table.set_index("target").loc["M_o"]
    found.append(
        f"On $M_o$, which knows the class, the same searches reach {known.smooth:.1f}, {known.box:.1f} and "
        f"{known.unbounded:.0f}."
    )
    for line in rows_of(lines[lines.target == "FT"]):
        found.append(
            f"FT keeps {100 * line.kept:.0f}% of the row that it starts from where nothing else pushes, "
            f"{100 * line.positive:.0f}% of the row's entries stay above zero, and {100 * line.accuracy:.0f}% of the "
            "class's test samples are still answered with it."
        )
    return found


def dose(bank: Stored, book: Mapping[str, Stored], attack: str = "gradient_reach") -> pd.DataFrame:
    """Return the stored reach of classes by the share of their samples that a network was trained on.

    The rare classes of the null bank, and at share 0 the class that RT forgot in the book's trials of one: columns
    ``dataset share reach``, for the data sets that have both.
    """
    found, models = evidence_on_bank(bank), kinds(bank.models)
    rows = []
    for row in rows_of(models[models.kind == RARE]):
        held = found.get((row.model, attack))
        if held is not None and held.reach is not None:
            rows.append((row.dataset, float(row.share), float(held.reach[int(row.label)])))
    for dataset in dict.fromkeys(row[0] for row in rows):
        models, evidence = book.get(dataset, Stored(bank.models[:0], bank.evidence[:0]))
        gone = models[(models.unlearning == "RT") & ~models.forgotten.str.contains(",")].set_index("model").forgotten
        chosen = evidence[(evidence.attack == attack) & (evidence.kind == "reach") & evidence.model.isin(gone.index)]
        rows += [(dataset, 0.0, float(unpack(row)[int(gone[row["model"]])])) for row in records_of(chosen)]
    table = pd.DataFrame(rows, columns=["dataset", "share", "reach"])
    return table[table.dataset.isin(table.dataset[table.share == 0])].reset_index(drop=True)
