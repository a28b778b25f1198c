"""SISA: networks trained on shards answer together; those whose shard held forgotten samples are trained anew."""

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from labelleak_lib.checks import require, require_int
from labelleak_lib.data.samples import Samples
from labelleak_lib.models import classifier
from labelleak_lib.models.classifier import Classifier, ModelSpec
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.models.training import train
from labelleak_lib.registry import METHODS
from labelleak_lib.unlearning.descent import device_of, finished

SEEDS = 2**31


class Ensemble(nn.Module):
    """The features of several networks side by side, with the seed that shares the samples out among them.

    `networks` are the classifiers by the number of their shard; a shard without samples has none.
    """

    seed: Tensor
    heads: Tensor

    def __init__(self, networks: dict[int, Classifier], seed: int) -> None:
        super().__init__()
        self.members = nn.ModuleDict({str(shard): network.features for shard, network in networks.items()})
        whole = [torch.cat([n.head.weight, n.head.bias[:, None]], dim=1).detach() for n in networks.values()]
        self.register_buffer("seed", torch.tensor(seed))
        # what the provider keeps, no part of what it publishes
        self.register_buffer("heads", torch.stack(whole), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (n, d_1 + ... + d_S) of images (n, channels, side, side)."""
        return torch.cat([member(x) for member in self.members.values()], dim=1)

    def networks(self, spec: ModelSpec) -> dict[int, Classifier]:
        """Return the networks by shard; they share their memory with this one."""
        heads = [_head(whole[:, :-1], whole[:, -1]) for whole in self.heads]
        parts = zip(self.members.items(), heads, strict=True)
        return {int(shard): Classifier(spec, features, head) for (shard, features), head in parts}

    def joined(self, spec: ModelSpec) -> Classifier:
        """Return the networks as one classifier, whose logits are the mean of theirs."""
        mean = self.heads / len(self.heads)
        head = _head(torch.cat(list(mean[:, :, :-1]), dim=1), mean[:, :, -1].sum(0))
        return finished(Classifier(spec, self, head))


def _head(weight: Tensor, bias: Tensor) -> nn.Linear:
    head = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0]).to(weight)
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(bias)
    return head


def shard_of(samples: Samples, shards: int, seed: int) -> Tensor:
    """Return the shard of every sample, int64 (n,), from 0: a draw that depends on its image and `seed` alone.

    A sample is found in its shard again when others are gone; equal images share a shard.
    """
    key = seed.to_bytes(8, "big")
    rows = samples.images.cpu().contiguous().flatten(1).numpy()
    digests = (hashlib.blake2b(row.tobytes(), digest_size=8, key=key).digest() for row in rows)
    return torch.tensor([int.from_bytes(digest, "big") % shards for digest in digests], dtype=torch.long)


@METHODS.register("SISA")
@dataclass(frozen=True)
class Sisa:
    """Sharded, isolated, sliced and aggregated training (Bourtoule et al., IEEE S&P 2021), without slices.

    The samples are shared out at random among `shards` networks, each trained on its own. To forget, the networks whose
    shard held a forgotten sample are trained anew on what is left of it. A class of more than a few samples lies in all
    shards, so here nothing is saved: the result is the ensemble that never saw D_f.

    Theirs: shards, isolation, retraining. Ours: networks answer together by the mean of their logits (theirs: by a
    majority of labels, or the mean of their probabilities), so that the ensemble is one classifier. White-box attacks
    see one head whose row of a class holds that class's rows of all networks, each divided by their number, behind
    their features side by side; black-box attacks see the softmax of the mean. Trials hand over a single network as
    `original`, which says nothing but the architecture; beside SISA's target it is not the model before the
    forgetting, but another one.

    Parameters
    ----------
    shards : int
        Number of networks.
    recipe : Recipe
        How each is trained.
    """

    shards: int = 5
    recipe: Recipe = field(default_factory=Recipe)
    title: ClassVar[str] = "SISA"
    order: ClassVar[int] = 19
    presets: ClassVar[dict[str, dict[str, Any]]] = {"small": {"shards": 3}, "lenet": {"shards": 2}}

    def __post_init__(self) -> None:
        require_int("shards", self.shards, low=1)
        require(isinstance(self.recipe, Recipe), "recipe", self.recipe, "a Recipe")

    def fit(self, like: Classifier, samples: Samples, *, generator: Generator) -> Classifier:
        """Return an ensemble of networks of the architecture of `like`, trained on the shards of `samples`."""
        shard_seed = int(torch.randint(SEEDS, (1,), generator=generator))
        return self._with(like, {}, range(self.shards), samples, shard_seed, generator)

    def unlearn(self, original: Classifier, retain: Samples, forget: Samples, *, generator: Generator) -> Classifier:
        """Return an ensemble as it is without `forget`.

        Of an ensemble by `fit`, shards without forgotten samples keep their network. Of any other `original`, all are
        trained, and `forget` is not read.
        """
        if not isinstance(original.features, Ensemble):
            return self.fit(original, retain, generator=generator)
        shard_seed = int(original.features.seed)
        torch.randint(SEEDS, (1,), generator=generator)  # as `fit` draws one: either way shards get the same seeds
        held = set(shard_of(forget, self.shards, shard_seed).tolist())
        networks = copy.deepcopy(original.features).networks(original.spec)
        kept = {shard: network for shard, network in networks.items() if shard not in held}
        return self._with(original, kept, sorted(held), retain, shard_seed, generator)

    def _with(
        self, like: Classifier, kept: dict[int, Classifier], wanted: Sequence[int], samples: Samples, shard_seed: int,
        generator: Generator,
    ) -> Classifier:  # fmt: skip
        """Return the ensemble of the networks that are `kept` and of those trained on the shards `wanted`."""
        seeds = torch.randint(SEEDS, (self.shards,), generator=generator).tolist()
        places, networks = shard_of(samples, self.shards, shard_seed), dict(kept)
        for shard in wanted:
            own = samples.where(places == shard)
            if len(own) > 0:
                network = classifier.build(like.spec, seed=seeds[shard]).to(device_of(like))
                train(network, own, self.recipe, generator=torch.Generator().manual_seed(seeds[shard]))
                networks[shard] = network
        require(len(networks) > 0, "samples", "empty", "at least one labelled image")
        return Ensemble(dict(sorted(networks.items())), shard_seed).joined(like.spec)
