"""The page on a reader's own data: each example is accepted or refused as the page says, and its pictures are drawn."""

import re

import numpy as np
import pytest
from PIL import Image

from labelleak_lib.authoring.layout_examples import ACCEPTED, REFUSED, SHAPES, images_of, tree
from labelleak_lib.authoring.own_data_page import everything, own_data_page, refusal, shown
from labelleak_lib.data.base import Source, canonical_side
from labelleak_lib.data.datasets import MIN_PER_CLASS, load_dataset
from labelleak_lib.files import ROOT
from labelleak_lib.registry import LAYOUTS
from labelleak_lib.trials.settings import LEAST_IN_POOL


@pytest.mark.parametrize("example", ACCEPTED, ids=lambda example: example.title)
def test_what_the_page_shows_is_what_the_loader_saw(example, tmp_path):
    text = shown(example, tmp_path / "out", 3) if (tmp_path / "out").mkdir() is None else ""
    assert example.title in text and example.text in text
    loaded = load_dataset(str(example.write(tmp_path / "data")))
    for c, name in enumerate(loaded.class_names):
        assert f"| {c} | {name} | " in text
    images, labels = everything(loaded)
    assert len(images) == len(labels) and loaded.classes == len(SHAPES)
    pixels = np.asarray(Image.open(tmp_path / "out" / "own_data_3.png").convert("RGB"))
    coloured = (np.ptp(pixels.astype(int), axis=2) > 40).mean() > 0.01
    assert coloured == (loaded.channels == 3)
    assert "![" in text and "(out/own_data_3.png)" in text


@pytest.mark.parametrize("example", REFUSED, ids=lambda example: example.title)
def test_what_is_refused_is_one_sentence_without_a_path_of_the_machine(example):
    said = refusal(example)
    assert "data" in said and "\n" not in said and "/tmp" not in said and re.search(r"; | \(", said)


def test_an_accepted_example_is_no_refusal():
    with pytest.raises(ValueError, match="is accepted; it must be refused"):
        refusal(ACCEPTED[0])


def test_every_layout_is_shown_and_every_refusal_is_another(tmp_path):
    taken = set()
    for i, example in enumerate(ACCEPTED):
        path = example.write(tmp_path / str(i))
        taken.add(next(name for name in LAYOUTS if LAYOUTS[name]().takes(path)))
    assert taken == set(LAYOUTS)
    assert len({refusal(example) for example in REFUSED}) == len(REFUSED)


def test_the_page_holds_every_example(tmp_path):
    own_data_page(tmp_path / "generated")
    text = (tmp_path / "generated" / "your_own_data.md").read_text()
    assert all(f"## {example.title}\n" in text for example in ACCEPTED)
    assert all(f"| {example.title} | " in text for example in REFUSED)
    assert len(list((tmp_path / "generated").glob("own_data_*.png"))) == len(ACCEPTED)
    assert "taken for 12 bits: 4095 is white" in text and "| index | class |" in text


def test_the_numbers_in_the_pages_prose_are_those_of_the_code():
    text = (ROOT / "book" / "your_own_data.md").read_text()
    words = {4: "four", 5: "Five"}
    assert f"{words[MIN_PER_CLASS]} images a class\ncan be loaded" in text
    assert f"needs {words[LEAST_IN_POOL]} images of each class in the pool, that is {5 * LEAST_IN_POOL} a class" in text
    assert (Source.pool_share, Source.test_share) == (
        0.2,
        0.2,
    ) and "60% for training, 20% for the attacker pool" in text
    sides = [canonical_side(side, grey) for side, grey in ((19, True), (20, True), (20, False))]
    assert sides == [8, 28, 32] and "8 pixels below 20, else 28 for grey images and 32 for colour" in text


def test_a_listing_shows_a_few_files_of_each_folder(tmp_path):
    for i in range(7):
        (tmp_path / "d" / "a").mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / "a" / f"{i}.png").touch()
    assert tree(tmp_path / "d").splitlines() == ["d/", "    a/", "        0.png", "        1.png", "        ... 5 more"]


def test_the_drawn_shapes_are_the_same_in_every_run_and_no_two_alike():
    images, names = images_of(4)
    assert np.array_equal(images, images_of(4)[0]) and names == [name for name in SHAPES for _ in range(4)]
    assert len({image.tobytes() for image in images}) == 12
