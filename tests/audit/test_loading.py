"""Model files of others: read where they hold numbers, refused in a sentence where they could run code."""

import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from forgetful import fitted, network
from safetensors.torch import save_file
from toys import trained

from labelleak_lib.audit.loading import load_target
from labelleak_lib.audit.targets import outputs_of, probabilities
from labelleak_lib.models.checkpoints import save_checkpoint
from labelleak_lib.space import InputSpace

SHAPE = (1, 8, 8)
SPACE = InputSpace(SHAPE)
FACTORY = "toy_factory:build"
EMPTY = b"\x02\x00\x00\x00\x00\x00\x00\x00{}"
"""Safetensors that hold nothing."""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Stand in a folder of one's own, with a module that builds the network."""
    tests = Path(__file__).parents[1]
    (tmp_path / "toy_factory.py").write_text(
        f"import sys\nsys.path.append({str(tests)!r})\nfrom forgetful import network\n\n\n"
        f"def build():\n    return network(3, {SHAPE})\n\n\ndef number():\n    return 7\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def same(target, model):
    x = torch.rand((5, *SHAPE), generator=torch.Generator().manual_seed(0))
    asked, classes = outputs_of(target, SPACE)
    with torch.no_grad():
        expected = torch.softmax(model(x), dim=1)
    torch.testing.assert_close(probabilities(asked.answer(x), asked, 5, classes), expected, rtol=1e-4, atol=1e-5)


def test_a_checkpoint_of_the_library_says_everything_itself(tmp_path):
    save_checkpoint(trained(4), tmp_path / "m.safetensors")
    target = load_target(tmp_path / "m.safetensors")
    assert target.space == SPACE and target.classes == 4
    same(target, trained(4))


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "_orig_mod.module."])
@pytest.mark.parametrize("kind", ["state_dict", "nested", "safetensors", "legacy"])
def test_parameters_are_read_with_the_code_that_builds_the_network(place, kind, prefix):
    model = fitted(3, SHAPE)
    state = {prefix + name: value for name, value in model.state_dict().items()}
    path = place / ("m.safetensors" if kind == "safetensors" else "m.pt")
    if kind == "safetensors":
        save_file(state, path)
    else:
        held = {"epoch": 3, "state_dict": state} if kind == "nested" else state
        torch.save(held, path, _use_new_zipfile_serialization=kind != "legacy")
    same(load_target(path, factory=FACTORY), model)
    same(load_target(path, factory=lambda: network(3, SHAPE)), model)


def test_parameters_of_another_network_are_listed(place):
    state = fitted(3, SHAPE).state_dict()
    state["extra.weight"] = torch.zeros(2)
    del state["0.bias"]
    state["7.weight"] = torch.zeros(4, 64)
    torch.save(state, place / "m.pt")
    with pytest.raises(ValueError) as stop:
        load_target(place / "m.pt", factory=FACTORY)
    said = str(stop.value)
    for words in ("1 missing (0.bias)", "1 unexpected (extra.weight)", "1 of another shape (7.weight)"):
        assert words in said


@pytest.mark.parametrize("form", ["torchscript", "traced", "exported"])
def test_programs_are_read(tmp_path, form):
    model, x = fitted(3, SHAPE), torch.rand(2, *SHAPE)
    path = tmp_path / "m.bin"
    if form == "exported":
        batch = torch.export.Dim("batch", min=1, max=4096)
        torch.export.save(torch.export.export(model, (x,), dynamic_shapes=({0: batch},)), tmp_path / "m.pt2")
        path = tmp_path / "m.pt2"
    else:
        with pytest.warns(FutureWarning):
            made = torch.jit.script(model) if form == "torchscript" else torch.jit.trace(model, x)
        made.save(str(path))
    same(load_target(path), model)


@pytest.mark.parametrize("size", [1, 3, 4])
def test_a_program_for_batches_of_one_size_takes_others(tmp_path, size):
    model = fitted(3, SHAPE)
    torch.export.save(torch.export.export(model, (torch.rand(size, *SHAPE),)), tmp_path / "m.pt2")
    same(load_target(tmp_path / "m.pt2"), model)


