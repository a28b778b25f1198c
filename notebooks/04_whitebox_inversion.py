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
# # White-box inversion: does it fail on forgotten classes only?
#
# **Claim.** {cite:t}`zheng2026label` search, by gradient steps on the input, for a sample that $M_u$ assigns
# to a class. After retraining, the search fails on the forgotten classes and succeeds on the others, so the
# forgotten classes show.
# **Limit.** Where a class was pushed down rather than removed, the search finds an input for it all the same.
# The published wording of the entropy criterion names a wrong class exactly where the inversion fails as it
# should. And both criteria accuse some class whether or not anything was forgotten: a row is a leak where it is
# *exact and silent*, names the forgotten classes and no other, and nobody on $M_o$.
# **Alternative.** A rule that can say nothing, on the same inversions. And random inputs, which search for nothing,
# rank the classes too: they stand beside the attack, under the same rules.
#
# :::{admonition} Reproduce this page
# :class: tip
# From the project's root, with any data set or the path of your own:
#
# ```bash
# papermill notebooks/04_whitebox_inversion.ipynb out.ipynb \
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
import pandas as pd
from IPython.display import display

from labelleak_lib import Grid, collect
from labelleak_lib.figures import inversion as figures
from labelleak_lib.figures.success import at_a_glance, success_rates
from labelleak_lib.names import PAPER_ROWS
from labelleak_lib.paper import published

# %%
from labelleak_lib.results import against_paper, exact_silent, inverted, leakage, paper_shape, worth
from labelleak_lib.results.leakage import success_frame
from labelleak_lib.results.markdown import Markdown, escaped
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
# {numref}`fig-04-paper` and {numref}`tbl-04-shape` show the long runs; the table has the shape of the paper's
# Tables VII and VIII, upper half. A rate near the published one, or above it, is not yet a leak. The colour says what it is
# worth: how often the row is *exact and silent*.

# %%
everything = committed.committed_records()
long_runs = everything[everything.k.isin([1, 3])]
rows = PAPER_ROWS[3:5]

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "One panel a criterion and number of forgotten classes, methods side by side, one colour a data set: measured rates with intervals, published values, and the level of an answer that looks at nothing"}, "figure": {"caption": "Success rates of white-box inversion on the paper's data sets, from the long runs: measured, and as published {cite:p}`zheng2026label`. Intervals are drawn from five trials on.", "name": "fig-04-paper"}}
at_a_glance(success_frame(of_the_paper(long_runs), rows, ("paper",)))
plt.show()

# %% tags=["nbval-ignore-output"]
display(paper_shape.success(long_runs, rows, name="tbl-04-shape"))

# %% [markdown]
# ## This page's own run

# %%
found = collect(grid, records=records)
readings = (*rows, ("whitebox_inversion", "entropy_argmax"))
attack = spec.settings.attacks["whitebox_inversion"]
display(
    Markdown(
        f"**This page: `{spec.data.name}`** ({spec.data.variant}), {classes} classes, forgotten in the first trial: "
        f"{', '.join(escaped(names[c]) for c in spec.forgotten)}. Trials: {trials}. The attack, profile `{profile}`: `{attack!r}`."
    )
)

# %% [markdown]
# ## The attack
#
# The attacker sees $M_u$ with its parameters and holds **no data** (Table I). {numref}`fig-04-scheme` shows
# both inversion attacks; [the next chapter](05_blackbox_inversion.ipynb) takes the lower branch.

# %% mystnb={"image": {"alt": "Diagram: from a random start for each class, gradient steps or a genetic search lead to an inverted sample; its prediction vector goes to the threshold or to the entropy criterion, which name the forgotten classes"}, "figure": {"caption": "The inversion attacks (Figure 2 of {cite:t}`zheng2026label`).", "name": "fig-04-scheme"}}
figures.scheme()
plt.show()

