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
# # Black-box inversion: what can be found with queries alone?
#
# **Claim.** {cite:t}`zheng2026label` let a genetic algorithm search for each class's most probable input, by
# queries alone. After unlearning, its best fitness stays low for the forgotten classes.
# **Limit.** The search is expensive, and on a model from which nothing was forgotten it leaves some class with
# a low fitness too, which the criteria then accuse. A row is a leak where it is *exact and silent*: it names the
# forgotten classes and no other, and nobody on $M_o$.
# **Alternative.** A fixed set of inputs that search for nothing, the same for every model and class, at a small
# part of the cost. Search and free reading are compared under one rule: the search earns its queries only where it
# is exact and silent more often.
#
# :::{admonition} Reproduce this page
# :class: tip
# From the project's root, with any data set or the path of your own:
#
# ```bash
# papermill notebooks/05_blackbox_inversion.ipynb out.ipynb \
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
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import display

from labelleak_lib import Grid, collect
from labelleak_lib.figures import inversion as figures
from labelleak_lib.figures import reach as reach_figures
from labelleak_lib.figures.success import at_a_glance, success_rates
from labelleak_lib.models.access import BlackBox, QueryBudgetError
from labelleak_lib.names import PAPER_ROWS

# %%
from labelleak_lib.paper import published
from labelleak_lib.results import against_paper, exact_silent, inverted, leakage, paper_shape, query_curves, worth
from labelleak_lib.results.leakage import baseline, success_frame
from labelleak_lib.results.markdown import Markdown, bullets, escaped
from labelleak_lib.results.summary import of_the_paper
from labelleak_lib.trials import committed
from labelleak_lib.trials.engine import one_thread
from labelleak_lib.trials.grants import gather
from labelleak_lib.trials.originals import original_and_unlearned

# %%
chosen = {"seed": seed, "profile": profile, "device": device, "data_dir": data_dir}
grid = Grid(dataset=dataset, trials=trials, ks=(k,), forgotten=forgotten, **chosen)
spec = grid.specs()[0]
k, classes, names = len(spec.forgotten), spec.data.classes, spec.data.class_names

# %% [markdown]
# ## On the paper's four data sets
#
# {numref}`fig-05-paper` and {numref}`tbl-05-shape` show the long runs; the table has the shape of the paper's
# Tables VII and VIII, lower half. A rate near the published one, or above it, is not yet a leak. The colour says what it is
# worth: how often the row is *exact and silent*.

# %%
everything = committed.committed_records()
long_runs = everything[everything.k.isin([1, 3])]
rows = PAPER_ROWS[5:]

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "One panel a criterion and number of forgotten classes, methods side by side, one colour a data set: measured rates with intervals, published values, and the level of an answer that looks at nothing"}, "figure": {"caption": "Success rates of black-box inversion on the paper's data sets, from the long runs: measured, and as published {cite:p}`zheng2026label`. Intervals are drawn from five trials on.", "name": "fig-05-paper"}}
at_a_glance(success_frame(of_the_paper(long_runs), rows, ("paper",)))
plt.show()

# %% tags=["nbval-ignore-output"]
display(paper_shape.success(long_runs, rows, name="tbl-05-shape"))

# %% [markdown]
# ## This page's own run

# %%
found = collect(grid, records=records)
readings = (*rows, ("blackbox_inversion", "entropy_argmax"))
attack = spec.settings.attacks["blackbox_inversion"]
display(
    Markdown(
        f"**This page: `{spec.data.name}`** ({spec.data.variant}), {classes} classes, forgotten in the first trial: "
        f"{', '.join(escaped(names[c]) for c in spec.forgotten)}. Trials: {trials}. The attack, profile `{profile}`: `{attack!r}`."
    )
)

# %% [markdown]
# ## What the black box sees
#
# The attacker of this chapter has no model, no gradient and no data: only a query function, which takes an
# image with values in $[0, 1]$ and answers with a vector of probabilities (Table I, last two rows). In this
# book it is an object of its own. It counts what it is asked, refuses what is not an image, and can enforce a
# budget.

# %%
with one_thread():
    original, target = original_and_unlearned(spec, "RT")
