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
# # Defences: what a provider can do
#
# **Claim.** What a defence is worth depends on what the attacker gets at and on whether the attacker knows it. So each is
# put to every attack that its access grants, and to attacks written against it.
# **Limit.** An attack that fails here shows that *it* fails. The trials are few, and the intervals say how few.
# **Alternative.** Publish nothing of the model, or say openly which class was forgotten: there is then no label to
# leak. The [audit](09_audit.ipynb) says what a model of your own gives away.
#
# :::{admonition} Reproduce this page
# :class: tip
# From the project's root, with any data set, and with the defences of your choice:
#
# ```bash
# papermill notebooks/10_defences.ipynb out.ipynb \
#   -p dataset fashion_mnist -y "defences: [mask, surplus]"
# ```
# :::
#
# `methods` and `defences` say what this page runs itself; the tables further down read the committed records, which
# `python -m labelleak_lib.trials.defended digits --trials 5` makes anew.

# %% tags=["parameters"]
dataset = "digits"
trials = 1
seed = 0
methods = ("RT",)
defences = ("mean_row", "drop_rows", "mask")
device = "auto"
profile = "quick"
records = "reuse"
data_dir = None

# %%
from labelleak_lib.authoring.parameters import require_declared

require_declared()

# %%
import matplotlib.pyplot as plt
from IPython.display import display

from labelleak_lib import TrialSpec
from labelleak_lib.checks import require_choice, require_int
from labelleak_lib.figures import defences as drawn
from labelleak_lib.registry import DEFENCES, METHODS
from labelleak_lib.results import advice, defended, defended_tables
from labelleak_lib.results.defences import ACCESSES, CEILING, NONE, UNIT, defence_title
from labelleak_lib.results.markdown import Markdown, bullets
from labelleak_lib.trials.defended import collect, stored

# %%
require_choice("records", records, ("reuse", "recompute"))
require_int("trials", trials, low=1)
for kind, registry, asked in (("method", METHODS, methods), ("defence", DEFENCES, defences)):
    for name in asked:
        require_choice(kind, name, tuple(registry))
parameters = {"dataset": dataset, "seed": seed, "profile": profile, "device": device, "data_dir": data_dir}
specs = [TrialSpec.from_parameters(**parameters, trial=trial) for trial in range(trials)]

# %% [markdown]
# ## What there is
#
# {numref}`tbl-10-defences` lists the defences. LB-HR and TS-BGRM are of {cite:t}`zheng2026classification`, TREW is of
# {cite:t}`ebrahimpour2025necessity`; each unlearns by itself in its source, so that it is tried behind other methods
# and on $M_o$ as it is. DP-SGD, label smoothing and temperature are older than unlearning. The others are the plainest
# that come to mind, or ours. A defence is applied to what a method returns (*dummy classes* are added before), and
# where nothing was forgotten it is applied all the same: a provider who defends only what was unlearned says so. Those
# that touch forgotten rows alone leave such a model as it is.

# %%
caption = "The registered defences; the attacks in the last column know them"
display(defended_tables.catalogue(caption=caption, name="tbl-10-defences"))

# %% [markdown]
# ## Who attacks
#
# An attacker sees *labels*, or *answers* (whatever probabilities are given out), or the *parameters*. Some hold more: a
# few *samples* of every class; the *list of classes* that there once were; the *original model*. Every defence meets
# the readings and reaches of the chapters before, under the rule of reach or the largest gap, both of which may say
# nothing; the published inversions, which take most of the time, are left out, but for the white box on the small
# network. Besides, it meets the attacks of {numref}`tbl-10-attacks` that were written against it. Where a provider
# publishes no parameters, who needs them has no access, and nothing is measured.
#
# One kind of attacker stands apart: who holds *inputs of the task*, labelled or not, sees that none of them is answered
# with the class. A model that forgot cannot hide that, since it is what forgetting means. Such attacks are a ceiling,
# with the parameters or without, and no defence is held against them.

# %%
caption = "Attacks that know a defence, and those that hold inputs of the task"
display(defended_tables.attacks_that_know(caption=caption, name="tbl-10-attacks"))

# %% [markdown]
# ## A trial of this page's own
#
# {numref}`tbl-10-own` counts attacks. One is *exact* where it names the forgotten class and nothing else on the
# published $M_u$, and *silent* where it names nobody on the published $M_o$. Who accuses the same class on both is not
# silent. A published model has forgotten where it answers no more of the class's test samples with the class than the
# [gate](02_unlearning.ipynb) allows; what still knows it has no label to hide, and counts for no share.

# %% tags=["nbval-ignore-output"]
own = defended.judged(collect(specs, (NONE, *defences), tuple(methods), records=records))
caption = (
    f"How many attacks are exact, silent, and both on what is published; {specs[0].data.name}, one forgotten class"
)
display(defended_tables.named_in(own, caption=caption, name="tbl-10-own"))

