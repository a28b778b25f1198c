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
# # Overview: what leaks, and who can see it
#
# **Claim.** A classifier that was made to forget a class can give away which class it was, to someone who sees
# only the model that remains {cite:p}`zheng2026label`. This chapter shows the leak on one target and runs all
# seven published attack × criterion rows on it.
# **Limit.** It shows one unlearning method, retraining (RT), and by default a data set of tiny images. How much
# holds elsewhere is the subject of the [statistical comparison](06_statistical_comparison.ipynb).
# **Alternative.** A success rate alone does not show a leak. A row counts here when it is *exact and silent*: it
# names the forgotten classes and no other, and nobody on $M_o$, from which nothing was forgotten. The
# [controls](08_controls.ipynb) go further.
#
# :::{admonition} Reproduce this page
# :class: tip
# From the project's root, with any data set or the path of your own:
#
# ```bash
# papermill notebooks/00_overview.ipynb out.ipynb \
#   -p dataset fashion_mnist -p trials 3
# ```
# :::

# %% tags=["parameters"]
dataset = "digits"
trials = 1
seed = 0
k = 1
forgotten = None
device = "auto"
profile = "quick"
records = "reuse"
data_dir = None

# %%
from labelleak_lib.authoring.parameters import require_declared

require_declared()

# %%
import inspect

import matplotlib.pyplot as plt
import torch
from IPython.display import display

from labelleak_lib import Grid, collect
from labelleak_lib.figures import overview
from labelleak_lib.figures.landscape import reach_landscape
from labelleak_lib.models.access import BlackBox, QueryBudgetError, WhiteBox, WhiteBoxWithSamples
from labelleak_lib.names import PAPER_ROWS

# %%
from labelleak_lib.results import exact_silent, front
from labelleak_lib.results.inverted import mean_answers
from labelleak_lib.results.landscape import landscape
from labelleak_lib.results.leakage import leakage_table, to_markdown
from labelleak_lib.results.markdown import Markdown, escaped, numbered
from labelleak_lib.results.summary import access_table
from labelleak_lib.results.worth import UNITS, exact_and_silent, judged_both_ways
from labelleak_lib.space import InputSpace
from labelleak_lib.trials.originals import original_model, unlearned_model
from labelleak_lib.trials.schema import unpack

# %%
asked = {"dataset": dataset, "seed": seed, "profile": profile, "device": device, "data_dir": data_dir}
grid = Grid(**asked, trials=trials, ks=(k,), forgotten=forgotten, methods=("RT",))
found = collect(grid, records=records)
cell = grid.cells()[0]
spec = cell.spec

# %% [markdown]
# ## The leak in one picture
#
# A model $M_o$ is trained on all $C$ classes. A request comes in to delete $k$ of them, and the provider
# publishes $M_u$, here retrained without them. Nobody outside knows which classes are gone.

# %%
names = [escaped(spec.data.class_names[c]) for c in spec.forgotten]
display(
    Markdown(
        f"**This page: `{spec.data.name}`** ({spec.data.variant}), $C$ = {spec.data.classes} classes, "
        f"architecture `{spec.model_spec.architecture}`. Forgotten in the first trial: {', '.join(names)}."
    )
)

# %% [markdown]
# {numref}`fig-00-reach` asks both models about images that have nothing to do with the task: blobs, shapes,
# gratings, crops of photographs. Above, a plane through three of them, point by point; below, all of them counted by
# the class that they are answered with. On $M_o$ the class has its land. On $M_u$ nothing leads there.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Left, small images of blobs, shapes, gratings and photographs. Then one map of answers each for the original and for the unlearned model: the forgotten class fills a part of the first and nothing of the second. Below them bars of answers by class: that of the forgotten class is gone"}, "figure": {"caption": "What $M_o$ and $M_u$ (RT) answer to inputs that show nothing. Above: the plane through the three images at the lower left, by the class answered. Below: answers to unrelated images by class; the arrow points at the forgotten class.", "name": "fig-00-reach"}}
models = {"$M_o$": original_model(spec), "$M_u$": unlearned_model(spec, "RT")}
space, drawing = InputSpace.images(spec.model_spec.shape), torch.Generator().manual_seed(seed)
seen = landscape(models, space, spec.forgotten, generator=drawing)
shown = (seen.images, seen.corners, seen.answers, seen.counts)
reach_landscape(*shown, spec.data.class_names, spec.forgotten)
plt.show()

# %%
before, after = (counts[list(spec.forgotten)].sum() for counts in seen.counts.values())
print("M_o answers some of these images with the forgotten class:", "yes" if before else "no")
print("M_u answers some of them with it:", "yes" if after else "no")

# %% [markdown]
# {numref}`fig-00-leak` shows what the two models answer. The upper row uses real test images, which the
# attacker may not have. The lower row uses none: for every class, an image was searched for that the model
# takes for that class, by queries alone. On $M_u$ the search for the forgotten class comes up empty.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Four matrices of probabilities, class of the sample against class answered: on the original model the diagonal is bright throughout, on the unlearned one it is dark in the row of the forgotten class, for real and for inverted images"}, "figure": {"caption": "Probabilities that $M_o$ and $M_u$ (RT) give for real test images (top, means over each class) and for images found by black-box inversion (bottom, the inverted prediction vectors). The arrow points at the forgotten class.", "name": "fig-00-leak"}}
ipv_rows = found.evidence[(found.evidence.config_hash == cell.model) & (found.evidence.kind == "ipv")]
ipv_rows = ipv_rows[ipv_rows.attack == "blackbox_inversion"].set_index("control")
ipvs = {"$M_o$": unpack(ipv_rows.loc["placebo"]), "$M_u$": unpack(ipv_rows.loc["none"])}
maps = {f"{m}, test images": mean_answers(model, spec.part("test")) for m, model in models.items()}
maps |= {f"{m}, inverted images": ipv for m, ipv in ipvs.items()}
overview.probability_maps(maps, spec.data.class_names, spec.forgotten)
plt.show()