models = {"placebo": original, "none": target}
box = BlackBox.of(target, budget=2)
answer = box.query(torch.rand((1, *box.shape), generator=torch.Generator().manual_seed(0)))
print("one query, one vector of", answer.shape[1], "probabilities; their sum is 1:", bool(abs(answer.sum() - 1) < 1e-4))
wrong = {"beyond [0, 1]": torch.full((1, *box.shape), 1.5), "beyond the budget": torch.zeros((2, *box.shape))}
for name, images in wrong.items():
    try:
        box.query(images)
    except (ValueError, QueryBudgetError) as refusal:
        print(f"{name}: refused ({type(refusal).__name__}), {box.queries} answered so far")

# %% [markdown]
# ## The search
#
# The goal for class $c$, and the fitness of an individual $x$ (equations (22) and (23)):
#
# $$
# \begin{gathered}
# x_c^* = \arg\max_{x \in [0,1]^d} p_c(x), \\
# \mathrm{fitness}(x) = p_c(x) .
# \end{gathered}
# $$ (eq-05-fitness)
#
# A population of $N$ individuals starts from uniform draws. Parents are drawn with a probability proportional
# to their fitness {cite:p}`holland1975adaptation`. A child takes the first genes of one parent and the others
# of the second, cut at a random place $s$ (24):
#
# $$
# z = (x_1, \dots, x_s, \; y_{s+1}, \dots, y_d) .
# $$ (eq-05-crossover)
#
# Then one random gene $j$ mutates, the result is clipped to $[0, 1]$, and the strength of the mutation decays
# from generation to generation (25), (26):
#
# $$
# \begin{gathered}
# z_j \leftarrow \operatorname{clip}_{[0,1]}(z_j + s_t\,\varepsilon), \\
# \varepsilon \sim \mathcal{N}(0, 1), \quad s_t = s_0 \gamma^t .
# \end{gathered}
# $$ (eq-05-mutation)
#
# The $e$ fittest pass unchanged. After $G$ generations the fittest individual gives $\mathrm{IPV}_c$, and the
# criteria of the [previous chapter](04_whitebox_inversion.ipynb) follow. The answers of the elite are kept and
# not asked for again, so that the whole search costs
#
# $$
# C\,\big(N + (G - 1)(N - e)\big) \text{ queries.}
# $$ (eq-05-cost)
#
# All classes and individuals are one batch.
#
# ### The equations, checked on this page's models

# %%
searches = {name: spec.settings.attacks[name] for name in (attack.name, "random_inputs")}
with one_thread():
    shown = {
        name: {a: gather(spec, model, a, search)[0] for a, search in searches.items()} for name, model in models.items()
    }
search = shown["none"][attack.name]
cost = classes * (attack.population + (attack.generations - 1) * (attack.population - attack.elites))
inside = bool((search.inverted >= 0).all() and (search.inverted <= 1).all())
rising = bool((np.diff(search.history, axis=0) >= 0).all())
best = np.allclose(search.history[-1], search.ipv.diagonal(), rtol=1e-4, atol=1e-12)
print("(22) and (25), every gene stays in [0, 1]:", "holds" if inside else "does not hold")
print("(23), the last fitness is the aimed-at entry of the vector:", "holds" if best else "does not hold")
print("the elite never loses its best:", "holds" if rising else "does not hold")
print("queries as counted by the black box:", "holds" if search.queries == cost else "does not hold")

# %%
# individuals of one value each show the cut, and equal ones the mutation and its strength
rng = torch.Generator().manual_seed(seed)
crowd, alike = torch.linspace(0, 1, 500).expand(classes, -1), torch.full((classes, 500), 0.5)
strengths = [0.1 * attack.decay**t for t in (0, 50)]
cuts = attack.breed(crowd[..., None].repeat(1, 1, 40), alike, 0.0, rng).diff(dim=2) != 0
moved = [attack.breed(alike[..., None].repeat(1, 1, 40), alike, s, rng) - 0.5 for s in strengths]
single = max(int((step != 0).sum(2).max()) for step in moved)
spread = [float(step[step != 0].std()) / s for step, s in zip(moved, strengths, strict=True)]
print("(24), a child is two parents joined at one cut:", "holds" if int(cuts.sum(2).max()) == 1 else "does not hold")
print("(25), one gene mutates:", "holds" if single == 1 else "does not hold")
print("(26), the strength decays:", "holds" if all(abs(s - 1) < 0.1 for s in spread) else "does not hold")

# %%
last = attack.mutation * attack.decay ** (attack.generations - 1)
display(
    Markdown(
        f"Here $N = {attack.population}$, $G = {attack.generations}$, $e = {attack.elites}$, so that one target costs "
        f"{cost:,} queries. The mutation's strength decays from {attack.mutation:.2f} to {last:.2f}."
    )
)

