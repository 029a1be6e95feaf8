"""A device that is none: tensors on the CPU that behave as a GPU's do where devices meet.

``with pretend_device() as watch`` makes ``device="lazy:0"`` one to compute on, of a kind that torch
knows and nobody has. Operations between devices are refused, and every number that comes back to
the host is counted where it is asked for: on a GPU each of these waits until all is computed.
"""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import torch
from torch.optim import optimizer
from torch.utils import _pytree as pytree
from torch.utils import checkpoint
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing

PRETEND = torch.device("lazy:0")
PACKAGE = str(Path(__file__).resolve().parents[1] / "adestim")
aten = torch.ops.aten
COPIES = {aten._to_copy.default, aten.copy_.default}
# What has as many elements as its input says, so that the host waits for it.
OF_UNKNOWN_SIZE = {
    aten.nonzero.default,
    aten.masked_select.default,
    aten._unique2.default,
    aten.unique_dim.default,
    aten.repeat_interleave.Tensor,
}


class MixedDevicesError(RuntimeError):
    """Tensors of two devices have met in one operation."""


class Remote(torch.Tensor):
    """A tensor on the device: it holds one of the CPU that torch does not see."""

    @staticmethod
    def __new__(cls, held: torch.Tensor):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            layout=held.layout,
            device=PRETEND,
        )

    def __init__(self, held: torch.Tensor):
        self.held = held

    # Modules exchange such parameters whole when they are moved.
    def __tensor_flatten__(self):
        return ["held"], None

    @staticmethod
    def __tensor_unflatten__(inner, meta, size, stride):
        return Remote(inner["held"])

    @property
    def data(self):
        return self.detach()

    @data.setter
    def data(self, other):
        torch.Tensor.data.__set__(self, other)
        self.held = other.held

    def tolist(self):
        return self.cpu().tolist()

    def __repr__(self):
        return f"Remote({self.held!r})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise MixedDevicesError(f"{func} outside the block of the pretended device")


class Watch(TorchDispatchMode):
    """Runs what is asked of the device, refuses what no GPU would do, and counts."""

    def __init__(self):
        super().__init__()
        self.fetched: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if torch.is_inference_mode_enabled() and func._can_decompose():
            # There torch hands over what it takes apart elsewhere.
            with self:
                return func.decompose(*args, **kwargs)
        is_remote = any(isinstance(item, Remote) for item in pytree.tree_leaves((args, kwargs)))
        asked = kwargs.get("device")
        there = is_remote if asked is None else torch.device(asked).type == PRETEND.type
        if func is aten.copy_.default:
            there = isinstance(args[0], Remote)
        self._check(func, args, kwargs, is_remote, there)
        made = func(
            *pytree.tree_map(held_of, args),
            **pytree.tree_map(held_of, kwargs | ({"device": "cpu"} if there and asked else {})),
        )
        if there and func is not aten._local_scalar_dense.default:
            with outside_inference(func, args):
                made = pytree.tree_map(lambda item: Remote(item) if is_tensor(item) else item, made)
        return return_and_correct_aliasing(func, args, kwargs, made) if is_remote else made

    def _check(self, func, args, kwargs, is_remote, there):
        """Refuse what is on two devices; count what is fetched, and what is sent and waited for."""
        if not (is_remote or there):
            return
        given = [item for item in pytree.tree_leaves((args, kwargs)) if is_tensor(item)]
        local = [item for item in given if not isinstance(item, Remote)]
        if func in COPIES:
            waits = not (kwargs.get("non_blocking", False) or given_place(args, 2))
            if not there:
                self.fetched[find_place()] += 1
            elif local and waits:
                self.sent[find_place()] += 1
            return
        # A single number of the CPU may stand anywhere.
        if is_remote and any(item.dim() for item in local):
            shapes = ", ".join(f"{tuple(item.shape)} on {item.device}" for item in given)
            raise MixedDevicesError(f"{func} of {shapes}, in {find_place()}")
        generator = kwargs.get("generator")
        if there and generator is not None:
            raise MixedDevicesError(f"{func} with a generator of the CPU, in {find_place()}")
        by_mask = "aten.index" in str(func) and any(map(is_mask, pytree.tree_leaves(args[1])))
        if func is aten._local_scalar_dense.default or func in OF_UNKNOWN_SIZE or by_mask:
            self.fetched[find_place()] += 1


@contextmanager
def pretend_device():
    """Make the device one to compute on inside the block, and watch what is done there."""
    lifted = torch._C._only_lift_cpu_tensors()
    with ExitStack() as stack:
        for place, name, value in list_additions():
            stack.enter_context(patch.object(place, name, value))
        torch._C._set_only_lift_cpu_tensors(True)
        stack.callback(torch._C._set_only_lift_cpu_tensors, lifted)
        yield stack.enter_context(Watch())


def list_additions() -> list[tuple]:
    """Return what torch must be told of a device that it does not train on, by place and name."""
    autocast, is_autocast = torch.autocast, torch.is_autocast_enabled
    module_of, registered = checkpoint._get_device_module, torch.get_device_module
    module = SimpleNamespace(device_count=lambda: 0)

    def without_autocast(kind, *args, enabled=True, **kwargs):
        if kind != PRETEND.type:
            return autocast(kind, *args, enabled=enabled, **kwargs)
        assert not enabled, "the pretended device has one precision"
        return nullcontext()

    return [
        (optimizer, "_get_fused_kernels_supported_devices", lambda: ["cpu", PRETEND.type]),
        (torch, "autocast", without_autocast),
        (
            torch,
            "is_autocast_enabled",
            lambda *kind: kind != (PRETEND.type,) and is_autocast(*kind),
        ),
        (
            checkpoint,
            "_get_device_module",
            lambda kind: module if kind == PRETEND.type else module_of(kind),
        ),
        (
            torch,
            "get_device_module",
            lambda kind=None: module if kind == PRETEND.type else registered(kind),
        ),
    ]


def outside_inference(func, args):
    """Return the context in which a view is made: one of a usual tensor is a usual one."""
    is_view = any(each.alias_info is not None for each in func._schema.returns)
    usual = any(isinstance(item, Remote) and not item.is_inference() for item in args)
    return torch.inference_mode(False) if is_view and usual else nullcontext()


def is_tensor(value) -> bool:
    return isinstance(value, torch.Tensor)


def is_mask(value) -> bool:
    return is_tensor(value) and value.dtype in (torch.bool, torch.uint8)


def given_place(args, place):
    """Return an argument by its place, None where it is not given."""
    return args[place] if len(args) > place else None


def held_of(value):
    """Return what a tensor on the device holds, anything else as it is."""
    return value.held if isinstance(value, Remote) else value


def find_place() -> str:
    """Return the file and function of the package that asks."""
    frame = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(PACKAGE):
            return f"{Path(path).relative_to(PACKAGE).as_posix()}:{frame.f_code.co_name}"
        frame = frame.f_back
    return "elsewhere"