# %%
lost, peak = list(spec.forgotten), ipvs["$M_u$"].max(1)
kept = [c for c in range(spec.data.classes) if c not in lost]
own = maps["$M_u$, test images"][lost, lost].mean()
print(f"probability that M_u gives to the forgotten class on its own test images: {100 * own:.0f}%")
worse = peak[lost].max() < peak[kept].min()
print("every forgotten class inverts worse than every retained one:", "yes" if worse else "no")

# %% [markdown]
# ## Who can see what
#
# The paper's three attackers see the target model $M_u$ alone; $M_o$ was overwritten (section III-C). They
# differ in what else they hold. {numref}`tbl-00-access` follows the paper's Table I, read off from what each
# attack in the library declares that it needs.

# %%
display(
    numbered(access_table().to_markdown(index=False), "What each attack sees (Table I of the paper)", "tbl-00-access")
)

# %% [markdown]
# In the code these are three objects. An attack gets one of them and nothing besides, so that it cannot see
# what the threat model denies it.

# %%
for kind in (BlackBox, WhiteBox, WhiteBoxWithSamples):
    fields = [name for name in inspect.signature(kind).parameters if not name.startswith("_")]
    print(f"{kind.__name__}: {', '.join(fields)}")

# %% [markdown]
# The black box is a function that answers images with probabilities. It holds no model, it counts what it is
# asked, and it can refuse when a budget is spent.

# %%
box = BlackBox.of(models["$M_u$"], budget=3)
box.query(torch.rand((2, *box.shape), generator=torch.Generator().manual_seed(seed)))
print("queries counted:", box.queries, "- has a model to look into:", "yes" if hasattr(box, "model") else "no")
try:
    box.query(torch.zeros((2, *box.shape)))
except QueryBudgetError as refusal:
    print("refused:", refusal)

# %% [markdown]
# Two protocols say what an attacker is told about the *answer*. Under `paper`, the attacks with samples are
# judged as published: auxiliary heads carry their true labels, and single heads are judged. Under `attacker`,
# every decision is about a class, and no head of that class is in the fit. The inversions need no labels, so
# for them the two agree. The [notation page](../notation.md) defines all the words.
#
# ## Seven attacks on one target
#
# {numref}`tbl-00-paper` judges all seven rows as published: the parameter attacks head by head, the inversions class
# by class. A rate of classes has a peculiar floor: "nothing was forgotten" is right for all but $k$ of $C$ classes.
# Where single heads are judged, the *placebo* is the same attack with the same labels on $M_o$; excess is the
# distance to it in points.

# %% tags=["nbval-ignore-output"]
caption = f"RT, k = {len(spec.forgotten)} of {spec.data.classes} classes, trials: {trials}"
as_published = leakage_table(found.records, "paper", len(spec.forgotten))
display(to_markdown(as_published, caption=f"{caption}, judged as published", name="tbl-00-paper"))

# %% [markdown]
# {numref}`tbl-00-worth` asks what an attacker needs: does the row name exactly the forgotten classes of $M_u$
# (*exact*), and nobody on $M_o$ (*silent*)? Below the seven rows stand two more of this book. *Reach* asks how far
# above every other class the best input lifts a class, and may find nobody below. *Labels only* sends images that
# have nothing to do with the task, and calls a class forgotten that none of them is answered with.

# %% tags=["nbval-ignore-output"]
rows = (*PAPER_ROWS, exact_silent.JOINT_ROW, exact_silent.LABEL_ROW)
display(exact_and_silent(found.records, rows, caption=f"{caption}, exact and silent", name="tbl-00-worth"))

# %% [markdown]
# {numref}`fig-00-rows` shows both.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Two panels, one line an attack and criterion. Left: success rate as published, with the placebo of attacks judged head by head. Right: how often each row is exact and silent, how often exact, and how often silent on the original model"}, "figure": {"caption": "The paper's seven rows on RT, and below them the readings of reach. Left: success rate judged as published. Right: share of targets for which a row is exact and silent.", "name": "fig-00-rows"}}
panels = judged_both_ways(found.records, extra=front.SHOWN_ROWS, unlearning="RT")
overview.attack_rows(panels, UNITS)
plt.show()

# %%
published, worth = (table.set_index(["attack", "criterion"]) for table in panels.values())
tree, labels = published.loc[("difference", "decision_tree")], worth.loc[exact_silent.LABEL_ROW]
inverted = worth.loc[("whitebox_inversion", "entropy")]
print("decision tree, head by head, gains more than 10 points over its placebo:", "yes" if tree.excess > 10 else "no")
print("white-box inversion with the entropy criterion is silent on M_o:", "yes" if inverted.placebo == 100 else "no")
print("labels alone are exact and silent:", "yes" if labels.measured == 100 else "no")

# %% [markdown]
# A single trial has luck of its own. What holds over many is the subject of the
# [controls](08_controls.ipynb).
#
# ## What to take from this
#
# On this target the label leaks, and queries are enough to find it: no sample, no parameter, no second model. Yet a high
# success rate does not prove a leak. A head-by-head row whose placebo is as high recognises *which* class a head
# was trained on, and would do so had nothing been forgotten. And a rule that always names somebody is right about
# the class and still accuses every innocent model. The chapters that follow take the attacks one by one, and ask of
# each whether it is exact and silent.