# %% [markdown]
# ## Fitness over the generations

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Best fitness of each class over the generations of the genetic search, before and after unlearning"}, "figure": {"caption": "Best fitness in each generation at RT, one line a class, before and after unlearning.", "name": "fig-05-generations"}}
histories = {name: evidence[attack.name].history for name, evidence in shown.items()}
figures.progress(histories, spec.forgotten, "generation")
plt.show()

# %% [markdown]
# ## Is the search worth its queries?
#
# The control sends smooth random blobs, the same ones for every model, and notes the highest probability that
# any of them gets for a class. One such set of queries serves all classes at once. Where the dashed lines of
# the two kinds lie as far apart as the solid ones, the search adds nothing to the decision.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Highest probability found over the number of queries, genetic search and random blobs, for retained and forgotten classes, before and after unlearning"}, "figure": {"caption": "Highest probability found for the queries spent, mean over the classes of a kind: genetic search and random blobs, at RT.", "name": "fig-05-cost"}}
steps = np.unique(np.geomspace(1, attack.generations, 20).astype(int)) - 1
spent = classes * (attack.population + steps * (attack.population - attack.elites))
curves = [
    inverted.cost_curves(
        evidence[attack.name].history[steps], spent, evidence["random_inputs"].probe, spec.forgotten
    ).assign(control=name)
    for name, evidence in shown.items()
]
figures.cost(pd.concat(curves))
plt.show()

# %% [markdown]
# {numref}`tbl-05-rules` decides. Every column is one rule, applied to the search and to inputs that search for
# nothing alike: blobs, noise, crops of photographs, and labels alone. *Two means* and *mean and deviation* name
# somebody always, or nearly; the other rules may say nothing. *Reach* calls a class forgotten that no input tried is
# answered with.

# %% tags=["nbval-ignore-output"]
scores = (attack.name, "query_reach", "random_inputs", "random_noise", "random_photos", "passive_answers")
caption = f"Exact and silent on {spec.data.name}, k = {k}, percent of targets; trials: {trials}"
display(worth.under_one_rule(found.records, scores, caption=caption, name="tbl-05-rules"))

# %% [markdown]
# ## Success rates
#
# Of targets that pass the [gate](02_unlearning.ipynb); where some do not, a ring stands at the rate of all.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Success rate of black-box inversion by unlearning method for the threshold criterion and both readings of the entropy criterion, with baseline"}, "figure": {"caption": "Black-box inversion on this page's data set: threshold, and entropy in both readings (Figures 14 and 15 of {cite:t}`zheng2026label`).", "name": "fig-05-success"}}
success_rates(success_frame(found.records, readings, ("paper",)))
plt.show()

# %% tags=["nbval-ignore-output"]
table = leakage.leakage_table(found.records, "paper", k, readings)
caption = f"Black-box inversion on {spec.data.name}, k = {k}, trials: {trials}"
display(leakage.to_markdown(table, caption=caption, name="tbl-05-live"))

# %% [markdown]
# ## Exactness against queries
#
# How many queries does it take to name exactly the forgotten class, and nobody on the original model? Every
# reading was given budgets from 10 queries up: random inputs that have nothing to do with the task, answered with
# labels or with probabilities; the search among smooth images; both halved; and the genetic search from a
# population of ten up to the published one. {numref}`fig-05-queries` counts targets of all methods that pass the
# gate, and their original models, as `python -m labelleak_lib.trials.queries` stored them ($k = 1$).

# %% mystnb={"image": {"alt": "Two rows of panels, one column a data set: share of targets named exactly, and of original models met with silence, against the number of queries, one line a reading"}, "figure": {"caption": "Targets named exactly (above) and original models met with silence (below) against the number of queries put to a model; one forgotten class. Joint reach keeps the threshold of its default budget.", "name": "fig-05-queries"}}
asked = query_curves.decided()
reach_figures.queries(query_curves.curves(asked))
plt.show()

# %% [markdown]
# The cheapest budget at which each reading is exact, and silent on the original model, for at least 90% of the
# targets, with the share there. Where it falls below 90% again with the largest budget, that is said:

# %%
display(bullets(query_curves.sentences(asked)))

# %% [markdown]
# Two things end a curve. With few queries retained classes are missed, too, and named beside the forgotten one:
# that also breaks silence. With many queries a search comes upon inputs that lift a class which its method has only
# pushed down. More queries then name *fewer* classes: for such a target the answer depends on how hard one looks.
# [The theory](01_theory.ipynb) says for which methods that must not happen.

