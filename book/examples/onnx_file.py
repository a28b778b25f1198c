"""An ONNX file: it says itself which inputs it takes, and holds its network."""

import torch
from sklearn.datasets import load_digits
from torch import nn

import labelleak_lib


def trained(without: int | None = None) -> nn.Module:
    """Return a network of digits: on all classes, or on all but one."""
    torch.manual_seed(0)
    pixels, labels = map(torch.from_numpy, load_digits(return_X_y=True))
    images = pixels.float().view(-1, 1, 8, 8) / 16
    if without is not None:
        images, labels = images[labels != without], labels[labels != without]
    first = [nn.Flatten(), nn.Linear(64, 64), nn.ReLU()]
    model = nn.Sequential(*first, nn.Linear(64, 10))
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(10):
        for rows in torch.randperm(len(labels)).split(64):
            loss = nn.functional.cross_entropy(
                model(images[rows]), labels[rows]
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return model.eval()


def export(model: nn.Module, path: str) -> None:
    """Write a model for batches of any size."""
    batch, like = torch.export.Dim("batch"), torch.rand(2, 1, 8, 8)
    options = {"external_data": False, "verbose": False}
    torch.onnx.export(
        model, (like,), path, dynamic_shapes=({0: batch},), **options
    )


if __name__ == "__main__":
    for path, without in (("whole.onnx", None), ("unlearned.onnx", 5)):
        export(trained(without), path)
        report = labelleak_lib.audit(path)
        print(path)
        print(report.verdict, end="\n\n")
