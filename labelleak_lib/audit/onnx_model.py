"""Networks in ONNX files, asked by onnxruntime."""

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labelleak_lib.audit.targets import Target
from labelleak_lib.checks import one_line, require
from labelleak_lib.space import InputSpace

TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
"""Numbers that a file may take, as onnxruntime calls them."""
CHANNELS = (1, 3)
"""How many an image has, wherever they stand."""


def load_onnx(path: Path, outputs: str) -> Target:
    """Return the target around an ONNX file: its first input, its first output."""
    require(
        importlib.util.find_spec("onnxruntime"),
        "model",
        str(path),
        "read by onnxruntime: pip install 'labelleak[onnx]'",
    )
    # else it writes an identifier of the machine into the home folder and reports its use over the network
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common class of errors
        raise ValueError(f"model is {str(path)!r}, ONNX that cannot be read: {one_line(error)[:200]}") from error
    [entry, *more] = session.get_inputs()
    require(not more, "model", f"{path}, with {1 + len(more)} inputs", "of one input, a batch")
    require(entry.type in TYPES, "model", f"{path}, of {entry.type} inputs", "of floating-point inputs")
    whole = len(entry.shape) in (2, 4) and all(isinstance(n, int) for n in entry.shape[1:])
    fixed = entry.shape[0] if isinstance(entry.shape[0], int) else None

    shape = tuple(entry.shape[1:])
    # as exports from Keras and TensorFlow have it
    channels_last = len(shape) == 3 and shape[2] in CHANNELS and shape[0] not in CHANNELS
    if channels_last:
        shape = (shape[2], *shape[:2])

    def answer(x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1).contiguous() if channels_last and x.shape[1] == shape[0] else x
        parts = x.split(fixed) if fixed else [x]
        answers = [torch.as_tensor(_run(session, entry, part, fixed)) for part in parts]
        return torch.cat(answers)

    # a network exported as it trains puts out logits, one from scikit-learn probabilities
    space = InputSpace(shape) if whole else None
    return Target(answer, "either" if outputs == "auto" else outputs, space, name=path.name)


def _run(session: Any, entry: Any, part: Tensor, fixed: int | None) -> Any:
    n = len(part)
    if fixed and n < fixed:
        part = torch.cat([part, part[-1:].expand(fixed - n, *part.shape[1:])])
    outputs = session.run(None, {entry.name: part.numpy().astype(TYPES[entry.type])})
    # scikit-learn's converters put labels first
    return next((o for o in outputs if getattr(o, "ndim", 0) == 2), outputs[0])[:n]
