"""The layouts of a reader's own data: parts as they are given, lists, arrays, raw files; and what is refused."""

import gzip
import pickle

import numpy as np
import pandas as pd
import pytest
from own_data import class_folders, idx_bytes, labels_of, listed, pixels, write

from labelleak_lib.data.datasets import load_dataset
from labelleak_lib.data.files import DataError
from labelleak_lib.registry import LAYOUTS

N = 20
IMAGES, LABELS = pixels(N, 8), labels_of(N)


def load(path):
    return load_dataset(str(path))


def parts(dataset):
    return [len(getattr(dataset, f"{part}_labels")) for part in ("train", "pool", "test")]


def in_parts(names, root, suffix=".png"):
    """Write N images a part, in class folders below each part's folder, no two images alike."""
    for i, name in enumerate(names):
        class_folders(root / name, pixels(N, 8, seed=i), np.where(LABELS == 0, "cat", "dog"), suffix)
    return root


SPLITS = [
    (("train", "test"), (16, 4, 20)), (("train", "val"), (16, 4, 20)), (("train", "valid"), (16, 4, 20)),
    (("train", "validation"), (16, 4, 20)), (("train", "val", "test"), (32, 8, 20)),
    (("train", "valid", "test"), (32, 8, 20)), (("Train", "Test"), (16, 4, 20)), (("training", "testing"),
    (16, 4, 20)),
    (("TRAIN", "VAL", "TEST"), (32, 8, 20)), (("train", "dev"), (16, 4, 20)), (("train",), (12, 4, 4)),
]  # fmt: skip


@pytest.mark.parametrize(("names", "sizes"), SPLITS, ids=str)
def test_train_and_test_folders_are_used_as_they_are(tmp_path, names, sizes):
    dataset = load(in_parts(names, tmp_path / "pets"))
    assert parts(dataset) == list(sizes) and dataset.class_names == ("cat", "dog")
    if len(names) > 1:
        assert dataset.variant == "given split of a folder"
        last = {image.tobytes() for image in pixels(N, 8, seed=len(names) - 1)}
        assert {image.numpy().tobytes() for image in dataset.test_images[:, 0]} == last
    assert ("joined to the training images" in " ".join(dataset.notes)) == (len(names) == 3)


def test_a_test_image_that_was_trained_on_is_counted(tmp_path):
    root = in_parts(("train", "test"), tmp_path / "d")
    (root / "test" / "cat" / "000.png").write_bytes((root / "train" / "cat" / "004.png").read_bytes())
    assert "1 of 20 test images are among the training images" in " ".join(load(root).notes)


WRONG_SPLITS = [
    ("a class less", lambda root: [path.unlink() for path in (root / "test" / "dog").iterdir()], "holds no images"),
    ("a class away", lambda root: (root / "test" / "dog").rename(root.parent / "x"),
    "'dog' is in train but not in test"),
    ("a class more", lambda root: class_folders(root / "test", pixels(5, 8), ["cow"] * 5), "'cow' is in test but not"),
    ("a loose image", lambda root: write(root / "x.png", b"x"), "x.png lies beside a train folder"),
    ("a loose folder", lambda root: (root / "other").mkdir(), "other lies beside a train folder"),
    ("two of a part", lambda root: in_parts(["training"], root), "two train folders"),
    ("two validations", lambda root: in_parts(["val", "valid"], root), "two val folders"),
    ("loose in test", lambda root: write(root / "test" / "x.png", b"x"), "x.png lies outside any class folder"),
    ("deeper", lambda root: (root / "train" / "cat" / "more").mkdir(), "more is a folder within a class folder"),
    ("damaged", lambda root: (root / "test" / "cat" / "000.png").write_bytes(b"x"), "000.png is not a readable image"),
    ("few", lambda root: [p.unlink() for p in sorted((root / "train" / "cat").iterdir())[4:]], "'cat' has 4 samples"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "change", "refusal"), WRONG_SPLITS, ids=[case[0] for case in WRONG_SPLITS])
