"""Checkpoints, tables and names that the tests of foundation models share."""

import re
from itertools import pairwise

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from adestim.backbone.weights.files import digest_weights
from adestim.encoding import BackboneSpec
from adestim.modalities.fmri.models.roi_order import NETWORKS, RUN_LENGTHS, TIAN_REGIONS
from adestim.modalities.fmri.timeseries import RoiSeries

JEPA_TINY = {
    "n_rois": 20, "patch_size": 4, "n_gradients": 6, "width": 32, "depth": 3, "n_heads": 4,
}  # fmt: skip
VIT_TINY = {"width": 32, "depth": 3, "n_heads": 4, "hidden": 64}
SMALL_TINY = {
    "n_parcels": 30, "n_frames": 40, "patch_size": 10, "width": 32, "depth": 3, "n_heads": 4,
    "hidden": 64, "kernel": 9,
}  # fmt: skip


def arrays(folder):
    """The arrays of a parity fixture, as tensors, by name."""
    return {path.stem: torch.from_numpy(np.load(path)) for path in folder.glob("*.npy")}


def jepa_file(folder, path):
    """Write a fixture's weights as Brain-JEPA's training does, with all that lies beside them."""
    target = load_file(folder / "state_dict.safetensors")
    optimiser = {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.ones(2)}}}
    beside = {"epoch": 300, "loss": 0.1, "batch_size": 16, "world_size": 8, "lr": 1e-3}
    torch.save(
        {
            "encoder": {key: value + 1 for key, value in target.items()},
            "predictor": {"module.mask_token": torch.ones(1, 1, 8)},
            "target_encoder": target,
            "opt": optimiser,
            "scaler": {"scale": 65536.0},
            **beside,
        },
        path,
    )
    return path


def flat_file(folder, path):
    """Write a fixture's weights as BrainLM's are: a flat state, decoder included."""
    torch.save(load_file(folder / "state_dict.safetensors"), path)
    return path


def table_file(path, values):
    """Write a table of gradients."""
    np.savetxt(path, values, delimiter=",", fmt="%.9g")
    return path


def coordinates_file(path, xyz):
    """Write coordinates as the BrainLM toolkit does."""
    rows = [f"{label}\t{x:g}\t{y:g}\t{z:g}" for label, (x, y, z) in enumerate(xyz, 1)]
    path.write_bytes("\r\n".join(rows).encode())
    return path


def spec_of(name, home, architecture, weights, **files):
    """The name tag under which a model is loaded."""
    return BackboneSpec(
        name,
        digest=digest_weights(weights),
        options=(
            ("home", home),
            ("architecture", tuple(sorted(architecture.items()))),
            ("files", tuple((key, digest_weights(path)) for key, path in files.items())),
        ),
        sources=(("weights", str(weights)), *((key, str(path)) for key, path in files.items())),
    )


def released_shapes(path, without=()):
    """Names and shapes of a released checkpoint, from its list."""
    rows = [line.split("\t") for line in path.read_text().splitlines() if line[:1] not in "#"]
    return {
        name: tuple(int(size) for size in re.findall(r"\d+", shape))
        for name, shape, _ in rows
        if not name.startswith(without or "\0")
    }


def shapes_of(model):
    """Names and shapes of a model's state."""
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def n_adapted(model):
    """How many linear layers low-rank adapters would adapt."""
    linear = [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear)]
    return sum(name.endswith(model.lora_targets) for name in linear)


def atlas_names(prefix="17Networks_"):
    """Tian's 50 names and Schaefer's 400, in the order of Brain-JEPA."""
    tian = [f"{region}-{side}" for side in ("rh", "lh") for region in TIAN_REGIONS]
    schaefer = [
        f"{prefix}{side}_{network}_{number}"
        for side, lengths in RUN_LENGTHS.items()
        for network, length in zip(NETWORKS, lengths, strict=True)
        for number in range(1, length + 1)
    ]
    return [*tian, *schaefer]


def series_of(values, t_r=2.2, absent=()):
    """ROI series, some of them without a signal."""
    present = np.ones(values.shape[1], dtype=bool)
    present[list(absent)] = False
    return RoiSeries(np.where(present, values, 0.0), present, t_r)


def baselines(seed, n_volumes, n_rois):
    """Raw series: every region around a mean of its own."""
    rng = np.random.default_rng(seed)
    return rng.normal(1000, 100, size=n_rois) + rng.normal(0, 10, size=(n_volumes, n_rois))


def quadratic_tables(run, n_tokens):
    """Shapes of all tensors that a computation keeps for its gradient, quadratic in the tokens."""
    shapes = []

    def note(tensor):
        shapes.append(tuple(tensor.shape))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        run()
    assert shapes
    return [
        shape for shape in shapes if any(a == b == n_tokens for a, b in pairwise(sorted(shape)))
    ]
