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
# # Theory: what the parameter attacks measure
#
# The parameter attacks of {cite:t}`zheng2026label` compare the last layer of the target model $M_u$ with
# small heads that the attacker trains over its frozen features. Their argument (sections IV-A and IV-B,
# equations 1 to 17) says that a head trained on a retained class points along $w_u$, and that one trained
# on a forgotten class is orthogonal to it.
#
# This chapter checks every equation three times: on synthetic features where the assumptions hold exactly,
# on synthetic features where each assumption is broken alone, and on the features of a trained network.
#
# :::{admonition} What comes out
# :class: note
# The conclusion (17) is right, but not for the stated reasons: with one-hot targets it needs neither
# whitening nor orthogonal features. The step (15) fails for the sets that the attack uses. And a head
# trained on one class measures, at every step of its training, how well $M_u$ classifies the samples that
# the attacker holds: **the dot product asks what a direct query would answer.**
# :::
#
# The limit: the exact statements concern linear heads over frozen features, trained by full-batch gradient
# descent. The alternative to reading the proofs is the [table of checks](theory-checks), which holds
# one row for each claim.
#
# :::{admonition} Reproduce this page
# :class: tip
# From the project's root, with any data set or the path of your own:
#
# ```bash
# papermill notebooks/01_theory.ipynb out.ipynb \
#   -p dataset fashion_mnist
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
from IPython.display import display

from labelleak_lib import Grid, TrialSpec, theory
from labelleak_lib.checks import require_choice
from labelleak_lib.criteria import arithmetic
from labelleak_lib.figures import theory as figures
from labelleak_lib.figures.reach import dose as draw_dose
from labelleak_lib.models import classifier

# %%
from labelleak_lib.nulls.stored import stored
from labelleak_lib.results import survey, surveyed, unreachable
from labelleak_lib.results.markdown import bullets, numbered
from labelleak_lib.theory import assumptions, collapse, dials, difference, heads, measured, probe, reach, softmax
from labelleak_lib.theory.lemma_checks import OVERLAPPING_MAXIMA, relu_features
from labelleak_lib.theory.synthetic import ExactFeatures
from labelleak_lib.trials.committed import committed
from labelleak_lib.trials.originals import original_model, unlearned_model

# %%
asked = {"dataset": dataset, "seed": seed, "profile": profile, "device": device, "data_dir": data_dir}
grid = Grid(**asked, trials=trials, ks=(k,), forgotten=forgotten)
require_choice("records", records, ("reuse", "recompute"))
pd.set_option("display.max_colwidth", None, "display.max_rows", None)
checks = theory.theory_checks(seed)


# %%
def show(*equations, features="exact"):
    """Print the checks of some equations on features where every assumption holds, or on any others."""
    chosen = checks[checks["equation"].isin(equations) & (checks["features"] == features)]
    for row in chosen.itertuples():
        expected = "" if row.expected else ", as it should not"
        print(f"({row.equation}) {row.claim}: {'holds' if row.holds else 'does not hold'}{expected}")


# %% [markdown]
# ## Equations 1 to 17, where every assumption holds
#
# Symbols are those of the [notation page](../notation.md). The text of the paper that we have lacks its
# displayed equations, so the ones below are restored from the prose around them.
#
# The synthetic features are balanced classes. Class $c$ has mean $\mu_c$, all of one length below 1 and
# orthogonal to each other, and second moment exactly $I$. Its covariance is therefore
# $I - \mu_c\mu_c^\top$, and $H = I$ on every class and on every mixture of classes at once.
#
# ### Six expectations
#
# For $S$ one of $D_r$ (everything retained), $D_r'$ (a sample of one retained class) and $D_f'$ (a sample
# of a candidate class, here a forgotten one), the argument needs second moments, and what the paper calls
# label features. One-hot targets $y$ make a label feature a matrix with one row for each class:
#
# $$
# \begin{gathered}
# H_r = E_r[\phi\phi^\top] \;(1), \\
# H_{r'} = E_{r'}[\phi\phi^\top] \;(2), \\
# H_{f'} = E_{f'}[\phi\phi^\top] \;(3)
# \end{gathered}
# $$
#
# $$
# \begin{gathered}
# E_r[y\phi^\top] \;(4), \qquad E_{r'}[y\phi^\top] \;(5), \\
# E_{f'}[y\phi^\top] \;(6)
# \end{gathered}
# $$
#
# Row $c$ of a label feature is $\pi_c\mu_c$, where $\pi_c$ is the share of class $c$ in the set.

# %%
show("1", "2", "3", "4", "5", "6")

# %% [markdown]
# ### Gradient, Hessian, whitening
#
# A linear head $W$ with the squared loss has the risk $R_S(W) = \tfrac12 E_S|W\phi - y|^2$. It is a
# quadratic function, so
#
# $$
# \begin{gathered}
# \nabla R_S(W) = W H_S - E_S[y\phi^\top] \;(7), \\
# \nabla^2 R_S = I_C \otimes H_S \;(8), \\
# H_r = H_{r'} = H_{f'} = I \;(9)
# \end{gathered}
# $$
#
# (7) and (8) are calculus; automatic differentiation in double precision agrees. (9) is an assumption,
# which these features meet.

# %%
show("7", "8", "9")

