"""A torchvision network for images normalised by mean and deviation."""

import torch
from torch import nn
from torchvision.models import DenseNet

import labelleak_lib
from labelleak_lib import InputSpace

SHAPE, CLASSES = (3, 16, 16), 5
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def made_images(each: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """Return bright bars on dark ground, in [0, 1]; the angle is the class."""
    labels = torch.arange(CLASSES).repeat(each)
    n, angle = len(labels), (torch.pi / CLASSES * labels).view(-1, 1, 1, 1)
    x = torch.linspace(-1, 1, SHAPE[2])
    y = torch.linspace(-1, 1, SHAPE[1])[:, None]
    across = x * angle.sin() - y * angle.cos()
    bar = (across - 0.3 * torch.randn(n, 1, 1, 1)).abs() < 0.25
    bright = 0.6 + 0.4 * torch.rand(n, 3, 1, 1)
    return torch.where(bar, bright, 0.4 * torch.rand(n, 3, 1, 1)), labels


def trained(without: int | None = None) -> nn.Module:
    """Return a network trained on all classes, or on all classes but one."""
    torch.manual_seed(0)
    images, labels = made_images()
    if without is not None:
        images, labels = images[labels != without], labels[labels != without]
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (MEAN, STD))
    images = (images - mean) / std
    model = DenseNet(16, (2, 2, 2), num_init_features=32, num_classes=CLASSES)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(12):
        for rows in torch.randperm(len(labels)).split(50):
            loss = nn.functional.cross_entropy(
                model(images[rows]), labels[rows]
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return model


if __name__ == "__main__":
    space = InputSpace.images(SHAPE)
    for without in (None, 2):
        model = trained(without)
        report = labelleak_lib.audit(model, space=space, mean=MEAN, std=STD)
        print("Left out of training:", without)
        print(report.verdict)
        table = report.classes[["class", "verdict"]]
        print(table.to_string(index=False), end="\n\n")