# %% [markdown]
# Classic model inversion {cite:p}`fredrikson2015model` descends the loss of class $c$ in input space:
#
# $$
# x_{t+1} = x_t - \eta \nabla_x \ell(f(x_t), c) .
# $$ (eq-04-plain)
#
# On deep networks it finds noise. The paper starts several times,
#
# $$
# x_0^{(r)} \sim \mathcal{N}(0, I), \quad r = 1, \dots, R ,
# $$ (eq-04-starts)
#
# adds a penalty on the input's size and on its total variation {cite:p}`rudin1992nonlinear`,
#
# $$
# \begin{gathered}
# L_c(x) = \ell(f(x), c) + \lambda_2 \lVert x \rVert_2^2 \\
# {} + \lambda_{TV}\, \mathrm{TV}(x), \\
# x_{t+1} = x_t - \eta \nabla_x L_c(x_t) ,
# \end{gathered}
# $$ (eq-04-objective)
#
# and keeps the best of the $R$ results:
#
# $$
# \begin{gathered}
# x_c^* = \arg\min_r L_c\big(x_T^{(r)}\big), \\
# \mathrm{IPV}_c = \operatorname{softmax} f(x_c^*) .
# \end{gathered}
# $$ (eq-04-best)
#
# These are its equations (18) to (21). The steps here are those of Adam {cite:p}`kingma2015adam` by default,
# and all classes and starts are one batch.
#
# ### Screening
#
# Let $m_c = \max_j \mathrm{IPV}_c[j]$. The **threshold criterion** calls a class forgotten if its maximum lies
# far below the mean (equations (27) to (30)):
#
# $$
# \begin{gathered}
# \mu = \frac1C \sum_c m_c, \\
# \sigma^2 = \frac1C \sum_c (m_c - \mu)^2, \\
# \tau = \mu - \alpha\sigma, \qquad \{c : m_c < \tau\} .
# \end{gathered}
# $$ (eq-04-threshold)
#
# The **entropy criterion** sorts every vector, splits them by k-means into two clusters $S_1$ and $S_2$, and
# calls the cluster with the higher mean entropy forgotten (equation (31)):
#
# $$
# \begin{gathered}
# \bar H(S) = \frac{1}{|S|} \sum_{c \in S} H_c, \\
# H_c = - \sum_j \mathrm{IPV}_c[j] \ln \mathrm{IPV}_c[j] .
# \end{gathered}
# $$ (eq-04-entropy)
#
# Which class does a vector of that cluster stand for? This book takes the class that the inversion **aimed
# at**. The paper's wording takes the **argmax** of the vector. Both are measured below.
#
# ### The equations, checked on this page's models

# %%
import numpy as np
import torch
from scipy.stats import entropy
from torch.nn.functional import cross_entropy

from labelleak_lib.attacks.gradient_inversion import GradientInversion, total_variation
from labelleak_lib.criteria.inversion import EntropyCriterion, Threshold
from labelleak_lib.models.access import WhiteBox
from labelleak_lib.trials.seeds import make_generator

# %%
with one_thread():
    original, target = original_and_unlearned(spec, "RT")
models = {"placebo": original, "none": target}
box, shape, on = WhiteBox(original), spec.model_spec.shape, next(original.parameters()).device
plain = GradientInversion(steps=5, starts=1, lr=0.1, l2=0, tv=0, optimizer="sgd")
x = torch.randn((classes, *shape), generator=make_generator(0)).to(on).requires_grad_(True)
for _ in range(plain.steps):
    loss = cross_entropy(original(x), torch.arange(classes, device=on), reduction="sum")
    x = (x - plain.lr * torch.autograd.grad(loss, x)[0]).detach().requires_grad_(True)
same = torch.allclose(plain.evidence(box, generator=make_generator(0)).inverted, x.detach().cpu(), atol=1e-4)
print("(18) is the case of one start and no penalty:", "holds" if same else "does not hold")