# %% [markdown]
# ### Minimisers
#
# The gradient vanishes where $W H_S = E_S[y\phi^\top]$. With (9) the minimiser is the label feature itself:
#
# $$
# \begin{gathered}
# w_u = E_r[y\phi^\top] \;(10), \\
# w_r' = E_{r'}[y\phi^\top] \;(11), \\
# w_f' = E_{f'}[y\phi^\top] \;(12)
# \end{gathered}
# $$
#
# The check compares them with the solution of a least-squares solver.

# %%
show("10", "11", "12")

# %% [markdown]
# ### Orthogonality, sampling, and the two inner products
#
# The paper assumes that label features of different classes are orthogonal, and that $D_r'$ represents
# $D_r$:
#
# $$
# \begin{gathered}
# \langle E_r[\phi y], E_{f'}[\phi y]\rangle = 0 \;(13), \\
# \langle E_{r'}[\phi y], E_{f'}[\phi y]\rangle = 0 \;(14), \\
# E_{r'}[\phi y] \approx E_r[\phi y] \;(15)
# \end{gathered}
# $$
#
# It concludes
#
# $$
# \begin{gathered}
# w_r' \approx w_u, \quad \langle w_u, w_r'\rangle \approx |w_u|^2 > 0 \;(16), \\
# \langle w_u, w_f'\rangle = 0 \;(17)
# \end{gathered}
# $$
#
# (15) holds for a large random sample of $D_r$. It fails for a sample of *one class* of $D_r$, which is
# what the attack trains on: the rows of $W_u$ are $\pi_c\mu_c$, and the head on class $r$ has the single
# row $\mu_r$. With $C_r$ balanced retained classes and means of one length,
#
# $$
# \begin{gathered}
# \frac{|w_r' - w_u|}{|w_u|} = \sqrt{C_r - 1}, \\
# \langle w_u, w_r'\rangle = \pi_r|\mu_r|^2 = \frac{|\mu|^2}{C_r} \\
# = \sum_{c} \pi_c^2|\mu_c|^2 = |w_u|^2 .
# \end{gathered}
# $$
#
# So the inner product comes out as (16) says even though the reason given for it, $w_r' \approx w_u$, is
# false.

# %%
show("13", "14", "15", "16", "17", "16, 17")

# %% [markdown]
# ### The difference attack's norms
#
# Section IV-B1 of the paper takes $w_u - w_r' \approx 0$ from (15). For one class that fails with it. What
# holds is $|w_u - w'|^2 = |w_u|^2 + |w'|^2 - 2\langle w_u, w'\rangle$, so that
#
# $$
# \begin{gathered}
# |w_u - w_r'|^2 = |\mu|^2\Bigl(1 - \frac{1}{C_r}\Bigr), \\
# |w_u - w_f'|^2 = |w_u|^2 + |w_f'|^2 \\
# = |\mu|^2\Bigl(1 + \frac{1}{C_r}\Bigr).
# \end{gathered}
# $$
#
# The two are close for many classes. The sum of absolute differences, which the paper plots, adds up in the
# same way, because $w_u$ and $w_f'$ have no row in common.

# %%
show("IV-B1")

# %% [markdown]
# ## Sharper statements
#
# ### The zero row
#
# **Lemma.** Take one-hot targets, the squared loss, any features and any set $S$ without class $c$. The row
# $c$ of the minimiser of least norm, and of the limit of gradient descent from zero, is exactly zero.
#
# *Proof.* The risk is a sum over rows: $R_S(W) = \tfrac12\sum_j E_S(w_j\cdot\phi - 1\{y = j\})^2$. For an
# absent class the target is always 0, so $w_c = 0$ attains the least possible value 0; it is the shortest
# minimiser, and descent from zero has gradient zero there from the first step. $\square$
#
# $W_u$ has a zero row for each forgotten class and $W_f'$ is zero everywhere else. Hence
# $\langle W_u, W_f'\rangle_F = 0$ for **any** $H$ and **any** geometry of the features. Whitening (9),
# positive definiteness, orthogonality (13, 14) and the sampling assumption (15) are all unnecessary for
# (17).
#
# ### The bias
#
# The last layer of a network has a bias: a feature that is always 1. If $H_{r'}$ is positive definite, then
# the minimiser on one class is the constant $e_c$, since it fits perfectly: weight zero, bias one. Then
# $\langle W_u, W_c\rangle$ is the bias of class $c$ in $M_u$, and says nothing about features. The attack
# lives on heads that are *not* at that minimiser: few samples, few steps, or another loss.

# %%
show("10", "11", "12", "16", "17", features="any")