def test_onnx_of_channels_last_gets_images_of_channels_first(tmp_path):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'labelleak[onnx]'")
    onnx = pytest.importorskip("onnx", reason="onnx, which writes the file of this test, is not installed")

    h, t = onnx.helper, onnx.TensorProto.FLOAT
    weight = np.random.default_rng(0).normal(size=(4 * 5 * 3, 7)).astype(np.float32)
    graph = h.make_graph(
        [h.make_node("Flatten", ["x"], ["flat"]), h.make_node("MatMul", ["flat", "w"], ["y"])], "last",
        [h.make_tensor_value_info("x", t, ["n", 4, 5, 3])], [h.make_tensor_value_info("y", t, ["n", 7])],
        [onnx.numpy_helper.from_array(weight, "w")],
    )  # fmt: skip
    made = h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8)
    onnx.save(made, str(tmp_path / "last.onnx"))
    target = load_target(tmp_path / "last.onnx")
    assert target.space == InputSpace((3, 4, 5))
    x = torch.rand((6, 3, 4, 5), generator=torch.Generator().manual_seed(0))
    expected = np.moveaxis(x.numpy(), 1, -1).reshape(6, -1) @ weight
    np.testing.assert_allclose(target.answer(x), expected, rtol=1e-4)
    np.testing.assert_allclose(target.answer(x.permute(0, 2, 3, 1)), expected, rtol=1e-4)


@pytest.mark.parametrize(("kind", "words"), [("FLOAT16", ""), ("DOUBLE", ""), ("UINT8", r"of tensor\(uint8\) inputs")])
def test_onnx_gets_the_numbers_that_it_takes(tmp_path, kind, words):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'labelleak[onnx]'")
    onnx = pytest.importorskip("onnx", reason="onnx, which writes the file of this test, is not installed")
    h, t = onnx.helper, getattr(onnx.TensorProto, kind)
    weight = np.eye(4, 3).astype({"FLOAT16": np.float16, "DOUBLE": np.float64, "UINT8": np.float32}[kind])
    cast = [h.make_node("Cast", ["x"], ["z"], to=onnx.TensorProto.FLOAT)] if words else []
    graph = h.make_graph(
        [*cast, h.make_node("MatMul", ["z" if words else "x", "w"], ["y"])], "net",
        [h.make_tensor_value_info("x", t, ["n", 4])],
        [h.make_tensor_value_info("y", onnx.TensorProto.FLOAT if words else t, ["n", 3])],
        [onnx.numpy_helper.from_array(weight, "w")],
    )  # fmt: skip
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8), str(tmp_path / "m.onnx"))
    if words:
        with pytest.raises(ValueError, match=words):
            load_target(tmp_path / "m.onnx")
    else:
        x = torch.tensor([[0.5, 0.25, 1.0, 0.0]])
        assert np.asarray(load_target(tmp_path / "m.onnx").answer(x)).tolist() == [[0.5, 0.25, 1.0]]


def test_onnx_is_read_where_onnxruntime_is(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'labelleak[onnx]'")
    onnx = pytest.importorskip("onnx", reason="onnx, which writes the file of this test, is not installed")
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3)).eval()
    weight, bias = (value.detach().numpy() for value in model[1].parameters())
    h, t = onnx.helper, onnx.TensorProto.FLOAT
    graph = h.make_graph(
        [h.make_node("Flatten", ["x"], ["flat"]), h.make_node("Gemm", ["flat", "w", "b"], ["y"], transB=1)], "net",
        [h.make_tensor_value_info("x", t, ["n", *SHAPE])], [h.make_tensor_value_info("y", t, ["n", 3])],
        [onnx.numpy_helper.from_array(weight, "w"), onnx.numpy_helper.from_array(bias, "b")],
    )  # fmt: skip
    made = h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8)
    onnx.save(made, str(tmp_path / "m.onnx"))
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    target = load_target(tmp_path / "m.onnx")
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1", "an audit is nobody else's business"
    assert target.space == SPACE
    same(target, model)
    (tmp_path / "broken.onnx").write_bytes(b"nothing at all")
    with pytest.raises(ValueError, match=r"broken\.onnx', ONNX that cannot be read"):
        load_target(tmp_path / "broken.onnx")


class Hostile:
    """Writes a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


def zipped(source, target, **changes):
    """Copy an archive with other content in the entries whose names end as told."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            for end, change in changes.items():
                data = change(data) if name.endswith(end.replace("__", ".").replace("_in_", "/")) else data
            new.writestr(name, data)