# %%
several = GradientInversion(steps=1, starts=4, lr=1e-9, l2=0.01, tv=0.01, optimizer="sgd")
x = torch.randn((classes * several.starts, *shape), generator=make_generator(1)).to(on)
aim = torch.arange(classes, device=on).repeat_interleave(several.starts)
penalty = several.l2 * x.pow(2).sum((1, 2, 3)) + several.tv * total_variation(x)
objective = (cross_entropy(original(x), aim, reduction="none") + penalty).detach().view(classes, -1)
best = x.view(classes, several.starts, *shape)[torch.arange(classes), objective.argmin(1).cpu()]
same = torch.allclose(several.evidence(box, generator=make_generator(1)).inverted, best.cpu(), atol=1e-5)
print("(19) to (21) keep the start with the lowest objective:", "holds" if same else "does not hold")
by_hand = total_variation(torch.tensor([[[[0.0, 1.0], [2.0, 4.0]]]])).item() == (2 - 0) + (4 - 1) + (1 - 0) + (4 - 2)
print("total variation of a 2 x 2 image, by hand:", "holds" if by_hand else "does not hold")

# %%
with one_thread():
    shown = {name: gather(spec, model, attack.name, attack)[0] for name, model in models.items()}
ipv = shown["none"].ipv
m = ipv.max(1)
called = {c for c in range(classes) if m[c] < np.mean(m) - np.sqrt(np.mean((m - np.mean(m)) ** 2))}
print("(27) to (30):", "holds" if Threshold(alpha=1.0).decide(shown["none"]) == called else "does not hold")
higher = EntropyCriterion().decide(shown["none"])
nats = [entropy(vector) for vector in ipv]
inside, outside = (np.mean([h for c, h in enumerate(nats) if (c in higher) == side]) for side in (True, False))
print("(31):", "holds" if higher and inside > outside else "does not hold")

# %% [markdown]
# ## What an inverted sample looks like
#
# The third and second row of {numref}`fig-04-images` are inversions of the same class on $M_u$ and on $M_o$.
# To the eye neither shows the class. What separates them is not how they look but how the model answers.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Three rows of images, one column a class: mean training image, inverted sample on the original model, inverted sample on the unlearned model"}, "figure": {"caption": "Mean training image, and inverted samples before and after unlearning by RT, the forgotten classes first and in colour (Figure 3 of {cite:t}`zheng2026label`). Each image is stretched to its own extremes.", "name": "fig-04-images"}}
images = {"real, mean": inverted.mean_images(spec.part("train"), classes)}
images |= {"inverted, $M_o$": shown["placebo"].inverted.numpy(), "inverted, $M_u$": shown["none"].inverted.numpy()}
figures.image_grid(images, names, spec.forgotten)
plt.show()

# %% [markdown]
# ## The maximum prediction probability
#
# This is the observation that the attack rests on. Before unlearning, real and inverted samples alike get a
# high probability from the model. After retraining, real samples of a forgotten class still get a fairly high
# one, since the model takes them for something else. Their *inverted* samples do not.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Dots of the maximum prediction probability of real and inverted samples, before and after unlearning, for retained and forgotten classes"}, "figure": {"caption": "Maximum prediction probability of real test samples (mean of each class) and of inverted samples, before and after unlearning by RT (Figure 4 of {cite:t}`zheng2026label`).", "name": "fig-04-peaks"}}
mine = found.records[found.records.unlearning == "RT"]
peaks = inverted.peak_frame(mine, found.evidence, attack.name)
real = inverted.real_peaks(models, spec.part("test"), spec.forgotten)
both = pd.concat([real.assign(samples="real samples"), peaks.assign(samples="inverted samples")])
figures.peaks(inverted.with_means(both, "samples"))
plt.show()

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Probability of the class aimed at over gradient steps, one line a class, before and after unlearning"}, "figure": {"caption": "The way there: probability of the class aimed at, best of the starts, over the gradient steps.", "name": "fig-04-steps"}}
figures.progress({name: evidence.history for name, evidence in shown.items()}, spec.forgotten, "gradient step")
plt.show()