# %% [markdown]
# ### The softmax cross-entropy
#
# Deployed heads minimise the cross-entropy, whose gradient flow is $\dot W = E_S[(e_y - p)\phi^\top]$ with
# $p = \operatorname{softmax}(W\phi)$.
# An absent class has $\dot w_c = -E_S[p_c\,\phi]$.
#
# - **Sign.** $p_c > 0$, and the features of a network that ends in a ReLU are never negative. So every
#   entry of the absent row falls, at every step, for every learning rate.
# - **Size.** From zero, $p_c = 1/C$ at first, and the row is $-\tfrac{t}{C}E_S[\phi]$ after time $t$
#   (learning rate times steps), with a relative error proportional to $t$.
#
# ### What a head trained on one class measures
#
# Train on class $c$ alone, from zero. To first order $W_c = t\,(e_c - \tfrac1C\mathbf 1)\,\bar\phi_c^\top$,
# and therefore
#
# $$
# \begin{gathered}
# \langle W_u, W_c\rangle = t \sum_j d_j\, w_{u,j}\cdot\bar\phi_c, \\
# d_j = 1\{j = c\} - p_j,
# \end{gathered}
# $$
#
# with $p_j = 1/C$: the mean logit that $M_u$ gives class $c$ on these samples, less its mean over all
# classes. The expression is $M_u$'s own **logit margin** on the attacker's samples.
#
# **It is exact at every step.** From zero all classes but $c$ stay alike, so
# $e_c - p = (1 - p_c)\,\tfrac{C}{C-1}\,(e_c - \tfrac1C\mathbf 1)$ at each sample throughout. Summing the
# steps, $\langle W_u, W_c\rangle = \sum_i a_i\,m_i$, where $m_i$ is the margin of sample $i$ and every
# weight $a_i$ is positive. Training longer changes which samples weigh most; it never adds another kind of
# information. A head on a class that $M_u$ never prefers has a negative inner product: the gap to retained
# classes is larger than under (17).

# %%
show("16, 17", "IV-B1", features="any")

# %% [markdown]
# ### Equation 9 rules out an accurate model
#
# The second moment of $D_r$ is the mixture of its classes': $H_r = \sum_c \pi_c H_c$. Whitening makes the
# mixture $I$. It makes every $H_c$ equal to $I$ only if all classes have the same second moment to begin
# with.
#
# - With a bias among the features that is impossible unless all classes have the same mean: the constant
#   feature's column of $H_c$ is that mean.
# - Without a bias it is possible, as the features above show, but $H_c = I$ bounds $|\mu_c| \le 1$. The
#   share of $E|y|^2$ that the best linear head explains is then $\sum_c\pi_c^2|\mu_c|^2 \le \sum_c\pi_c^2$,
#   which is $1/C$ for balanced classes. **A target model that classifies well cannot have features that
#   meet (9).**

# %%
[row] = checks[checks["claim"].str.startswith("share explained")].itertuples()
print(f"{row.claim}: {'holds' if row.holds else 'does not hold'}")

# %% [markdown]
# ## Each assumption broken alone
#
# Four dials break one assumption each and leave the others. The paper writes $w$ as a vector and $y$ as a
# scalar. Two readings of that are drawn: one-hot targets, and one target for all samples, $y = 1$, where
# the geometry of the features must do the work.
#
# ### Orthogonality

# %% mystnb={"image": {"alt": "Lines: inner product of the deployed head with a head on a retained and on a forgotten class, against the cosine between class means, for one-hot targets and for one target for all; the gap closes only with one target for all"}, "figure": {"caption": "Inner product of $w_u$ with a head on a retained and on a forgotten class, on synthetic features whose class means turn towards each other. With one-hot targets the gap stays, whatever the angle.", "name": "fig-01-orthogonality"}}
overlaps = {cosine: ExactFeatures(overlap=cosine) for cosine in np.linspace(0, 0.95, 11)}
figures.inner_product_dial(dials.inner_product_dial(overlaps, seed), "cosine between class means")
plt.show()

# %% [markdown]
# With one target for all, the gap closes as the class means turn towards each other. With one-hot targets
# it does not move.
#
# ### Whitening

# %% mystnb={"image": {"alt": "Lines: both inner products against the share of each class's own second moment, for one-hot targets and for one target for all; with one-hot targets the forgotten one stays at zero"}, "figure": {"caption": "The same where classes differ in their second moments, so that no whitening meets (9). With one-hot targets the forgotten class stays at zero.", "name": "fig-01-whitening-broken"}}
spreads = {share: ExactFeatures(spread=share) for share in np.linspace(0, 1, 11)}
figure = figures.inner_product_dial(dials.inner_product_dial(spreads, seed), "share of each class's own second moment")
plt.show()

# %% [markdown]
# The class means stay orthogonal here. Since classes differ in their second moments, no whitening restores
# (9) on all sets at once. With one target for all, (17) fails; with one-hot targets it holds. The size in
# (16) changes in both.
#
# ### Positive definiteness
#
# A dead ReLU makes $H$ singular, and so does a set with fewer samples than features. The minimiser is then
# not unique, and gradient descent keeps the part of its random start that no sample touches. From zero (17)
# still holds exactly. From torch's start, whose entries have variance $1/3d$, the inner product of two
# heads has the standard deviation $\sqrt{C\,n_{\text{dead}}}/3d$.

# %% mystnb={"image": {"alt": "Two lines with bands of one standard deviation over starts: inner products of heads on a retained and on a forgotten class against the number of dead features; the bands grow as predicted until they overlap"}, "figure": {"caption": "Inner products from random starts on synthetic features, some of them dead: means, with bands of one standard deviation over starts. The gap is lost where the bands meet; dotted, the predicted deviation.", "name": "fig-01-dead"}}
figures.dead_feature_dial(dials.over_starts(dials.dead_feature_dial([0, 3, 6, 9, 12, 15], 60, seed)))
plt.show()

