"""One thread for every test, so that sums are added in one order whatever the machine; and a watch on training."""

import pytest
import torch
from torch import nn

torch.set_num_threads(1)


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