@pytest.mark.parametrize("how", ["pickle", "zip", "legacy", "module", "constant"])
def test_a_pickle_that_would_run_code_runs_none(tmp_path, how):
    mark, path = tmp_path / "mark", tmp_path / "m.pt"
    if how == "pickle":
        path.write_bytes(pickle.dumps(Hostile(mark)))
    elif how in ("zip", "legacy"):
        torch.save({"a": Hostile(mark)}, path, _use_new_zipfile_serialization=how == "zip")
    elif how == "module":
        torch.save(network(3, SHAPE), path)
    else:
        path.write_bytes(pickle.dumps(Hostile(mark)) + b"{")
    with pytest.raises(ValueError, match=r"torch\.save\(model\.state_dict\(\), path\)") as stop:
        load_target(path, factory=lambda: network(3, SHAPE))
    assert not mark.exists() and "\n" not in str(stop.value)
    torch.load(path, weights_only=False) if how in ("zip", "legacy") else None
    assert mark.exists() == (how in ("zip", "legacy")), "opened without care it does run"


def call(target):
    def change(data):
        held = json.loads(data)
        held["graph_module"]["graph"]["nodes"][0]["target"] = target
        return json.dumps(held).encode()

    return change


def renamed(data):
    held = json.loads(data)
    held["graph_module"]["graph"]["inputs"][0]["as_tensor"]["name"] = "x=print(1)"
    return json.dumps(held).encode()


def pickled(data):
    held = json.loads(data)
    next(iter(held["config"].values()))["use_pickle"] = True
    return json.dumps(held).encode()


def test_an_exported_program_that_would_run_code_is_refused(tmp_path):
    source, mark = tmp_path / "good.pt2", tmp_path / "mark"
    torch.export.save(torch.export.export(network(3, SHAPE).eval(), (torch.rand(2, *SHAPE),)), source)
    changes = [
        {"models_in_model__json": call("torch.os.system")},
        {"models_in_model__json": call("torch.ops.load_library")},
        {"models_in_model__json": call("_operator.call")},
        {"models_in_model__json": renamed},
        {"weights_in_model_weights_config__json": pickled},
        {"sample_inputs_in_model__pt": lambda data: pickle.dumps(Hostile(mark))},
    ]
    for number, change in enumerate(changes):
        path = tmp_path / f"bad{number}.pt2"
        zipped(source, path, **change)
        with pytest.raises(ValueError, match="save TorchScript or the state dict instead"):
            load_target(path)
    assert not mark.exists()
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr("good/data/aotinductor/model/run.so", b"machine code")
    with pytest.raises(ValueError, match=r"with an entry 'data/aotinductor/model/run\.so'"):
        load_target(source)


class Writing(torch.nn.Module):
    """A script that writes a file."""

    def forward(self, x):
        torch.save(x, "written.pt")
        return x


def test_torchscript_that_writes_files_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.warns(FutureWarning):
        torch.jit.script(Writing()).save(str(tmp_path / "m.ts"))
    with pytest.raises(ValueError, match="TorchScript that reads or writes files"):
        load_target(tmp_path / "m.ts")
    assert not (tmp_path / "written.pt").exists()


@pytest.mark.parametrize(
    ("name", "content", "options", "words"),
    [
        ("gone.pt", None, {}, "model is 'gone.pt'; it must be an existing file"),
        ("m.pt", b"PK\x03\x04 and no more", {}, "a damaged archive"),
        ("m.safetensors", EMPTY, {}, "given with --factory module:function"),
        ("m.safetensors", b"\xff\xff\x00\x00\x00\x00\x00\x00{}", {}, "damaged safetensors"),
        ("m.bin", b"", {}, "a pickle that may run code, or a damaged file"),
        ("m.safetensors", EMPTY, {"factory": "build"}, "factory is 'build'; it must be module:function"),
        ("m.safetensors", EMPTY, {"factory": "nowhere:build"}, "it cannot be found"),
        ("m.safetensors", EMPTY, {"factory": "toy_factory:number"}, "not int"),
        ("m.bin", b"", {"device": "tpu"}, "device is 'tpu'"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_sentence(place, name, content, options, words):
    if content is not None:
        Path(name).write_bytes(content)
    with pytest.raises(ValueError) as stop:
        load_target(name, **options)
    assert words in str(stop.value) and "\n" not in str(stop.value)