# %%
below = own[own.forgot & ~own.access.isin(CEILING)]
shares = below.groupby("defence", sort=False).both.max()
for name, share in shares.items():
    print(f"{defence_title(name)}: exact and silent for at least one attack: {'yes' if share else 'no'}")

# %% [markdown]
# ## What leaks behind each
#
# From here on everything is read from the committed records. A number in {numref}`fig-10-leaks` is how often the
# strongest attack of that access is exact and silent, as the mean over data sets. The strongest of several attacks
# always looks somewhat stronger than it would in other trials. A frame says that it knows the defence, and gets more
# than any that does not.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Three maps below one another, defences against accesses, with the share of targets for which the strongest attack is exact and silent; frames mark attacks that know the defence"}, "figure": {"caption": "Exact and silent by defence and access, percent of the targets that forgot: the strongest of several attacks. Framed: it knows the defence. Star: some attack of that access ranks the class first more often than a guess. Grey: not granted, or not run. A defence is missing where no published model forgot.", "name": "fig-10-leaks"}}
lines = stored()
leaks = defended.leaks(defended.judged(lines))
titles = {name: defence_title(name) for name in (NONE, *DEFENCES)}
drawn.heat_map(defended.by_access(leaks), titles, {access: access for access in ACCESSES.values()})
plt.show()

# %% [markdown]
# The same by data set. First stands the strongest attack of all that holds no inputs of the task, with Clopper and
# Pearson's interval, the number of attacks among which it is, and what a guess would get. A guess is among the classes,
# or, behind dummy classes, among all outputs that nothing is answered with: who guesses there needs to know the
# defence. *Ranked first* needs no rule: how often the forgotten class has the highest score, on average over the
# attacks. Where that is far above a guess, and the strongest attack is not, the defence fools rules, and not the scores
# that they read. The columns after it are the accesses of {numref}`fig-10-leaks`.

# %% tags=["nbval-ignore-output"]
worst = defended.worst(leaks)
first = defended.strongest(leaks, [*UNIT, "access"])
caption = "Exact and silent, percent of the targets that forgot: the strongest attack, and the strongest by access"
display(defended_tables.leaks_by_set(first, worst, caption=caption, name="tbl-10-leaks"))

# %% [markdown]
# *Rows removed* leave no output to name, so that the zeros of whoever reads outputs alone hold by construction. What is
# left to ask there is who knows the list of classes, or holds the original model, and counts the outputs.
#
# ## What it costs
#
# Points of accuracy and the Brier score are compared with the model that the defence was handed, on test samples of
# retained classes; below zero the defence trained on, and helped. The Brier score asks for good probabilities, and so
# sees what labels alone take away from honest users.

# %% tags=["nbval-ignore-output"]
prices = defended.prices(lines)
caption = "What a defence costs: points of accuracy, change of the Brier score, and seconds, means over trials"
display(defended_tables.prices_by_set(prices, caption=caption, name="tbl-10-prices"))

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Scatter of the share that the strongest attack gets against the points of accuracy that a defence loses, one dot a defence and method, with a line at the rate of a guess"}, "figure": {"caption": "What a defence costs, and what the strongest attack still gets, means over data sets. Named: defences that leak on at most half of the targets, or cost more than a point. Dashed: a guess.", "name": "fig-10-price"}}
drawn.price_and_leak(defended.cost_and_leak(worst, prices), titles)
plt.show()

# %% [markdown]
# ## Who knows the defence
#
# A defence that is kept secret is no defence: what a provider does is in its papers and in its code. The attacks below
# were written for one kind of defence each. Beside them stands the strongest attack that knows nothing of it. *Row
# evenness* was chosen among eleven readings by the first three trials on digits, so that its shares there flatter it.

# %% tags=["nbval-ignore-output"]
caption = "What attacks that know the defence get, percent of the targets that forgot"
display(defended_tables.recovered_by_set(leaks, worst, caption=caption, name="tbl-10-known"))

# %% [markdown]
# ## What to do
#
# Three sentences, written by code from the records above. A defence *holds* where on no data set any attack is exact and
# silent more often than a guess, nor ranks the class first more often than chance explains; it must have met every data
# set. With few trials an attack that is often right may still pass for a guess: the sentences say what is not ruled out.

# %% tags=["nbval-ignore-output"]
display(bullets(advice.sentences(leaks, worst, prices)))

# %% tags=["nbval-ignore-output"]
display(Markdown(advice.absent(lines, tuple(DEFENCES))))

# %% [markdown]
# ## What is not covered
#
# - Methods other than retraining and negative gradient, more than one forgotten class, larger networks and images.
# - Attackers who hold the original model, except where an output is missing; an [audit](../audit_your_model.md) compares
#   both models. Attackers who see several models of one provider.
# - Searches that adapt to a defence of the answers, such as a search by labels alone. Attacks here know the defence, not
#   its seed, and each is one idea: a better one may be found.
# - Guarantees. Behind dummy classes a retrained model has one, by symmetry: its class was drawn and pushed down as every
#   dummy was, so that no attack names it more often than a guess among them does. The others are measured, and no more.
