# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Audit: your own model, your own unlearning method
#
# **Claim.** Any unlearning method that is a Python function, and any checkpoint of a classifier from this
# library, can be put under every attack of {cite:t}`zheng2026label`, with $M_o$ beside it and flags, in one call.
# **Limit.** An audit that finds nothing shows that *these* attacks find nothing. It is no certificate.
# **Alternative.** Look at the accuracy on the forgotten classes. It is part of the audit, as the gate: what attacks
# say of a model that still knows the class means nothing.
#
# :::{admonition} Reproduce this page
# :class: tip
# From the project's root, with any data set, and with a checkpoint of yours:
#
# ```bash
# papermill notebooks/09_audit.ipynb out.ipynb \
#   -p dataset fashion_mnist -p checkpoint path/to/model.safetensors
# ```
# :::
#
# `checkpoint` is the path of a model to audit blindly, for a data set that you name by `dataset`. `known` lists
# classes of which the auditor knows that they were retained; without it, criteria that need labels are left out.

# %% tags=["parameters"]
dataset = "digits"
trials = 1
seed = 0
k = 1
forgotten = None
checkpoint = None
known = None
device = "auto"
profile = "quick"
records = "reuse"
data_dir = None

# %%
from labelleak_lib.authoring.parameters import require_declared

require_declared()

# %%
import copy
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import torch
from IPython.display import display

from labelleak_lib import Grid
from labelleak_lib.audit import blind, method
from labelleak_lib.checks import require_choice
from labelleak_lib.figures.overview import attack_rows
from labelleak_lib.names import PAPER_ROWS
from labelleak_lib.results.front import SHOWN_ROWS
from labelleak_lib.results.markdown import Markdown
from labelleak_lib.results.worth import UNITS, exact_and_silent, judged_both_ways
from labelleak_lib.trials.cells import run_cell

# %%
require_choice("records", records, ("reuse", "recompute"))
asked = {"dataset": dataset, "seed": seed, "profile": profile, "device": device, "data_dir": data_dir}
grid = Grid(**asked, trials=trials, ks=(k,), forgotten=forgotten, methods=("RT",))
spec = grid.specs()[0]
given = None if checkpoint is None else blind.load_for(spec, Path(checkpoint), known)

# %% [markdown]
# ## Your unlearning method
#
# A method is a function `f(original, retain, forget, *, generator)` that returns a new model and leaves the
# original as it is. The example is the cheapest that comes to mind: it silences the forgotten class in the last
# layer. Put your own in its place.


# %% tags=["show-code"]
def silence_row(original, retain, forget, *, generator):
    """Zero the head's row of every forgotten class and lower its bias."""
    model, rows = copy.deepcopy(original), forget.labels.unique()
    with torch.no_grad():
        model.head.weight[rows] = 0
        model.head.bias[rows] = -10
    return model


# %% [markdown]
# `run_cell` unlearns with it, runs every attack on the result and on $M_o$, and sets the flags.

# %% tags=["show-code"]
cells = [run_cell(one, "MINE", method=silence_row) for one in grid.specs()]
mine = pd.concat([cell.rows for cell in cells], ignore_index=True)
accuracies = mine[mine.control == "none"].iloc[0]
print(f"accuracy on forgotten classes: {100 * accuracies.forget_acc_after:.0f}%")
print("passes the gate in every trial:", "yes" if mine.unlearned.all() else "no")

# %% [markdown]
# {numref}`tbl-09-mine` and {numref}`fig-09-mine` show what the attacks say, where the method passes the gate. A row
# finds the class where it is *exact and silent*: it names what was forgotten and nothing else, and nobody on $M_o$.

# %% tags=["nbval-ignore-output"]
caption = f"The method above under every attack, {spec.data.name}, trials: {trials}"
display(exact_and_silent(mine, (*PAPER_ROWS, *SHOWN_ROWS), caption=caption, name="tbl-09-mine"))

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Two panels, one line an attack, for the reader's own unlearning method: success rate as published, and how often each row is exact and silent"}, "figure": {"caption": "The method above under every attack. Left: judged as published. Right: exact and silent.", "name": "fig-09-mine"}}
panels = judged_both_ways(mine, extra=SHOWN_ROWS)
attack_rows(panels, UNITS)
plt.show()

# %% [markdown]
# ### Verdict
#
# One line an attack, by its ranking: *leaks* means that it ranks the forgotten classes first (AUC of one) where it
# does not on $M_o$. A criterion can miss what the evidence shows, and a ranking names nobody: {numref}`tbl-09-mine`
# says who is named. The direct probe is a ceiling, since the gate implies it.

# %% tags=["nbval-ignore-output"]
verdicts = method.verdicts(mine)
display(method.verdict_table(verdicts))

# %%
by_row = verdicts.set_index("row").verdict
for row in ("dot product, k-means", "direct probe"):
    print(f"{row}: {by_row[row]}")

# %% [markdown]
# ## A checkpoint, without the truth
#
# An auditor who gets a model and is told nothing has no placebo: there is no $M_o$ to compare with, and no
# truth to score against. What is left is what each attack *names*, and whether they agree. Agreement of attacks
# that read different things (parameters, gradients, answers) is a better sign than any single one.
# {numref}`tbl-09-names` shows it.
#
# The checkpoint is safetensors with the model's specification in its header, as `save_checkpoint` writes it. A
# `state_dict` saved by torch becomes one in three lines:
#
# ```python
# model = models.build(spec.model_spec, seed=0)
# model.load_state_dict(torch.load("mine.pt", weights_only=True))
# save_checkpoint(model, Path("mine.safetensors"))
# ```
#
# Without the parameter `checkpoint` this page audits a model that it retrained without a class, and pretends
# not to know which.

# %% tags=["show-code"]
model = given if given is not None else blind.stand_in(spec)
named = blind.blind_audit(spec, model, frozenset(known or ()))
votes = blind.votes(named, spec.data.class_names)

# %% tags=["nbval-ignore-output"]
display(blind.names_table(named, spec.data.class_names, name="tbl-09-names"))

# %%
most = votes.sort_values("share", ascending=False, kind="stable").iloc[0]
print("the class named most often:", most["class"])
print("named by more than three quarters of the attacks:", "yes" if most.share > 0.75 else "no")

# %% tags=["nbval-ignore-output"]
listed = votes[votes.votes > 0].sort_values("votes", ascending=False, kind="stable")
display(Markdown(listed.drop(columns="share").to_markdown(index=False, floatfmt=".1f")))

# %% [markdown]
# An attack has one vote, shared among its criteria. Some criteria always name somebody, so a class named by one or two attacks means little: the
# [controls](08_controls.ipynb) count how many classes each accuses where nothing was forgotten. A class named by
# nearly all of them deserves a closer look at how it was forgotten.