# %% [markdown]
# ## From probabilities to a decision
#
# The threshold $\tau$ is relative: it follows the mean and the spread of the $m_c$, however small the spread
# is. So on $M_o$, where every $m_c$ is high, it falls among them and can accuse a class that was never
# forgotten. The two clusters of the entropy criterion are never empty, so that it always accuses someone.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Bars of the maximum prediction probability of each class with the threshold tau, before and after unlearning; triangles mark classes called forgotten"}, "figure": {"caption": "The threshold criterion at work in the first trial at RT, $\\alpha = 1$. Triangles: classes called forgotten.", "name": "fig-04-threshold"}}
figures.screening(inverted.screened(peaks[peaks.trial == peaks.trial.min()]))
plt.show()

# %% tags=["nbval-ignore-output"]
lines = []
for c in spec.forgotten:
    answer = int(ipv[c].argmax())
    verb = "also named by the argmax" if answer == c else "while the argmax names another class"
    aim, met = escaped(names[c]), escaped(names[answer])
    lines.append(f"- Aimed at **{aim}**, which was forgotten: the vector peaks at {met}, {verb}.")
display(Markdown("The two readings of the entropy criterion, at RT:\n\n" + "\n".join(lines)))

# %% [markdown]
# A model retrained without a class gives it next to no probability on any input. The vector of such a class
# peaks somewhere else, at a class that was *not* forgotten. The argmax reading then makes two mistakes at
# once: it accuses that one, and lets the forgotten one go.

# %% tags=["nbval-ignore-output"]
both = leakage.leakage_table(mine, "paper", k, readings).set_index("criterion").measured
printed = published.published_asr("whitebox_inversion", "entropy", "RT", k)
display(
    Markdown(
        f"Measured at RT: {both['entropy']:.1f}% for the class aimed at, {both['entropy_argmax']:.1f}% for the argmax. "
        f"Published: {'nothing for this k' if printed is None else f'{printed:.2f}%'}."
    )
)

# %% [markdown]
# ## Success rates
#
# Of targets that pass the [gate](02_unlearning.ipynb); where some do not, a ring stands at the rate of all. The
# dashed line is what "nothing was forgotten" scores, $1 - k/C$. The paper draws its baseline at one half.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Success rate of white-box inversion by unlearning method for the threshold criterion and both readings of the entropy criterion, with baseline"}, "figure": {"caption": "White-box inversion on this page's data set: threshold, and entropy in both readings (Figures 12 and 13 of {cite:t}`zheng2026label`).", "name": "fig-04-success"}}
success_rates(success_frame(found.records, readings, ("paper",)))
plt.show()

# %% tags=["nbval-ignore-output"]
table = leakage.leakage_table(found.records, "paper", k, readings)
caption = f"White-box inversion on {spec.data.name}, k = {k}, trials: {trials}"
display(leakage.to_markdown(table, caption=caption, name="tbl-04-live"))

# %% [markdown]
# The attack is the same under both protocols, since neither criterion needs a label.
#
# ## Exact and silent, under one rule
#
# {numref}`tbl-04-rules` puts the inversion beside inputs that search for nothing: smooth blobs, uniform noise,
# and the free reading by labels alone. Every column is one rule, applied to all of them alike. *Two means* and
# *mean and deviation* name somebody always, or nearly; the other rules may say nothing. *Reach* calls a class
# forgotten that no input tried is answered with.

# %% tags=["nbval-ignore-output"]
scores = (attack.name, "random_inputs", "random_noise", "passive_answers")
caption = f"Exact and silent on {spec.data.name}, k = {k}, percent of targets; trials: {trials}"
display(worth.under_one_rule(found.records, scores, caption=caption, name="tbl-04-rules"))