def test_a_split_that_does_not_fit_is_refused(tmp_path, kind, change, refusal):
    root = in_parts(("train", "test"), tmp_path / "d")
    change(root)
    with pytest.raises(DataError, match=refusal) as caught:
        load(root)
    assert "\n" not in str(caught.value) and str(root) in str(caught.value)


@pytest.mark.parametrize("label", ["label", "class", "target", "y", "Label"])
@pytest.mark.parametrize("path", ["path", "file", "filename", "image", "Image"])
def test_the_columns_of_a_list_have_the_usual_names(tmp_path, path, label):
    dataset = load(listed(tmp_path / "d", IMAGES, LABELS, columns=(path, label)))
    assert parts(dataset) == [12, 4, 4] and dataset.variant == "own split of a list"
    rows = {image.tobytes(): name for image, name in zip(IMAGES, LABELS, strict=True)}
    for image, c in zip(dataset.test_images[:, 0].numpy(), dataset.test_labels.tolist(), strict=True):
        assert rows[image.tobytes()] == c


def test_every_separator_and_a_byte_order_mark_are_read(tmp_path):
    for i, (name, delimiter) in enumerate([("a.csv", ","), ("b.csv", ";"), ("c.tsv", "\t"), ("d.CSV", ",")]):
        file = listed(tmp_path / str(i), IMAGES, LABELS, name=name, delimiter=delimiter)
        file.write_bytes(b"\xef\xbb\xbf" * (i % 2) + file.read_bytes())
        assert load(file).classes == 2


@pytest.mark.parametrize("values", [("train", "test"), ("train", "val"), ("Train", "Test"), ("training", "testing"),
                                    ("train", "validation"), ("train", "valid"), ("TRAIN", "DEV"), ("train ", " test"),
                                    ("train", "dev"), ("Training", "Validation")])  # fmt: skip
def test_a_column_says_the_split(tmp_path, values):
    split = [values[i % 4 > 1] for i in range(N)]
    assert parts(load(listed(tmp_path / "d", IMAGES, LABELS, split=split))) == [8, 2, 10]


@pytest.mark.parametrize("kind", ["paths", "bytes", "struct of bytes", "struct of paths", "text labels", "upper",
"split",
                                  "from 1", "absolute", "int8"])  # fmt: skip
def test_a_parquet_of_paths_or_of_the_images_themselves(tmp_path, kind):
    file = listed(tmp_path / "d", IMAGES, LABELS)
    names = [f"{i:03}.png" for i in range(N)]
    contents = [(file.parent / name).read_bytes() for name in names]
    held = {
        "bytes": contents, "struct of bytes": [{"bytes": content, "path": None} for content in contents],
        "struct of paths": [{"bytes": None, "path": name} for name in names],
        "absolute": [str(file.parent / name) for name in names],
    }.get(kind, names)  # fmt: skip
    labels = {"text labels": np.where(LABELS, "dog", "cat"), "from 1": LABELS + 1, "int8": LABELS.astype(np.int8)}
    frame = pd.DataFrame({"image": held, "label": labels.get(kind, LABELS)})
    if kind == "upper":
        frame.columns = frame.columns.str.upper()
    if kind == "split":
        frame["split"] = ["train", "train", "test", "test"] * (N // 4)
    path = file.parent / "list.parquet"
    frame.to_parquet(path)
    dataset = load(path)
    assert dataset.class_names == {"text labels": ("cat", "dog"), "from 1": ("1", "2")}.get(kind, ("0", "1"))
    assert parts(dataset) == ([8, 2, 10] if kind == "split" else [12, 4, 4])


LISTS = [
    (b"", "no column of paths"), (b"path,label\n", "lists no image"), (b"a,b\n1,2\n", "no column of paths"),
    (b"path\n000.png\n", "no column of labels"),
    (b"path,file,label\nx,y,z\n", "'path' and 'file', which mean the same"),
    (b"path,label,class\nx,y,z\n", "'label' and 'class', which mean"),
    (b"path,label\nnone.png,1\n", "row 1 names 'none.png'"),
    (b"path,label\n000.png\n", "row 1 has 1 fields where the head has 2"),
    (b"path,label\n000.png,\n", "row 1 has the label ''"),
    (b"path,label\n,1\n", "row 1 has the path ''"), (b"\xff\xfe\x00", "is not a readable list"),
    (b'path,label\n"000.png,1\n', "is not a readable list"), (b"path,label,split\n000.png,1,foo\n", "the split 'foo'"),
    (b"path,label\nlist.csv,1\n", "is not a readable image"), (b"path,label\n.,1\n", "row 1 names '.'"),
    (b"path,label\n000.png,a\n", "labels name 1 classes"),
    (b"path,label,split\n000.png,a,test\n001.png,b,val\n", "name one of them train"),
    (b"path,label\n" + b"x" * 5000 + b",1\n", "row 1 names"),
    (b"path,label\nhttp://x/y.png,1\n", "which is no file seen from"),
    (b"path,label\n000.png," + b"9" * 5000 + b"\n", "labels have 1 to 200 characters"),
    (b"path,label\n\x00,1\n", "list.csv"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "refusal"), LISTS, ids=[case[1] for case in LISTS])
def test_a_list_that_cannot_be_used_is_one_sentence(tmp_path, content, refusal):
    file = listed(tmp_path / "d", IMAGES, LABELS)
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"list\.csv") as caught:
        load(file)
    assert refusal in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet" * 9, b"PAR1" + b"\0" * 50 + b"PAR1"])
