"""A device that is not there: tensors on it refuse float64, tensors of other devices, and generators of the CPU.

It stands in for CUDA and MPS on a machine that has neither. A tensor on it holds one of the CPU, says that it lies on
the device `meta`, and every operation passes through `_computed`, which refuses what those devices refuse.
"""

import sys
from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

from labelleak_lib.models.devices import resolve_device

OTHER = torch.device("meta")
_aten = torch.ops.aten
_BETWEEN = {_aten._to_copy.default, _aten.copy_.default}
"""Operations that move numbers from one device to another."""
_INDEXED = {_aten.index.Tensor, _aten.index_put.default, _aten.index_put_.default, _aten._index_put_impl_.default}
"""Operations whose indices may lie on the CPU."""


class OnOther(torch.Tensor):
    """A tensor on the device."""

    is_meta = False  # unlike those of torch's own device of this name it has values

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            device=OTHER,
        )  # fmt: skip

    def __init__(self, inner):
        self.inner = inner

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return _computed(function, args, kwargs or {})

    def tolist(self):
        return self.cpu().tolist()


class _Everywhere(TorchDispatchMode):
    """Lets tensors be made on the device and moved to it."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return _computed(function, args, kwargs or {})


def _computed(function, args, kwargs):
    flat, _ = tree_flatten((args, kwargs))
    tensors = [value for value in flat if isinstance(value, torch.Tensor)]
    there = any(isinstance(tensor, OnOther) for tensor in tensors)
    here = any(not isinstance(tensor, OnOther) and tensor.dim() for tensor in tensors)
    if there and here and function not in _BETWEEN | _INDEXED:
        raise RuntimeError(f"{function}: expected all tensors to be on the same device")
    if kwargs.get("device") is not None:
        there = torch.device(kwargs["device"]) == OTHER
        kwargs = {**kwargs, "device": torch.device("cpu")}
    elif function is _aten.copy_.default:
        there = isinstance(args[0], OnOther)
    if there and any(isinstance(value, torch.Generator) for value in flat):
        raise RuntimeError(f"{function}: expected a generator of this device, found one of the CPU")
    if there and kwargs.get("dtype") is torch.float64:
        raise TypeError(f"{function}: this device has no float64")
    inner = [tree_map_only(OnOther, lambda tensor: tensor.inner, part) for part in (args, kwargs)]
    found = function(*inner[0], **inner[1])
    if not there:
        return found
    if any(result.alias_info is not None and result.alias_info.is_write for result in function._schema.returns):
        return args[0]  # computed in place
    return tree_map_only(torch.Tensor, _wrapped, found)


def _wrapped(tensor):
    if tensor.dtype is torch.float64:
        raise TypeError("this device has no float64")
    return OnOther(tensor)


@contextmanager
def other_device(monkeypatch, name="mps"):
    """Have the library find a device called `name` that is the stand-in."""

    def resolved(device):
        return OTHER if device == name else resolve_device(device)

    for module in [module for key, module in sys.modules.items() if key.startswith("labelleak_lib")]:
        if getattr(module, "resolve_device", None) is resolve_device:
            monkeypatch.setattr(module, "resolve_device", resolved)
    # CUDA and MPS have the fused steps of optimisers
    optimizers = sys.modules["torch.optim.optimizer"]
    fused = optimizers._get_fused_kernels_supported_devices
    monkeypatch.setattr(optimizers, fused.__name__, lambda: [*fused(), OTHER.type])
    with _Everywhere():
        yield OTHER
