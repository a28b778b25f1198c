"""Rendered characters: any number of classes, the same in every process, and worth learning."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from labelleak_lib.data.datasets import load_dataset
from labelleak_lib.data.named.glyphs import LATIN, OTHERS


@pytest.mark.parametrize("classes", [5, 10, 26])
def test_a_set_of_glyphs_has_its_classes_and_equally_many_images_of_each(classes):
    data = load_dataset(f"glyphs{classes}")
    assert data.classes == classes and data.side == 28 and data.channels == 1
    counts = torch.bincount(data.train_labels)
    assert len(counts) == classes and counts.min() == counts.max() == 144
    assert not {*data.train_images.flatten(1).sum(1).tolist()} & {0}, "no image is empty"


def test_every_character_is_another_one():
    assert len(set(LATIN + OTHERS)) == len(LATIN + OTHERS) >= 100


def test_glyphs_are_drawn_the_same_again():
    first, second = (load_dataset("glyphs5") for _ in range(2))
    assert torch.equal(first.train_images, second.train_images)
    assert len(first.train_images.flatten(1).unique(dim=0)) == len(first.train_images)


def test_a_linear_model_learns_most_of_them_but_not_all():
    data = load_dataset("glyphs10")
    flat = [images.flatten(1).numpy() / 255 for images in (data.train_images, data.test_images)]
    right = LogisticRegression(max_iter=200).fit(flat[0], data.train_labels).score(flat[1], data.test_labels)
    assert 0.6 < right < 1


def test_characters_are_not_cut_off():
    images = load_dataset("glyphs26").train_images[:, 0].numpy().astype(float)
    border = np.concatenate([images[:, [0, -1]].reshape(-1), images[:, :, [0, -1]].reshape(-1)])
    assert (border > 100).mean() < 0.02