# %% [markdown]
# ## Every data set, from the committed records
#
# Exact and silent, over the targets of the long runs that pass the gate; the first column is the mean over the
# paper's data sets, of which `digits` is none. Intervals are 95%, with a trial for one outcome.

# %% tags=["nbval-ignore-output"]
single = everything[everything.k == 1]
judged = (*readings, (attack.name, "reach"), (attack.name, "largest_gap"), exact_silent.LABEL_ROW)
exact = worth.exact_and_silent(
    single, judged, caption="White-box inversion, exact and silent, k = 1", name="tbl-04-exact"
)
display(exact if len(single) else Markdown("No long runs are committed yet."))

# %% tags=["nbval-ignore-output"]
caption = "Exact and silent in the long runs, k = 1, percent of targets; data sets alike"
rules = worth.under_one_rule(single, scores, caption=caption, name="tbl-04-all-rules")
display(rules if len(single) else Markdown("No long runs are committed yet."))

# %% tags=["nbval-ignore-output"]
display(Markdown(worth.hard_cells(long_runs, attack.name, "reach")))

# %% [markdown]
# ### Verdict on the published rates
#
# At RT, one forgotten class: does the mean over the paper's own data sets reach the published one?

# %% tags=["nbval-ignore-output"]
display(against_paper.verdict(everything, rows))

# %% [markdown]
# Every cell, judged as published:

# %% tags=["nbval-ignore-output", "hide-output"]
display(leakage.leakage_tabs(long_runs, readings, "tbl-04", ("paper",)))
# Without long runs the figures below show this page's own.
every = long_runs if len(long_runs) else found.records

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Success rate of white-box inversion with the threshold criterion by unlearning method, one panel a data set"}, "figure": {"caption": "White-box inversion with the threshold criterion, each data set whose records hold it (Figure 12 of {cite:t}`zheng2026label`).", "name": "fig-04-all-threshold"}}
success_rates(success_frame(every, readings[:1], ("paper",)))
plt.show()

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Success rate of white-box inversion with the entropy criterion by unlearning method, one panel a data set"}, "figure": {"caption": "White-box inversion with the entropy criterion, class aimed at, each data set whose records hold it (Figure 13 of {cite:t}`zheng2026label`).", "name": "fig-04-all-entropy"}}
success_rates(success_frame(every, readings[1:2], ("paper",)))
plt.show()

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Success rate of white-box inversion with the argmax reading of the entropy criterion by unlearning method, one panel a data set"}, "figure": {"caption": "The same with the argmax reading of the entropy criterion, the wording of {cite:t}`zheng2026label`.", "name": "fig-04-all-argmax"}}
success_rates(success_frame(every, readings[2:], ("paper",)))
plt.show()

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Maximum prediction probability of inverted samples at RT by data set, before and after unlearning, for retained and forgotten classes"}, "figure": {"caption": "Maximum prediction probability of inverted samples at RT, each data set whose inverted prediction vectors are stored (Figure 4 of {cite:t}`zheng2026label`).", "name": "fig-04-all-peaks"}}
retrained = every[(every.unlearning == "RT") & (every.k == every.k.min())]
evidence = committed.committed_evidence(retrained) if len(long_runs) else found.evidence
peaks = inverted.peak_frame(retrained, evidence, attack.name)
figures.peaks(inverted.with_means(peaks, "dataset"), by="dataset")
plt.show()

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Maximum prediction probability of inverted samples by unlearning method over several data sets, before and after unlearning"}, "figure": {"caption": "The same for every unlearning method, all these data sets together: where the class was pushed down rather than removed, its inverted samples keep a high probability.", "name": "fig-04-all-methods"}}
single = every[every.k == every.k.min()]
evidence = committed.committed_evidence(single) if len(long_runs) else found.evidence
peaks = inverted.peak_frame(single, evidence, attack.name)
figures.peaks(inverted.with_means(peaks, "unlearning"), by="unlearning")
plt.show()