# %% [markdown]
# A few dead features bury the gap under the noise of the starts. An attacker removes it by starting heads
# at zero.
#
# ### Sampling

# %% mystnb={"image": {"alt": "Lines on two logarithmic axes: the error of a sample of all retained classes falls with the square root of its size, that of a sample of one class levels off at a floor"}, "figure": {"caption": "Relative error of the label feature of a sample, by its size, on synthetic features. A sample of all retained classes gets better without end; one of a single class has a floor.", "name": "fig-01-sampling"}}
sizes = [10, 30, 100, 300, 1000, 3000, 10_000]
figures.sampling(dials.sampling_dial(sizes, 20, seed))
plt.show()

# %% [markdown]
# A sample of all of $D_r$ approaches $D_r$ as $1/\sqrt n$. A sample of one class has a floor,
# $\sqrt{C_r - 1}$, which no number of samples lowers.
#
# ## The features of trained networks
#
# Now $M_u$ is a network that was retrained without the forgotten classes, and $\phi$ its layers before the
# last.

# %%
spec = grid.specs()[0]
ds, rng = spec.data, np.random.default_rng(seed)

# %%
m_u = unlearned_model(spec, "RT")
train_phi = classifier.extract_features(m_u, ds.train_images).cpu().numpy().astype(np.float64)
labels = ds.train_labels.numpy()
retain = ~np.isin(labels, spec.forgotten)
print(f"{ds.name} ({ds.variant}), {ds.classes} classes, forgotten: {spec.forgotten}, d = {train_phi.shape[1]}")

# %% [markdown]
# ### Every assumption, measured

# %% tags=["nbval-ignore-output"]
table = measured.measure_assumptions(train_phi, labels, spec.forgotten, ds.classes, rng)
caption = (
    f"Assumptions as the derivation takes them, and as measured on the features that the retrained network gives "
    f"{len(train_phi):,} training images of {ds.name}; one trial"
)
display(surveyed.assumption_lines(table, caption=caption, name="tbl-01-assumptions"))

# %% [markdown]
# The heads of {numref}`tbl-01-assumptions` are minimisers of the squared loss on single classes. "Assumed" is what the
# derivation takes; where that fails, the last column says what it means for the attack.
#
# ### Spectrum

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Dots: eigenvalues of H of each set relative to the largest, by rank, falling over many orders of magnitude and ending before the full rank"}, "figure": {"caption": "Eigenvalues of $H$ of all retained data, of a sample of one retained class and of one of the forgotten class, relative to the largest, on the features of the retrained network. A set whose eigenvalues end early is singular.", "name": "fig-01-spectrum"}}
sets, own = softmax.single_class_sets(train_phi, labels, 1, 50, rng)
lost = int(spec.forgotten[0])
kept = int(np.flatnonzero(~np.isin(np.arange(ds.classes), spec.forgotten))[0])
figures.spectra(
    {
        "$D_r$": assumptions.spectrum(train_phi[retain]).relative,
        "$D_r'$": assumptions.spectrum(sets[own == kept][0]).relative,
        "$D_f'$": assumptions.spectrum(sets[own == lost][0]).relative,
    }
)
plt.show()

# %% [markdown]
# $H$ is singular or nearly so on every set. Where it is singular the pseudo-inverse stands for the inverse,
# and the dial above says what a random start does.
#
# ### Whitening

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Dots on a logarithmic axis: distance of H from the identity for all retained data, for each retained class and for the forgotten class, before and after whitening; only the set that the whitening was fitted on comes near zero"}, "figure": {"caption": "Distance of each set's $H$ from the identity on the features of the retrained network, before and after whitening on $D_r$. Only the set that the whitening was fitted on comes near zero.", "name": "fig-01-whitening"}}
figures.whitening(assumptions.whitening_distances(train_phi, labels, spec.forgotten))
plt.show()

# %% [markdown]
# ZCA fitted on $D_r$ brings the mixture to $I$, up to features without variance, and leaves every single
# class far from it. The forgotten class had no share in the fit, and whitening amplifies the directions
# that $D_r$ does not use.
#
# ### Orthogonality

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Two heat maps of cosines between the label features of every pair of classes: nearly all are far above zero as they are, and near zero off the diagonal after whitening"}, "figure": {"caption": "Cosines between the label features of every pair of classes on the features of the retrained network, as they are and after whitening. Orthogonality asks for zeros off the diagonal.", "name": "fig-01-cosines"}}
whitened = assumptions.ZCA.fit(train_phi[retain]).apply(train_phi)
figures.cosines(
    {
        "features as they are": assumptions.class_cosines(train_phi, labels, ds.classes),
        "after ZCA on $D_r$": assumptions.class_cosines(whitened, labels, ds.classes),
    },
    ds.class_names,
)
plt.show()

# %% [markdown]
# Features that are never negative have label features that point the same way. Centred and whitened ones do
# not, but then those of the retained classes sum to zero, so that they cannot all be orthogonal either.
#
# ### Sampling

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Lines on two logarithmic axes, real features: the error of a sample of all retained classes falls with its size, that of a sample of one class levels off"}, "figure": {"caption": "As {numref}`fig-01-sampling`, on the features of the retrained network.", "name": "fig-01-sampling-real"}}
targets = heads.one_hot(labels, ds.classes)
sampled = dials.sampling_sources(train_phi[retain], targets[retain], [10, 30, 100, 300, 1000], 30, seed)
figures.sampling(sampled)
plt.show()

