"""Labels and class names: their order, their text, and the table that shows them before anything is trained."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_data import class_folders, listed, pixels

from labelleak_lib.data.class_names import escaped, in_order, visible
from labelleak_lib.data.datasets import load_dataset
from labelleak_lib.data.describing import class_table, described, noted
from labelleak_lib.data.files import DataError
from labelleak_lib.data.labels import numbered, one_a_sample
from labelleak_lib.trials.chosen import chosen_classes

ORDERS = [
    [str(c) for c in range(12)], ["1", "2", "10"], ["0", "1", "2", "100"], ["1.20", "1.25", "1.5"],
    ["-3", "-1", "0", "2"],
    ["a", "b", "c"], ["a1", "a2", "a10"], ["class 9", "class 10"], ["1", "a"], ["007", "8", "010"], ["2a", "10a", "a"],
    ["A", "B", "a"], ["1.1", "1.2", "1.10.1"], ["x", "é", "我"],
]  # fmt: skip


@pytest.mark.parametrize("names", ORDERS, ids=str)
@pytest.mark.parametrize("seed", range(2))
def test_classes_stand_in_the_order_of_people_who_count(tmp_path, names, seed):
    shuffled = np.random.default_rng(seed).permutation(names).tolist()
    assert in_order(shuffled) == names
    labels = np.repeat(shuffled, 5)
    dataset = load_dataset(str(class_folders(tmp_path / "d", pixels(len(labels), 8), labels)))
    assert dataset.class_names == tuple(names)


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=8))
def test_the_order_is_one_order_of_all_names(names):
    ordered = in_order(names)
    assert sorted(set(names)) == sorted(ordered) and in_order(reversed(ordered)) == ordered


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=8))
def test_whole_numbers_stand_by_value(numbers):
    assert [int(name) for name in in_order(map(str, numbers))] == sorted(set(numbers))


NAMES = [
    "a|b", "$x$", "`code`", "*star*", "_low_", "two\nlines", "<b>", "[x](y)", "# head", "我们", "قطة", "кот", "a\\b",
    "~~x~~",
    "1.20", "tab\tbed", "  padded", "e\u0301", "{x}", "100%", "a&amp;b", "!x", "- item", "1. item", "'quoted'",
    "^sup^",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_shown_letter_by_letter_in_a_table(tmp_path, name):
    file = listed(tmp_path / "d", pixels(10, 8), [name, "other"] * 5)
    dataset = load_dataset(str(file))
    assert name in dataset.class_names
    row = next(
        line for line in class_table(dataset).splitlines() if "other" not in line and line.endswith("| 3 | 1 | 1 |")
    )
    cell = row.split(" | ", 1)[1].removesuffix(" | 3 | 1 | 1 |")
    # CommonMark: a backslash before punctuation stands for the punctuation
    plain = "".join(
        c for i, c in enumerate(cell) if c != "\\" or (i and cell[i - 1] == "\\" and cell[i - 2 : i] != "\\\\")
    )
    assert plain == visible(name) and "\n" not in cell
    for sign in "|`*_$<":
        assert cell.count(sign) == cell.count("\\" + sign)


@given(st.text(max_size=40))
def test_an_escaped_name_is_one_line_whose_signs_are_all_escaped(name):
    shown = escaped(name)
    assert not any(ord(c) < 32 for c in shown)
    for sign in "|`*_$<>[]":
        assert shown.count(sign) == shown.count("\\" + sign)


@pytest.mark.parametrize("names", [("1.20", "1.25"), ("1", "1.0"), ("01", "1"), ("1e3", "1000"), ("nan", "NaN"),
                                   ("None", "null"), ("True", "1"), ("0x1", "1"), ("inf", "-inf"),
                                   ("NA", "N/A")])  # fmt: skip
def test_names_that_look_like_numbers_stay_text(tmp_path, names):
    file = listed(tmp_path / "d", pixels(10, 8), list(names) * 5)
    dataset = load_dataset(str(file))
    assert set(dataset.class_names) == set(names)
    for name in names:
        assert f"| {escaped(name)} |" in class_table(dataset)


STORED = [
    (np.arange(12) % 3, ("0", "1", "2"), False), (np.arange(12) % 3 + 1, ("1", "2", "3"), True),
    (np.arange(12) % 3 * 10, ("0", "10", "20"), True), (np.array([5, 9] * 6), ("5", "9"), True),
    (np.array(["b", "a", "c"] * 4), ("a", "b", "c"), False), (np.array([b"x", b"y"] * 6), ("x", "y"), False),
    (np.array(["10", "9"] * 6), ("9", "10"), True), (np.array(["0", "1"] * 6), ("0", "1"), False),
    ((np.arange(12) % 3)[:, None], ("0", "1", "2"), False), (np.eye(3)[np.arange(12) % 3], ("0", "1", "2"), False),
    (np.eye(3, dtype=int)[np.arange(12) % 3], ("0", "1", "2"), False), (np.eye(2, dtype=bool)[np.arange(12) % 2],
    ("0", "1"), False),
    (np.array([2**40, 3] * 6), ("3", str(2**40)), True), (np.array([["a"], ["b"]] * 6), ("a", "b"), False),
    (np.arange(12, dtype=np.uint8) % 2, ("0", "1"), False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("stored", "names", "said"), STORED, ids=[str(case[1]) + str(i) for i, case in enumerate(STORED)]
)
def test_labels_of_every_kind_are_numbered_and_keep_their_name(stored, names, said):
    labels = one_a_sample(stored, 12, "x.npz")
    found = numbered(labels, "x.npz")
    assert found.names == names and found.indices.dtype == np.int64
    original = labels.astype(str) if labels.dtype.kind != "S" else np.char.decode(labels)
    assert [found.names[c] for c in found.indices] == original.tolist()
    assert any("class indices" in note for note in found.notes) == said


BAD = [
    (np.arange(12) % 2 * 1.0, "float64"), (np.arange(12) % 2 == 0, "bool"), (np.zeros((12, 2)), "not one-hot"),
    (np.ones((12, 2)), "not one-hot"), (np.full((12, 3), 1 / 3), "not one-hot"),
    (np.zeros((6, 2), int), "one integer or text"),
    (np.arange(11), "one integer or text"), (np.zeros((12, 1, 1), int), "one integer or text"),
    (np.array(0), "one integer"),
    (np.arange(12) % 3 - 1, "label -1 is out of range"), (np.zeros(12, int), "labels name 1 classes"),
    (np.array(["a"] * 12), "labels name 1 classes"), (np.array(["", "a"] * 6), "labels have 1 to 200"),
    (np.array(["x" * 201, "a"] * 6), "labels have 1 to 200"), (np.array([" ", "a"] * 6), "labels have 1 to 200"),
    (np.zeros(12, complex), "complex128"), (np.array([b"\xff", b"\xfe"] * 6), "no UTF-8"),
    (np.zeros(12, "datetime64[s]"), "datetime64"),
]  # fmt: skip


@pytest.mark.parametrize(("stored", "refusal"), BAD, ids=[case[1] + str(i) for i, case in enumerate(BAD)])
def test_labels_that_name_no_classes_are_one_sentence(stored, refusal):
    with pytest.raises(DataError, match=f"^x.npz: .*{refusal}") as caught:
        numbered(one_a_sample(stored, 12, "x.npz"), "x.npz")
    assert "\n" not in str(caught.value)


def test_class_names_of_an_npz_are_read(tmp_path):
    np.savez(tmp_path / "x.npz", images=pixels(10, 8), labels=np.arange(10) % 2, class_names=np.array(["zebra", "ape"]))
    assert load_dataset(str(tmp_path / "x.npz")).class_names == ("zebra", "ape")


@pytest.mark.parametrize(
    "pair", [("cat", "Cat"), ("cat", "cat "), ("two words", "two  words"), ("A", "a"), ("ß", "SS")]
)
def test_names_that_look_alike_are_said(tmp_path, pair):
    file = listed(tmp_path / "d", pixels(10, 8), list(pair) * 5)
    assert "differ in case or spaces alone" in " ".join(load_dataset(str(file)).notes)
    assert noted(load_dataset(str(file))).startswith("- ") and noted(load_dataset("digits")) == ""


def test_what_is_said_before_training_is_one_line_each_and_a_table(tmp_path):
    dataset = load_dataset(str(class_folders(tmp_path / "d", pixels(15, 8), np.arange(15) % 3 + 1)))
    text = described(dataset).splitlines()
    assert text[0] == "d (own split of a folder): 3 classes, grey images of 8x8."
    assert text[1].startswith("- labels 1 .. 3 became the class indices 0 .. 2")
    assert text[-3:] == ["| 0 | 1 | 3 | 1 | 1 |", "| 1 | 2 | 3 | 1 | 1 |", "| 2 | 3 | 3 | 1 | 1 |"]


PETS, DIGITS, FROM_ONE = ("cat", "dog", "emu"), ("0", "1", "2"), ("1", "2", "10")
MIXED, PADDED = ("1", "2", "other"), ("00", "01", "02")
CHOSEN = [
    ("dog", PETS, (1,)), (["dog"], PETS, (1,)), (["emu", "cat"], PETS, (0, 2)), (1, PETS, (1,)),
    ([1, "cat"], PETS, (0, 1)),
    (("dog", 1), PETS, (1,)), ("2", DIGITS, (2,)), (2, DIGITS, (2,)), (["1", 1], DIGITS, (1,)), ("10", FROM_ONE, (2,)),
    (["1", "2"], FROM_ONE, (0, 1)), (np.int64(1), PETS, (1,)), (range(2), PETS, (0, 1)), (0, MIXED, (0,)),
    ("1", MIXED, (0,)), (1, PADDED, (1,)),
]  # fmt: skip


@pytest.mark.parametrize(("wish", "names", "found"), CHOSEN, ids=str)
def test_classes_are_chosen_by_index_or_name(wish, names, found):
    assert chosen_classes(wish, names) == found


REFUSED = [
    ("dgo", PETS, "forgotten class is 'dgo'; .*'dog' is the nearest"), (["cat", "dog", "emu"], PETS, "1 to 2 classes"),
    ([], PETS, "1 to 2 classes"), (3, PETS, "an integer from 0 to 2"), (-1, PETS, "an integer from 0 to 2"),
    (True, PETS, "integer"), (1.0, PETS, "a list of classes"), ([1.0], PETS, "integer"), ([None], PETS, "integer"),
    ({"cat"}, PETS, "a list of classes"), (1, FROM_ONE, "a name in quotes, such as '10'"),
    ([10], FROM_ONE, "a name in quotes"),
    (0, FROM_ONE, "a name in quotes"), ("3", DIGITS, "the name of a class"), ("", PETS, "the name of a class"),
    (1, MIXED, "a name in quotes"), ([2], MIXED, "a name in quotes"), (1, ("01", "02", "03"), "a name in quotes"),
    (1, ("-1", "0", "1"), "a name in quotes"), (["Dog"], PETS, "'dog' is the nearest"),
]  # fmt: skip


@pytest.mark.parametrize(("wish", "names", "refusal"), REFUSED, ids=str)
def test_a_wish_that_cannot_be_met_is_one_sentence(wish, names, refusal):
    with pytest.raises(ValueError, match=refusal) as caught:
        chosen_classes(wish, names)
    assert "\n" not in str(caught.value)
