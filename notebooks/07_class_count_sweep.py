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
# # Class-count sweep: what happens as more classes are forgotten
#
# **Claim.** The collapse of the inversion attacks beyond four of ten forgotten classes, which
# {cite:t}`zheng2026label` report, is a property of their threshold and of no model, for evidence that separates the
# classes: with perfect inversion that criterion finds nobody from $k = C/(1+\alpha^2)$ on.
# **Limit.** The prediction is exact for evidence that takes two values. Evidence with spread moves the limit,
# by an amount that is computed here too.
# **Alternative.** A rule that knows no mean and no deviation keeps finding the forgotten classes in the same
# evidence. Two-means does, but accuses somebody on every innocent model; labels alone, under the rule of reach, may
# say nothing, and need no search.
#
# :::{admonition} Reproduce this page
# :class: tip
# From the project's root, with any data set or the path of your own:
#
# ```bash
# papermill notebooks/07_class_count_sweep.ipynb out.ipynb \
#   -p dataset fashion_mnist -y "methods: [RT]"
# ```
# :::

# %% tags=["parameters"]
dataset = "digits"
trials = 1
seed = 0
methods = ("RT", "RL")
device = "auto"
profile = "quick"
records = "reuse"
data_dir = None

# %%
from labelleak_lib.authoring.parameters import require_declared

require_declared()

# %%
import dataclasses

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

from labelleak_lib import Grid, collect
from labelleak_lib.figures import class_count
from labelleak_lib.names import PAPER_ROWS, attack_title
from labelleak_lib.results import class_counts, leakage, markdown
from labelleak_lib.results.markdown import Markdown
from labelleak_lib.results.summary import of_the_paper
from labelleak_lib.theory.collapse import collapse_fraction
from labelleak_lib.trials.committed import committed_evidence, committed_records

# %%
asked = {"dataset": dataset, "seed": seed, "profile": profile, "device": device, "data_dir": data_dir}
grid = Grid(**asked, trials=trials, ks=(1,), methods=tuple(methods))
classes = grid.specs()[0].data.classes
sweep = dataclasses.replace(grid, ks=tuple(range(1, classes)))

# %% [markdown]
# ## On the paper's data sets
#
# {numref}`fig-07-paper` holds the long runs of those that have a sweep: how often each rule names exactly the forgotten
# classes. The threshold of the paper must fall where arithmetic says; rules without mean and deviation need not.

# %%
long_runs = of_the_paper(committed_records())
swept_sets = class_counts.swept(long_runs)
summaries = {}
for name in swept_sets:
    kept = class_counts.same_at_every_k(long_runs[long_runs.dataset == name])
    judged = class_counts.rules_by_k(class_counts.stored_ipvs(kept, committed_evidence(kept)), kept)
    summaries[name] = class_counts.rule_summary(judged)

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "For each data set two panels, one an inversion attack: how often each rule names the set of forgotten classes exactly, against their number"}, "figure": {"caption": "How often each rule names exactly the forgotten classes, by their number (Figure 16 of {cite:t}`zheng2026label`, judged by the set), over the trials and methods of the long runs that pass the gate at every $k$. A panel names the rules that were not run on its data set. Intervals: 95%, from five trials on.", "name": "fig-07-paper"}}
class_count.rules_by_dataset(summaries)
plt.show()

# %% [markdown]
# ## This page's own run

# %%
found = collect(sweep, records=records)

# %% [markdown]
# The sweep forgets $k = 1, \dots, C - 1$ classes, each set of classes within the next one. By default two
# unlearning methods run, to stay fast; give `methods` to choose others.
#
# ## Success against the number of forgotten classes
#
# {numref}`fig-07-asr` is the counterpart of the paper's Figure 16, with $M_o$ on the right. Parameter
# attacks are judged by single auxiliary heads, as published; inversions by class. A line holds the same trials and
# methods at every $k$: those whose targets pass the [gate](02_unlearning.ipynb) at all of them.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Four panels of success rate against the number of forgotten classes: parameter attacks and inversion attacks, on target models and on the placebo. The threshold criterion falls onto the line of an answer that looks at nothing; entropy stays high much longer"}, "figure": {"caption": "Success rate against the number of forgotten classes (Figure 16 of {cite:t}`zheng2026label`), mean over the trials and methods that pass the gate at every $k$. Left: target models. Right: the same on $M_o$. Intervals, from five trials on: 95%.", "name": "fig-07-asr"}}
class_count.success_by_k(class_counts.success_by_k(class_counts.same_at_every_k(found.records), PAPER_ROWS))
plt.show()

