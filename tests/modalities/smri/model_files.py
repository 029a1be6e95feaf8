"""The foundation models of volumes at a small size, and their checkpoints' formats."""

import re

import numpy as np
import torch
from safetensors.torch import load_file

from adestim._support.keys import freeze_value
from adestim.backbone import find_card
from adestim.encoding import BackboneSpec

SMALL = {
    "brainmvp": {
        "volume_shape": (32, 48, 16),
        "depths": (1, 2, 2, 1),
        "dims": (16, 24, 32, 48),
        "head_dim": 8,
        "mlp_ratio": 4,
    },
    "sam-med3d": {
        "img_size": 32,
        "patch_size": 8,
        "embed_dim": 24,
        "depth": 3,
        "num_heads": 3,
        "mlp_ratio": 4,
        "window_size": 6,
        "global_attn_indexes": (1,),
        "out_chans": 20,
        "output": "tokens",
    },
    "brainiac": {
        "img_size": (32, 16, 24),
        "patch_size": 8,
        "hidden_size": 24,
        "mlp_dim": 64,
        "num_layers": 3,
        "num_heads": 4,
        "pooling": "mean",
    },
    "neurovfm": {"width": 24, "position_width": 12, "depth": 3, "n_heads": 3, "mlp_ratio": 2},
}
PREFIX = {
    "brainmvp": "module.encoder.uniformer.",
    "sam-med3d": "image_encoder.",
    "brainiac": "backbone.",
    "neurovfm": "student.vision_encoder.",
}


def class_of(name):
    return find_card(name, "smri").backbone_class()


def random_model(name, **changes):
    """A model of the small size whose weights are all random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = class_of(name)(**{**SMALL[name], **changes}).eval()
        for weight in model.parameters():
            if weight.ndim != 1:
                torch.nn.init.normal_(weight, std=0.2)
    return model


def random_state(name):
    """Its weights under the names of the released file."""
    return {PREFIX[name] + key: value for key, value in random_model(name).state_dict().items()}


def checkpoint_of(name, state):
    """What the released file holds beside the encoder's weights."""
    other = torch.ones(2)
    if name == "sam-med3d":
        beside = {"prompt_encoder.not_a_point_embed.weight": other, "mask_decoder.x.bias": other}
        return {"model_state_dict": {**state, **beside}, "epoch": 3}
    if name == "neurovfm":
        return {"state_dict": {**state, "student.predictor.norm.bias": other}, "epoch": 3}
    if name == "brainiac":
        beside = {"projection_head.layers.0.weight": other}
        return {"state_dict": {**state, **beside}, "epoch": 3, "pytorch-lightning_version": "2"}
    beside = {"module.decoder.decoder5.x.weight": other, "module.rep_template": other}
    return {
        "current_epoch": 3,
        "state_dict": {**state, **beside},
        "optimizer": {"state": {0: {"step": 1, "exp_avg": other}}, "param_groups": [{"lr": 0.1}]},
        "scheduler": {"last_epoch": 3},
        "val_best": np.float64(0.5),
    }


def saved_checkpoint(folder, name, state=None):
    """Path of a file as the authors of a model would write it."""
    path = folder / f"{name}.pt"
    torch.save(checkpoint_of(name, random_state(name) if state is None else state), path)
    return path


def spec_of(name, path, **changes):
    card = find_card(name, "smri")
    architecture = {**card.architecture, **SMALL[name], **changes}
    options = (("architecture", freeze_value(architecture)),)
    return BackboneSpec(name, options=options, sources=(("weights", str(path)),))


def loaded(folder, name, state=None, **changes):
    """The model, through a file of its own format."""
    path = saved_checkpoint(folder, name, state)
    return class_of(name).load(spec_of(name, path, **changes))


def fixture_state(folder):
    return load_file(folder / "state_dict.safetensors")


def array_of(folder, name):
    return torch.from_numpy(np.load(folder / f"{name}.npy"))


def released_shapes(listing, prefix):
    """Names, without a prefix, and shapes of the tensors of a released encoder."""
    shapes = {}
    for line in listing.read_text(encoding="utf-8").splitlines():
        name, _, rest = line.partition("\t")
        if name.startswith(prefix):
            lengths = re.findall(r"\d+", rest.partition("\t")[0])
            shapes[name.removeprefix(prefix)] = tuple(map(int, lengths))
    return shapes


def shapes_of(name):
    """Names and shapes of the tensors of a model at its released size."""
    with torch.device("meta"):
        model = class_of(name)(**find_card(name, "smri").architecture)
    return {key: tuple(value.shape) for key, value in model.state_dict().items()}


def encoded(model, inputs):
    """Tokens of volumes, no auxiliary ones beside them."""
    with torch.no_grad():
        tokens = model.embed(inputs)
        return model.encode(tokens, None, tokens.shape[1])