# %% [markdown]
# ### The zero row, and the row pushed down
#
# With the squared loss the row of a forgotten class is zero on these features too, to rounding.

# %%
on_retained = heads.squared_loss_head(train_phi[retain], targets[retain])
on_forgotten = heads.squared_loss_head(train_phi[~retain], targets[~retain])
inner = abs(float((on_retained * on_forgotten).sum()))
print("row of the forgotten classes below 1e-10:", np.abs(on_retained[list(spec.forgotten)]).max() < 1e-10)
print("inner product below 1e-10:", inner < 1e-10)

# %% [markdown]
# With the cross-entropy it is pushed down. The left panel trains a head on $D_r$ from zero; the right one
# shows the row sums of the deployed models. Where the forgotten class is lowest, reading it off takes no
# sample and no query.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Left: length of the absent class's row grows with training time, at first as predicted. Right, dots: row sums of deployed heads by target model; the forgotten class's row lies lowest after RL, AU and NG"}, "figure": {"caption": "Left: length of the forgotten class's row while a head is trained on $D_r$ from zero, beside the first-order prediction. Right: row sums of the last layer of $M_o$ and of each target model of one trial, one dot a class; a forgotten class below all others can be read off.", "name": "fig-01-row"}}
path = probe.absent_row_path(train_phi[retain], labels[retain], ds.classes, lost, np.geomspace(0.03, 30, 9))
codes = ("RT", "FT", "RL", "AU", "NG")
targets_by_code = {"M_o": original_model(spec)} | {code: unlearned_model(spec, code) for code in codes}
side = np.where(np.isin(np.arange(ds.classes), spec.forgotten), "forgotten", "retained")
sums = [
    pd.DataFrame({"method": code, "side": side, "sum": model.head.weight.detach().cpu().numpy().sum(axis=1)})
    for code, model in targets_by_code.items()
]
figures.absent_row(path, pd.concat(sums))
plt.show()

# %%
print("positive entries of the absent row, at any step:", int((path["positive"] > 0).sum()))

# %% [markdown]
# ### The dot product is a margin
#
# The attacker holds small sets of one class each, from the pool. For every target model, heads trained on
# them are compared with $M_u$'s own margins on the same samples.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Three panels, one line a target model: correlation between dot products and logit margins against training time, for heads started at zero, at random, and at random with the start subtracted; it begins at one from zero and near zero from random starts"}, "figure": {"caption": "Correlation of the heads' dot products with the target's logit margins along training, one line a model of one trial, one panel a start of the heads. At one, the dot product says what the margin says.", "name": "fig-01-margin"}}
views = {code: survey.attacker_view(model, spec) for code, model in targets_by_code.items()}
times = np.geomspace(0.03, 30, 7)
curves = [probe.margin_agreement(*view, times, rng).assign(method=code) for code, view in views.items()]
figures.agreement(pd.concat(curves))
plt.show()

# %%
curves = pd.concat(curves)
zero = curves[curves["start"] == "zero"]
print("from zero, every inner product is a weighted margin to 1e-9:", bool(zero["gap"].max() < 1e-9))

# %% tags=["nbval-ignore-output"]
print(f"from zero, heads whose sign is their mean margin's: at least {100 * zero['sign'].min():.0f}%")

# %% [markdown]
# From zero the first-order expansion is good until $t\,E|\phi|^2$ reaches about 1. Then the
# weights $a_i$ part: a sample that is fitted early stops counting, so a class with longer features gets a
# smaller total. The correlation with the plain mean falls, most of all where nothing was forgotten and all
# margins are alike. The weighted statement stays exact, and the sign with it, so the gap between forgotten
# and retained classes survives.
#
# From a random start, $\langle W_u, W_0\rangle$ is noise that training leaves in place, and early on there
# is nothing else. Subtracting the start, which the attacker knows, removes most of it.
#
# ### The same question, asked twice
#
# Heads trained from a random start with the attack's own learning rate, momentum and number of steps, beside
# what classifying the same samples answers. {numref}`tbl-01-question` says how far dot product and margin agree.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Dots, one a class: dot product against the logit margin of the unlearned model and against its accuracy; forgotten classes lie at the low end of both"}, "figure": {"caption": "Dot product against the target's mean logit margin and against its accuracy on the same samples, one dot a class of a target model. The forgotten classes lie at the low end of both.", "name": "fig-01-question"}}
recipe, rows = spec.settings.attacks["dot_product"].recipe, []
for trial in range(trials):
    again = spec if trial == 0 else TrialSpec(dataset, profile, seed, trial, spec.forgotten, device, spec.data_dir)
    for code in codes:
        target, found, classes = survey.attacker_view(unlearned_model(again, code), again)
        fitted = probe.deployed_heads(found, classes, ds.classes, rng, recipe.lr, recipe.steps, recipe.momentum)
        rows.append(probe.class_evidence(target, found, classes, fitted).assign(method=code, side=side))
evidence = pd.concat(rows)
figures.same_question(evidence)
plt.show()