def test_a_damaged_parquet_is_one_sentence(tmp_path, content):
    with pytest.raises(DataError, match=r"x\.parquet is not a readable list"):
        load(write(tmp_path / "x.parquet", content))


HALF = (IMAGES[: N // 2], LABELS[: N // 2], IMAGES[N // 2 :], LABELS[N // 2 :])
KEYS = [
    ("images", "labels"), ("x", "y"), ("X", "y"), ("data", "target"), ("image", "label"), ("imgs", "targets"),
    ("inputs", "labels"), ("pixels", "classes"), ("Images", "Labels"), ("X", "Y"),
    ("x_train", "y_train", "x_test", "y_test"), ("X_train", "y_train", "X_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"), ("train_x", "train_y", "test_x", "test_y"),
    ("images_train", "labels_train", "images_val", "labels_val"),
    ("train_data", "train_target", "valid_data", "valid_target"),
    ("train_images", "train_labels", "val_images", "val_labels"), ("x-train", "y-train", "x-test", "y-test"),
]  # fmt: skip


@pytest.mark.parametrize("keys", KEYS, ids="-".join)
def test_arrays_have_the_usual_names(tmp_path, keys):
    arrays = (IMAGES, LABELS) if len(keys) == 2 else HALF
    np.savez(tmp_path / "x.npz", **dict(zip(keys, arrays, strict=True)))
    dataset = load(tmp_path / "x.npz")
    assert parts(dataset) == ([12, 4, 4] if len(keys) == 2 else [8, 2, 10])
    if len(keys) == 4:
        assert np.array_equal(dataset.test_images[:, 0], HALF[2]) and np.array_equal(dataset.test_labels, HALF[3])


def test_arrays_as_medmnist_has_them(tmp_path):
    arrays = {}
    for i, part in enumerate(("train", "val", "test")):
        arrays[f"{part}_images"], arrays[f"{part}_labels"] = pixels(N, colour=True, seed=i), LABELS[:, None]
    np.savez(tmp_path / "medmnist.npz", **arrays)
    dataset = load(tmp_path / "medmnist.npz")
    assert parts(dataset) == [32, 8, 20] and dataset.channels == 3


COLOUR = pixels(N, 32, colour=True)
SHAPES = [
    (IMAGES, 1), (IMAGES[..., None], 1), (IMAGES[:, None], 1), (IMAGES.reshape(N, 64), 1), (COLOUR, 3),
    (COLOUR.transpose(0, 3, 1, 2), 3), (np.repeat(IMAGES[..., None], 3, 3), 1), (np.repeat(IMAGES[:, None], 3, 1), 1),
    (IMAGES / 255, 1), (COLOUR / np.float32(255), 3), (IMAGES.astype(np.uint16), 1), (IMAGES.astype(np.int64), 1),
    (IMAGES.astype(float), 1), (IMAGES.astype(np.uint16) * 257, 1),
]  # fmt: skip


@pytest.mark.parametrize(("images", "channels"), SHAPES, ids=[f"{a.shape} {a.dtype}" for a, _ in SHAPES])
def test_arrays_have_the_usual_shapes_and_ranges(tmp_path, images, channels):
    np.savez(tmp_path / "x.npz", images=images, labels=LABELS)
    source = LAYOUTS["arrays"]().read(tmp_path / "x.npz")
    expected = IMAGES[:, None] if channels == 1 else COLOUR.transpose(0, 3, 1, 2)
    assert np.array_equal(source.images, expected)


@pytest.mark.parametrize("high", [255, 250, 200, 130, 1, 1023, 4095, 4000, 16383, 65535])
def test_sixteen_bits_never_load_almost_black(tmp_path, high):
    images = np.linspace(0, high, N * 64).reshape(N, 8, 8).astype(np.uint16)
    np.savez(tmp_path / "x.npz", images=images, labels=LABELS)
    source = LAYOUTS["arrays"]().read(tmp_path / "x.npz")
    assert source.images.max() >= 127
    assert any("16 bits" in note for note in source.notes) == (high != 65535)


WRONG_ARRAYS = [
    ({"images": IMAGES}, "has 'images' but no array 'labels'"), ({"labels": LABELS}, "no array 'images'"),
    ({"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES}, "has 'x_test' but no array 'labels'"),
    ({"images": IMAGES, "x": IMAGES, "labels": LABELS}, "'images' and 'x', which mean the same"),
    ({"x": IMAGES, "X": IMAGES, "y": LABELS}, "mean the same"), ({"a": IMAGES, "b": LABELS}, "no array 'images'"),
    ({"x_test": IMAGES, "y_test": LABELS, "x_val": IMAGES, "y_val": LABELS}, "name one of them train"),
    ({"x": IMAGES, "y": LABELS, "x_test": IMAGES, "y_test": LABELS}, "name one of them train"),
    ({"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES, "y_test": LABELS * 0},
    "class '1' is in train but not in"),
    ({"x_train": IMAGES, "y_train": LABELS, "x_test": COLOUR, "y_test": LABELS}, "differ in shape or dtype"),
    ({"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES / 255, "y_test": LABELS}, "differ in shape or dtype"),
    ({"images": IMAGES.reshape(N, 2, 4, 8), "labels": LABELS}, r"save \(N, H, W\)"),
    ({"images": IMAGES.reshape(N, 64)[:, :60], "labels": LABELS}, "images have shape"),
    ({"images": pixels(N, 32).reshape(N, 4, 16, 16), "labels": LABELS}, "images have shape"),
    ({"images": IMAGES, "labels": LABELS, "class_names": np.array(["a"])}, "do not fit 1 class names"),
    ({"images": IMAGES, "labels": LABELS, "class_names": np.array(["a", "a"])}, "do not fit"),
    ({"arr_0": IMAGES, "arr_1": LABELS}, "no array 'images'"),
    ({"images": IMAGES[:0], "labels": LABELS[:0]}, "0 images"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arrays", "refusal"), WRONG_ARRAYS, ids=[case[1] + str(i) for i, case in enumerate(WRONG_ARRAYS)]
)
def test_arrays_that_do_not_fit_are_one_sentence(tmp_path, arrays, refusal):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DataError, match=refusal) as caught:
        load(tmp_path / "x.npz")
    assert "x.npz" in str(caught.value) and "\n" not in str(caught.value)


RAW = [
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"), ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
    ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
    ("emnist-letters-train-images-idx3-ubyte.gz", "emnist-letters-train-labels-idx1-ubyte.gz"),
    ("images.idx3", "labels.idx1"), ("images-idx3-ubyte", "labels-idx1-ubyte"), ("a.idx", "b.idx"),
    ("qmnist-test-images-idx3-ubyte", "qmnist-test-labels-idx1-ubyte"), ("IMAGES-IDX3-UBYTE", "LABELS-IDX1-UBYTE"),
]  # fmt: skip


@pytest.mark.parametrize("below", ["", "raw"])
@pytest.mark.parametrize("names", RAW, ids=str)
def test_raw_idx_files_are_read_under_other_names(tmp_path, names, below):
    for name, array in zip(names, (IMAGES, LABELS), strict=True):
        write(tmp_path / "kmnist" / below / name, idx_bytes(array))
    dataset = load(tmp_path / "kmnist")
    assert dataset.name == "kmnist" and parts(dataset) == [12, 4, 4]


def test_raw_files_of_two_parts_keep_their_split(tmp_path):
    for i, part in enumerate(("train", "t10k")):
        write(tmp_path / f"{part}-images-idx3-ubyte.gz", idx_bytes(HALF[2 * i]))
        write(tmp_path / f"{part}-labels-idx1-ubyte", idx_bytes(HALF[2 * i + 1]))
    dataset = load(tmp_path)
    assert parts(dataset) == [8, 2, 10] and np.array_equal(dataset.test_images[:, 0], HALF[2])


GOOD = {"train-images-idx3-ubyte": idx_bytes(IMAGES), "train-labels-idx1-ubyte": idx_bytes(LABELS)}
FIRST, SECOND = GOOD
WRONG_RAW = [
    ({SECOND: None}, "stands alone; put the labels"), ({FIRST: None}, "stands alone; put the images"),
    ({FIRST: GOOD[FIRST][:-1]}, "not as many as its head announces"),
    ({FIRST: GOOD[FIRST] + b"x"}, "not as many as its"),
    ({SECOND: GOOD[SECOND][:-1]}, "not as many as"), ({SECOND: idx_bytes(LABELS[:-1])}, "20 images but"),
    ({"other-train-images-idx3-ubyte": GOOD[FIRST]}, "both hold images of one part"),
    ({"t10k-images-idx3-ubyte": GOOD[FIRST]}, "stands alone"), ({FIRST: GOOD[FIRST][:9]}, "not as many as"),
    ({FIRST: idx_bytes(IMAGES[:, :7])}, "7x8"), ({SECOND: idx_bytes(LABELS * 0)}, "labels name 1 classes"),
    ({"t10k-images-idx3-ubyte": idx_bytes(pixels(N, 9)), "t10k-labels-idx1-ubyte": idx_bytes(LABELS)},
    "several sizes"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "refusal"), WRONG_RAW, ids=[case[1] + str(i) for i, case in enumerate(WRONG_RAW)])
def test_raw_files_that_do_not_fit_are_one_sentence(tmp_path, change, refusal):
    for name, content in (GOOD | change).items():
        if content is not None:
            write(tmp_path / "d" / name, content)
    with pytest.raises(DataError, match=refusal) as caught:
        load(tmp_path / "d")
    assert str(tmp_path / "d") in str(caught.value) and "\n" not in str(caught.value)


def test_a_raw_file_that_is_truncated_within_its_packing_is_refused(tmp_path):
    packed = gzip.compress(GOOD[FIRST])
    (tmp_path / f"{FIRST}.gz").write_bytes(packed[: len(packed) // 2])
    write(tmp_path / SECOND, GOOD[SECOND])
    with pytest.raises(DataError, match="truncated or damaged"):
        load(tmp_path)


def records(n=20, classes=2, width=1, seed=0):
    """Return binary CIFAR records: label bytes, then 3072 pixels each."""
    rng = np.random.default_rng(seed)
    labels = np.repeat((np.arange(n) % classes)[:, None], width, 1)
    return np.hstack([labels, rng.integers(0, 256, (n, 3072))]).astype(np.uint8)


@pytest.mark.parametrize(("files", "width", "sizes"), [
    (("data_batch_1.bin",), 1, (12, 4, 4)), (("data_batch_1.bin", "test_batch.bin"), 1, (16, 4, 20)),
    (("data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"), 1, (32, 8, 20)),
    (("train.bin", "test.bin"), 2, (16, 4, 20)),
])  # fmt: skip
def test_binary_batches_are_read(tmp_path, files, width, sizes):
    for i, name in enumerate(files):
        write(tmp_path / "c" / name, records(width=width, seed=i).tobytes())
    write(tmp_path / "c" / ("batches.meta.txt" if width == 1 else "fine_label_names.txt"), b"cat\ndog\n")
    dataset = load(tmp_path / "c")
    assert parts(dataset) == list(sizes) and dataset.class_names == ("cat", "dog") and dataset.side == 32
    if len(files) > 1:
        held = records(width=width, seed=len(files) - 1)
        assert np.array_equal(dataset.test_images.reshape(20, -1), held[:, width:])


@pytest.mark.parametrize("names", [("data_batch_1",), ("test_batch",), ("meta", "train"), ("meta", "test"),
                                   ("data_batch_1", "test_batch"), ("meta", "train", "test"),
                                   ("data_batch_1", "x.txt"),
                                   ("data_batch_1", "batches.meta"), ("test_batch", "x.bin"),
                                   ("data_batch_1", "data_batch_2")],
                         ids=str)  # fmt: skip
def test_pickled_batches_are_refused_unopened(tmp_path, names, monkeypatch):
    for name in names:
        write(tmp_path / "cifar-10-batches-py" / name, pickle.dumps({b"data": 0}))
    monkeypatch.setattr(pickle, "load", None)
    monkeypatch.setattr(pickle, "loads", None)
    with pytest.raises(DataError, match=r"is a pickle.* take the binary version \(\.bin\)"):
        load(tmp_path / "cifar-10-batches-py")


@pytest.mark.parametrize("size", [0, 1, 3072, 3074, 6145])
def test_a_batch_of_another_size_is_refused(tmp_path, size):
    write(tmp_path / "data_batch_1.bin", bytes(size))
    with pytest.raises(DataError, match=rf"data_batch_1\.bin has {size} bytes, no multiple of 3073"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["mnist", "digits", "cifar10"])
def test_a_folder_called_like_a_named_data_set_is_told_apart(tmp_path, name):
    assert load(class_folders(tmp_path / name, IMAGES, LABELS)).name == f"own-{name}"


def brightness(dataset):
    """Return pairs of label and first pixel, of all parts."""
    whole = [(dataset.train_images, dataset.train_labels), (dataset.pool_images, dataset.pool_labels)]
    whole.append((dataset.test_images, dataset.test_labels))
    return {(int(y), int(x.flatten()[0])) for images, labels in whole for x, y in zip(images, labels, strict=True)}


@pytest.mark.parametrize("classes", [2, 4, 5])
def test_raw_and_binary_files_keep_every_label_with_its_image(tmp_path, classes):
    labels = np.random.default_rng(classes).permutation(np.arange(20 * classes) % classes).astype(np.uint8)
    shades = np.tile((labels * 40)[:, None, None], (1, 16, 16)).astype(np.uint8)
    write(tmp_path / "idx" / FIRST, idx_bytes(shades))
    write(tmp_path / "idx" / SECOND, idx_bytes(labels))
    flat = np.repeat((labels * 40)[:, None], 3072, 1)
    write(tmp_path / "ten" / "data_batch_1.bin", np.hstack([labels[:, None], flat]).astype(np.uint8).tobytes())
    coarse = np.zeros_like(labels)
    for name in ("train.bin", "test.bin"):
        content = np.hstack([coarse[:, None], labels[:, None], flat]).astype(np.uint8)
        write(tmp_path / "hundred" / name, content.tobytes())
    for kind in ("idx", "ten", "hundred"):
        assert brightness(load(tmp_path / kind)) == {(c, 40 * c) for c in range(classes)}, kind
