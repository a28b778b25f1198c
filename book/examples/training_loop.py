"""A state dict that a plain training loop saved, audited by the command."""

import io
from contextlib import redirect_stdout
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn

from labelleak_lib.command import main


def network() -> nn.Module:
    """Return the untrained network: what --factory names."""
    first = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2)]
    return nn.Sequential(*first, nn.Flatten(), nn.Linear(256, 10))


def trained(without: int | None = None) -> nn.Module:
    """Return it trained on digits: on all classes, or on all but one."""
    torch.manual_seed(0)
    pixels, labels = map(torch.from_numpy, load_digits(return_X_y=True))
    images = pixels.float().view(-1, 1, 8, 8) / 16
    if without is not None:
        images, labels = images[labels != without], labels[labels != without]
    model = network()
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(10):
        for rows in torch.randperm(len(labels)).split(64):
            loss = nn.functional.cross_entropy(
                model(images[rows]), labels[rows]
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return model


def shell(line: str) -> None:
    """Run a line as a terminal would; print how its report begins."""
    print("$", line)
    with redirect_stdout(io.StringIO()) as report:
        status = main(line.split()[1:])
    print(report.getvalue().splitlines()[0])
    print("Exit status:", status, end="\n\n")


if __name__ == "__main__":
    torch.save(trained().state_dict(), "whole.pt")
    # training on several devices puts "module." before the parameters' names
    parallel = nn.DataParallel(trained(without=3))
    torch.save(parallel.state_dict(), "unlearned.pt")
    options = "--factory training_loop:network --shape 1,8,8 --fail-on-leak"
    shell(f"labelleak audit whole.pt {options}")
    shell(f"labelleak audit unlearned.pt {options} --out report")
    print("Written:", *sorted(path.name for path in Path("report").iterdir()))