# %% tags=["nbval-ignore-output"]
by_method = evidence.groupby("method", sort=False)
agreement = by_method[["inner", "margin"]].corr().xs("inner", level=1)["margin"]
text = agreement.rename("correlation").rename_axis("target").to_markdown(floatfmt=".2f")
caption = (
    f"Correlation of dot product and logit margin over the {ds.classes} classes, by target model; {ds.name}, "
    f"trials: {trials}"
)
display(numbered(text, caption, "tbl-01-question"))

# %% [markdown]
# ### The difference attack, and why a tree also separates the placebo
#
# Squared-loss heads of forgotten classes lie on the line that (17) predicts, whatever the features. Those
# of retained classes are not near 0, as (15) would have them, and where they lie above the line even the
# sign in (16) fails. Cross-entropy heads of a class that $M_u$ lost lie above the line: their inner product
# is negative.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Dots: squared norm of the difference of two heads against the sum of their squared norms, one panel a loss, with the diagonal on which both are equal"}, "figure": {"caption": "Squared norm of the difference of two heads against the sum of their squared norms, one dot a head on the retrained network, one panel a loss. The line is what (17) predicts; below it the inner product is positive.", "name": "fig-01-norms"}}
target, found, classes = views["RT"]
one_hot = np.repeat(heads.one_hot(classes, ds.classes)[:, None], found.shape[1], axis=1)
fitted = {
    "squared loss": np.array([heads.squared_loss_head(x, y) for x, y in zip(found, one_hot, strict=True)]),
    "cross-entropy": probe.deployed_heads(found, classes, ds.classes, rng, recipe.lr, recipe.steps, recipe.momentum),
}
best = heads.squared_loss_head(heads.with_intercept(train_phi[retain]), targets[retain])
norms = [
    difference.norm_frame(best if loss == "squared loss" else target, trained).assign(loss=loss, side=side[classes])
    for loss, trained in fitted.items()
]
figures.difference_norms(pd.concat(norms))
plt.show()

# %% [markdown]
# A head trained on class $c$ differs from the others in its row $c$ above all. A tree that sees heads of
# the same class on both sides of its split reads off *which class* a head was trained on. It therefore
# separates any class from the rest, on the model from which nothing was forgotten too.

# %% tags=["nbval-ignore-output"]
placebo, placebo_sets, classes = views["M_o"]
on_original = probe.deployed_heads(placebo_sets, classes, ds.classes, rng, recipe.lr, recipe.steps, recipe.momentum)
called = {c: difference.tree_accuracy(placebo, on_original, classes == c, seed) for c in range(ds.classes)}
actual = difference.tree_accuracy(target, fitted["cross-entropy"], np.isin(classes, spec.forgotten), seed)
print(f"target, true forgotten classes: balanced accuracy {actual:.2f}")
print(f"placebo, each class called forgotten in turn: {np.mean(list(called.values())):.2f} on average")

# %% [markdown]
# ## A class without samples is out of reach
#
# [Reach](../notation.md) asks how far above every other class any input lifts a class. The zero row is about
# heads; the same argument, carried on to inputs, says when no input at all does.
#
# **Assumptions.** (a) Features are never negative, as after a ReLU; otherwise the network that computes them
# may be any, and may train along. (b) The last layer is trained by the cross-entropy and by SGD, with
# momentum, weight decay and clipping as one likes. (c) No sample of any batch has the label $u$.
#
# **Proposition 1 (the row falls, the sum stays).** After training $w_u(T) \le A\,w_u(0)$ in every entry, the
# bias too, and $\sum_j w_j(T) = A\sum_j w_j(0)$, where $A \in (0, 1]$ is what weight decay alone leaves of a
# parameter.
#
# *Proof.* Row $j$ has the gradient $g_j = E[(p_j - 1\{y = j\})\,\phi]$. Steps are linear in the gradients, so
# that $w_j(T) = A\,w_j(0) - \sum_t K_t\,g_j(t)$, with numbers $K_t$ that rates, momentum and decay determine.
# They are not negative unless decay is strong enough to make the momentum swing: constant rates up to
# $(1 - \sqrt{\text{momentum}})^2/\text{decay}$ are safe. For an absent class $g_u = E[p_u\,\phi] \ge 0$.
# Over all rows the gradients of a sample sum to zero, since $\sum_j p_j = 1$. Clipping multiplies all of them
# by one positive number. $\square$
#
# **Proposition 2 (out of reach).** For every input $x$, in the box or not,
#
# $$
# \begin{gathered}
# z_u(x) - \max_{j \ne u} z_j(x) \\
# \le\; \frac{C}{C-1}\bigl(z_u(x) - \bar z(x)\bigr) \\
# \le\; \frac{C}{C-1}\,A\,\Bigl[\bigl(w_u(0) - \bar w(0)\bigr)\cdot\phi(x) \\
# \qquad\qquad {} + b_u(0) - \bar b(0)\Bigr],
# \end{gathered}
# $$
#
# where bars are means over all classes. **From a last layer of zeros the reach of $u$ is below zero: at most
# $\tfrac{C}{C-1}\,b_u(T)$, whatever the input.**
#
# *Proof.* The largest of the other logits is at least their mean: the first bound. By Proposition 1
# $\bar z(x) = A\,(\bar w(0)\cdot\phi(x) + \bar b(0))$, and $z_u(x) \le A\,(w_u(0)\cdot\phi(x) + b_u(0))$
# because $\phi(x) \ge 0$: the second. From zeros $\bar z = 0$ and $z_u(x) \le b_u(T)$, and $b_u$ falls at every
# step, since $p_u > 0$. $\square$
#
# What a class without samples can still reach is therefore left over from the start. RT starts at random: a
# small number times the length of $\phi(x)$. FT and RL start from the row of a class that was known; so does
# NG, which climbs on $u$ and descends on the others, pushes the row down with both, and has $A = 1$. There the
# bound is $A$ times what $M_o$ answers, and promises nothing. Nor is such a row soon gone: the push is
# proportional to $p_u$ on the samples that are trained on, which is near zero for retained ones from the
# start, and decay leaves the share $A$.