# %% tags=["nbval-ignore-output"]
display(Markdown(class_counts.composition(found.records)))

# %% [markdown]
# The dashed line needs a look first. An answer that nothing was forgotten is right for $1 - k/C$ of the
# classes, so that line falls with $k$, and an attack that finds nobody falls along with it. Success rates at
# different $k$ are therefore not comparable with each other. Whether a set is named exactly is.
#
# Every cell with its gate and flags, for the method that defines forgetting:

# %% tags=["nbval-ignore-output"]
method, panels = grid.methods[0], {}
for k in sweep.ks[:: max(1, len(sweep.ks) // 4)]:
    table = leakage.leakage_table(found.records[found.records.unlearning == method], "paper", k)
    caption = f"{method} on {grid.specs()[0].data.name}, judged as published, k = {k}, trials: {trials}"
    panels[f"k = {k}"] = leakage.to_markdown(table, caption=caption, name=f"tbl-07-live-{k}")
display(markdown.tabs(panels))

# %% [markdown]
# ## The threshold criterion must collapse
#
# Let $m_c$ be 0 for the $k = qC$ forgotten classes and 1 for the others. Then $\mu = 1-q$,
# $\sigma = \sqrt{q(1-q)}$, and the threshold $\tau = \mu - \alpha\sigma$ lies above 0 only if
#
# $$
# k < \frac{C}{1 + \alpha^2} .
# $$ (eq-07-collapse)
#
# Shifting or scaling the two values changes nothing. At that $k$ and beyond nobody is accused, although the
# evidence could not be plainer. The [theory chapter](01_theory.ipynb) derives this.

# %%
limits = {alpha: classes * collapse_fraction(alpha) for alpha in (0.8, 1.0, 1.2)}
for alpha, limit in limits.items():
    print(f"alpha = {alpha}: the criterion works below k = {limit:.1f} of {classes}")

# %% [markdown]
# The paper's white-box attack drops when more than four of ten classes are forgotten. By {eq}`eq-07-collapse`
# that is what $\alpha$ between the two values below must do, with no model involved.

# %%
inside = [a for a in np.arange(0.5, 2.0, 0.001) if 4 < 10 * collapse_fraction(float(a)) <= 5]
print(f"alpha from {min(inside):.2f} to {max(inside):.2f}: k = 4 of 10 works, k = 5 does not")

# %% [markdown]
# ### Tested on stored evidence
#
# The prediction is tested without running a model again. The inverted prediction vectors of every target are
# stored, and the criterion is applied to them for many $\alpha$. {numref}`fig-07-collapse` shows how much it
# finds, and the predicted limit.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Two maps, number of forgotten classes against alpha, of the share of forgotten classes found: bright below the predicted curve and dark above it"}, "figure": {"caption": "Share of the forgotten classes that the threshold criterion finds in stored evidence, by $k$ and $\\alpha$, and the limit $k = C/(1+\\alpha^2)$ predicted without looking at it.", "name": "fig-07-collapse"}}
alphas = np.arange(0.4, 2.51, 0.1)
stored = class_counts.stored_ipvs(found.records, found.evidence)
swept = class_counts.alpha_sweep(stored, alphas)
class_count.recall_map(class_counts.recall_map(swept))
plt.show()

# %%
agreement = class_counts.agreement(swept)
for line in agreement.itertuples():
    exact = "yes" if line.share > 0.9 else "no"
    print(f"{attack_title(line.attack)}: prediction right in more than 90% of {line.cells} cases: {exact}")

# %% tags=["nbval-ignore-output"]
lines = [
    f"Right as it stands: {class_counts.in_words(line)}. With the spread of the evidence within each kind of class "
    f"taken into account: {100 * line.share_noisy:.1f}% of {line.cells_noisy:,}."
    for line in agreement.itertuples()
]
lines.append(class_counts.DEPENDENT)
display(Markdown("\n".join(f"- {line}" for line in lines)))

# %% [markdown]
# ## The leak does not collapse
#
# The same stored evidence, judged by rules without mean and deviation ({numref}`fig-07-rules`). *Two-means on
# maxima* splits the $m_c$ where that explains most of their variance. *Two-means on the class aimed at* does
# the same with the probability of the class that the inversion aimed at, $\mathrm{IPV}_c[c]$. The difference
# matters at the far end. With few classes left, $M_u$ gives nearly everything to one of them, whatever it is
# asked, so that the *maximum* is high for forgotten classes too. The probability of the class aimed at is not.
# Beside them stand labels alone: images that search for nothing, under the rule of reach. The lower row says what
# each rule costs: how often it names nobody on $M_o$.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Above: how often four rules name the set of forgotten classes exactly, against their number; the threshold falls to zero at the predicted limit. Below: how often each names nobody on the original model; two-means never does"}, "figure": {"caption": "Above: how often four rules name exactly the forgotten classes, on the same target models. Below: how often they are silent on the original models. Only the threshold depends on mean and deviation.", "name": "fig-07-rules"}}
kept = class_counts.same_at_every_k(found.records)
judged = class_counts.rules_by_k(class_counts.stored_ipvs(kept, found.evidence), kept)
class_count.rules(class_counts.rule_summary(judged))
plt.show()

# %%
beyond = judged[(judged.control == "none") & (judged.k >= limits[1.0])]
for rule, share in beyond.groupby("rule", sort=False).exact.mean().items():
    print(f"{rule}: from the limit on, exact in more than half of the cases: {'yes' if share > 0.5 else 'no'}")
silent = judged[judged.control == "placebo"].groupby("rule", sort=False).silent.mean()
for rule, share in silent.items():
    print(f"{rule}: silent on more than half of the originals: {'yes' if share > 0.5 else 'no'}")

# %% [markdown]
# ## Every data set, from the committed records
#
# Where the long runs hold a sweep, the same questions are answered for each data set: how often each rule names
# the set exactly, *gated* over the trials and methods that pass the gate at every $k$ and *ungated* over all that were
# run at every $k$, and how often it is silent on the $M_o$ of these. So a line holds the same trials at every $k$.

# %% tags=["nbval-ignore-output"]
long_runs = committed_records()
swept_sets = class_counts.swept(long_runs)
by_set = {}
for name in swept_sets:
    runs = long_runs[long_runs.dataset == name]
    label = f"tbl-07-{name}".replace("_", "-")
    by_set[name] = class_counts.answers(runs, committed_evidence(runs), alphas, name=label)
display(markdown.tabs(by_set) if by_set else Markdown("No data set has a committed sweep yet."))

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Success rate against the number of forgotten classes, from the long runs of one data set, on target models and on the placebo"}, "figure": {"caption": "Success rate against the number of forgotten classes in the long runs of one data set, named above the panels: target models on the left, $M_o$ on the right.", "name": "fig-07-long"}}
swept_runs = long_runs[long_runs.dataset.isin(swept_sets)]
chosen = class_counts.most_complete(swept_runs, PAPER_ROWS) if swept_sets else None
drawn = long_runs[long_runs.dataset == chosen] if chosen else found.records
class_count.success_by_k(class_counts.success_by_k(class_counts.same_at_every_k(drawn), PAPER_ROWS))
plt.show()

# %% [markdown]
# ## What follows
#
# The published collapse is confirmed, and its explanation changes. It comes from the threshold, at a place that
# arithmetic gives in advance, for any model whose evidence separates the classes. Whether the evidence still
# separates them there, the rules without mean and deviation show. Where they do, a provider who forgets half
# of the classes is not safer for it. What a rule that always names somebody finds is no leak by itself: the rule has
# to be silent on innocent models as well.
