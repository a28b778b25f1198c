"""What holds for every test: nothing downloaded, one thread, float32, the same examples drawn; a watch on training."""

import os

os.environ["LABELLEAK_OFFLINE"] = "1"  # before the first import, and for the processes that tests start

import hypothesis
import pytest
import torch
from torch import nn

from labelleak_lib.models.half_precision import full_precision
from labelleak_lib.trials import specification

hypothesis.settings.register_profile("repeatable", derandomize=True)
hypothesis.settings.load_profile("repeatable")
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def same_on_any_processor():
    """Compute in float32 also where the processor multiplies bfloat16."""
    with full_precision():
        yield


@pytest.fixture(autouse=True)
def nothing_said_yet():
    """Let every test hear what a process says once, whichever tests ran before it in the same process."""
    specification._say_once.cache_clear()


@pytest.fixture
def steps(monkeypatch):
    """Record (labels of the batch, movement of the parameters) of every optimiser step."""
    seen, labels = [], []
    loss, step = nn.functional.cross_entropy, torch.optim.SGD.step

    def watched_loss(logits, target, *args, **kwargs):
        labels.append(target.clone())
        return loss(logits, target, *args, **kwargs)

    def watched_step(self, *args, **kwargs):
        parameters = [p for group in self.param_groups for p in group["params"]]
        before = [p.detach().clone() for p in parameters]
        result = step(self, *args, **kwargs)
        seen.append((labels[-1], [p.detach() - b for p, b in zip(parameters, before, strict=True)]))
        return result

    monkeypatch.setattr(nn.functional, "cross_entropy", watched_loss)
    monkeypatch.setattr(torch.optim.SGD, "step", watched_step)
    return seen