# %% tags=["nbval-ignore-output"]
reached = unreachable.rows_and_reach(spec, ("RT", "FT", "RL", "NG"))
caption = (
    f"The last layer's row of the forgotten class beside its start, and the largest margin of that class's logit; "
    f"{ds.name}, one trial"
)
display(unreachable.to_markdown(reached, caption=caption, name="tbl-01-unreached"))

# %%
from_zero = reached.set_index("target").loc[unreachable.ZERO]
print("Proposition 1, every entry of the row has fallen:", bool((reached["fallen"].dropna() == 1).all()))
print("Proposition 1, the rows keep their sum, to 0.001:", bool(reached["imbalance"].max() < 1e-3))
print("Proposition 2, from zeros no features at all reach the class:", bool(from_zero["any_features"] < 0))
print("nor does a search without bounds:", bool(from_zero[list(unreachable.INPUTS)].max() < 0))

# %% [markdown]
# In {numref}`tbl-01-unreached` *entries fallen* and *sum kept within* check Proposition 1 on this page's networks,
# trained as everywhere in the book; the first line differs in its last layer of zeros alone. *Allowed by the start* is
# the bound of Proposition 2 on training images. *Any features* is the largest margin over all features up to the
# largest that training images have, by a linear programme: no image is needed for it. The last three columns are
# margins that Adam finds among smooth images of the box, among all images of the box, and without bounds. AU is not in
# the table: it subtracts recorded updates, which is no descent, so that Proposition 1 does not speak of it.

# %% tags=["nbval-ignore-output"]
display(bullets(unreachable.sentences(reached)))

# %% [markdown]
# ### A few samples are enough, given time
#
# **Proposition 3 (dose).** Let a share $s$ of the samples have the label $u$, let the features be fixed, and
# descend from zero for the time $t$ (rate times steps) on all samples at once. Then for every $x$
#
# $$
# \begin{gathered}
# z_u(x) - \max_{j \ne u} z_j(x) \\
# \le\; \frac{C}{C-1}\; s\,t\, \max_{i:\,y_i = u} \phi_i\cdot\phi(x),
# \end{gathered}
# $$
#
# with the constant feature of the bias in the inner product.
#
# *Proof.* $w_u = \sum_{y_i = u} a_i\phi_i - \sum_{y_i \ne u} b_i\phi_i$, where $a_i$ sums $(1 - p_u)/n$ over the
# time, so that $0 \le a_i \le t/n$, and $b_i$ sums $p_u/n \ge 0$. Features are not negative: leave the second sum
# out. $\square$
#
# Nothing lifts the class at $s = 0$, ever. At any other share the bound grows with *share times time*, and
# where features can be separated descent fits every sample in the end {cite:p}`soudry2018implicit`: then its own
# sample reaches the class.

# %% mystnb={"image": {"alt": "Left, lines: reach of a class over all features against training time, one line a number of samples; without samples it falls for ever, with one or more it turns upwards, the later the fewer they are. Right, dots: reach in stored networks against the share of the class's samples; below zero without samples, above zero from one hundredth on in nearly all"}, "figure": {"caption": "Left: the largest reach over a box of synthetic features while heads are trained, one line a number of samples of the class. Right: reach found in stored networks, one dot each, by the share of the class's samples in training. Below zero no input is answered with the class.", "name": "fig-01-dose"}}
steps = [int(n) for n in np.geomspace(3, 4000, 22).round()]
by_dose = reach.dose_path(*relu_features(np.random.default_rng(seed)), 6, 5, [0, 1, 3, 10, 30, 80], 0.05, steps)
networks = unreachable.dose(stored(), committed())
draw_dose(by_dose, networks)
plt.show()

# %%
first = by_dose[by_dose["reach"] > 0].groupby("samples").first()
few = first.loc[[1, 3, 10]]
needed = few["share"] * few["time"]
print("reach stays below the bound:", bool((by_dose["reach"] <= by_dose["bound"] + 1e-9).all()))
print("without samples, above zero at any time:", bool((by_dose.query("samples == 0")["reach"] > 0).any()))
print(f"share times time at first reach, 1 to 10 samples: {needed.min():.2f} to {needed.max():.2f}")