# %% [markdown]
# ## The paper's own bar
#
# It is low. An answer that looks at nothing is right for all but $k$ of the $C$ classes. How many of the
# published black-box rates lie below that:

# %%
printed = published.attack_success_rate()
printed = printed[(printed.attack == "blackbox_inversion") & (printed.unlearning != "mean")]
sizes = {name: n for n, name in published.SCENARIOS.items()}
for (scenario, criterion), group in printed.groupby(["scenario", "criterion"], sort=False):
    nothing = baseline(criterion, "paper", sizes[scenario], 10)  # all four data sets have ten classes
    below = int((group.asr_percent < nothing).sum())
    print(f"{criterion}, k = {sizes[scenario]}: {below} of {len(group)} published rates lie below {nothing:.0f}%")

# %% [markdown]
# ## Every data set, from the committed records
#
# Exact and silent, over the targets of the long runs that pass the gate; the first column is the mean over the
# paper's data sets, of which `digits` is none. Intervals are 95%, with a trial for one outcome.

# %% tags=["nbval-ignore-output"]
single = everything[everything.k == 1]
judged = (
    *readings,
    (attack.name, "reach"),
    (attack.name, "largest_gap"),
    ("query_reach", "reach"),
    exact_silent.LABEL_ROW,
)
exact = worth.exact_and_silent(
    single, judged, caption="Black-box inversion, exact and silent, k = 1", name="tbl-05-exact"
)
display(exact if len(single) else Markdown("No long runs are committed yet."))

# %% tags=["nbval-ignore-output"]
caption = "Exact and silent in the long runs, k = 1, percent of targets; data sets alike"
rules = worth.under_one_rule(single, scores, caption=caption, name="tbl-05-all-rules")
display(rules if len(single) else Markdown("No long runs are committed yet."))

# %% tags=["nbval-ignore-output"]
display(Markdown(worth.search_or_not(single) if len(single) else ""))

# %% tags=["nbval-ignore-output"]
display(Markdown("\n\n".join(worth.hard_cells(long_runs, *row) for row in (judged[3], exact_silent.LABEL_ROW))))

# %% [markdown]
# ### Verdict on the published rates
#
# At RT, one forgotten class: does the mean over the paper's own data sets reach the published one?

# %% tags=["nbval-ignore-output"]
display(against_paper.verdict(everything, rows))

# %% [markdown]
# Every cell, judged as published:

# %% tags=["nbval-ignore-output", "hide-output"]
display(leakage.leakage_tabs(long_runs, readings, "tbl-05", ("paper",)))
# Without long runs the figures below show this page's own.
every = long_runs if len(long_runs) else found.records

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Success rate of black-box inversion with the threshold criterion by unlearning method, one panel a data set"}, "figure": {"caption": "Black-box inversion with the threshold criterion, each data set whose records hold it (Figure 14 of {cite:t}`zheng2026label`).", "name": "fig-05-all-threshold"}}
success_rates(success_frame(every, readings[:1], ("paper",)))
plt.show()

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Success rate of black-box inversion with the entropy criterion by unlearning method, one panel a data set"}, "figure": {"caption": "Black-box inversion with the entropy criterion, class aimed at, each data set whose records hold it (Figure 15 of {cite:t}`zheng2026label`).", "name": "fig-05-all-entropy"}}
success_rates(success_frame(every, readings[1:2], ("paper",)))
plt.show()

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Success rate of black-box inversion with the argmax reading of the entropy criterion by unlearning method, one panel a data set"}, "figure": {"caption": "The same with the argmax reading of the entropy criterion, the wording of {cite:t}`zheng2026label`.", "name": "fig-05-all-argmax"}}
success_rates(success_frame(every, readings[2:], ("paper",)))
plt.show()

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Maximum prediction probability of the genetic search's best samples at RT by data set, before and after unlearning"}, "figure": {"caption": "Maximum prediction probability of the search's best samples at RT, each data set whose inverted prediction vectors are stored.", "name": "fig-05-all-peaks"}}
retrained = every[(every.unlearning == "RT") & (every.k == every.k.min())]
evidence = committed.committed_evidence(retrained) if len(long_runs) else found.evidence
peaks = inverted.peak_frame(retrained, evidence, attack.name)
figures.peaks(inverted.with_means(peaks, "dataset"), by="dataset")
plt.show()