# %% [markdown]
# On the left the largest margin over *all* features in a box, for heads on synthetic features; on the right
# what gradient reach found on stored networks: the rare classes of the null bank and, at share 0, the class that
# RT forgot. Ten times the samples bring the moment forward by about as much. The critical share is no constant
# of the attack. It falls as training goes on, and that is why a single image of a digit is seen after many
# passes, where eighteen garments of 6,000 are not.
#
# ## Where the criteria must fail
#
# ### The threshold criterion
#
# Let inversion be perfect: $m_c = 0$ for the $k = qC$ forgotten classes and $m_c = 1$ for the others. Then
# $\mu = 1 - q$, $\sigma = \sqrt{q(1-q)}$, and a forgotten class is accused if
# $0 < \tau = \mu - \alpha\sigma$:
#
# $$
# 1 - q > \alpha\sqrt{q(1-q)} \iff k < \frac{C}{1 + \alpha^2} .
# $$
#
# Beyond that $k$ the criterion accuses **no one**, however plainly the maxima separate the classes.
# Imperfect inversions do not move the point: with $m = 1 - \varepsilon$ for retained and $m = \delta$ for
# forgotten classes, $\mu$, $\sigma$ and $\tau$ follow by the same shift and scale. Two things do:
# inversions that fail at random (the number of failures is a sum of two binomial variables), and a spread of
# the maxima within each group (a quadratic equation for $q$). In the figure inversions fail at random: lines
# are closed forms, points simulations, and dotted lines mark $C/(1 + \alpha^2)$.

# %% mystnb={"image": {"alt": "Lines: share of forgotten classes found against their number; the threshold's falls to zero around the dotted limit of each alpha, that of two-means stays near the top"}, "figure": {"caption": "Share of forgotten classes found, by their number, with simulated inversions that fail at random: lines are closed forms, marks simulations, and dotted lines the limits $C/(1+\\alpha^2)$.", "name": "fig-01-collapse"}}
sweep = collapse.criterion_sweep(10, (0.8, 1.1, 1.5), miss=0.05, leak=0.1, draws=20_000, generator=rng)
figures.collapse(sweep)
plt.show()

# %%
print("closed form and simulation within 0.02:", bool((sweep["predicted"] - sweep["measured"]).abs().max() < 0.02))
show("30", features="any")

# %% [markdown]
# Two-means on the same maxima finds the forgotten classes for every $k$ below $C$: it is the criterion that
# collapses, not the leak.
#
# ### The entropy criterion
#
# Two clusters always hold one class each at least, so where **nothing** was forgotten the criterion accuses
# someone. It also fails where retained classes differ in confidence: the best cut of ordered values
# maximises $n_{<}n_{>}(\bar m_{>} - \bar m_{<})^2$, which weighs the size of a group and not only its
# distance. In the example a block of very confident classes pulls the cut above the merely confident ones.

# %% mystnb={"image": {"alt": "Left, dots: maxima of the worked example and those that two-means accuses. Right: histogram of the number of falsely accused classes"}, "figure": {"caption": "Left: maxima of the worked example, and those that two-means accuses. Right: how many classes two-means accuses where nothing was forgotten, over simulated runs.", "name": "fig-01-clusters"}}
show("31", features="any")
alike = 0.97 + 0.01 * rng.standard_normal((2000, ds.classes))
accused = np.array([arithmetic.two_means_split(row) for row in alike])
figures.two_clusters(OVERLAPPING_MAXIMA, 1, arithmetic.two_means_split(OVERLAPPING_MAXIMA), accused)
plt.show()

# %% [markdown]
# ## Every data set
#
# The same measurements on one trial of every data set, as
# `python -m labelleak_lib.results.survey NAME` stores them. Above: the assumptions on the features of the retrained
# model. Below, for every target model: the correlation of dot products with logit margins over heads early
# and late in training from zero (the columns give $t\,E|\phi|^2$), and over classes with the attack's own heads;
# beside it what the direct probe answers on the same samples.

# %% tags=["nbval-ignore-output"]
display(surveyed.by_set("tbl-01"))

# %%
everywhere = pd.concat(surveyed.stored("assumptions").values())
print(
    "(9) fails on a retained class, everywhere:",
    not everywhere[everywhere["quantity"].str.contains("H_r'")].holds.any(),
)
print("the zero row holds, everywhere:", bool(everywhere[everywhere["equation"] == 17].holds.all()))

# %% [markdown]
# (theory-checks)=
# ## The table of checks
#
# {numref}`tbl-01-checks` has one row for each claim. "Expected" is no where a broken assumption must break the claim; a
# test asserts that the two last columns agree. Equations 18 to 26 are checked in the chapters on
# [white-box](04_whitebox_inversion.ipynb) and [black-box inversion](05_blackbox_inversion.ipynb).

# %% tags=["nbval-ignore-output"]
yes = {True: "yes", False: "no"}
numbers = checks[["predicted", "measured", "tolerance"]].map("{:.2g}".format)
claims = checks["claim"].str.replace("|", r"\|")  # a bar would end a cell of the table
answers = {name: checks[name].map(yes) for name in ("holds", "expected")}
shown = checks.assign(claim=claims, **numbers, **answers)
text = shown.to_markdown(index=False, disable_numparse=True)
caption = f"Checks of {len(checks)} claims: predicted and measured, and whether each holds and is expected to"
display(numbered(text, caption, "tbl-01-checks"))

# %%
agree = checks["holds"] == checks["expected"]
print(f"{len(checks)} checks; as expected: {int(agree.sum())}; holding: {int(checks['holds'].sum())}")
