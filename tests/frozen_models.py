"""Frozen models that differ from the toy model in what matters to joint batches."""

import numpy as np
import pandas as pd
import torch
from torch import nn

from adestim.backbone.forward import encode_frozen
from adestim.backbone.lora import AdaptedBackbone, LoRASettings
from adestim.encoding import BackboneSpec
from adestim.training.batches import ShownInputs
from adestim.training.nets import AnchoredFusion
from tests.toy_backbone import N_FEATURES, SHAPES, ToyViT

PADDING = -100.0


class RaggedViT(ToyViT):
    """As many tokens as a subject has rows; shorter ones are padded at the end."""

    def collate(self, inputs):
        rows = [torch.from_numpy(np.asarray(item)) for item in inputs]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING)

    def own_mask(self, inputs):
        return inputs[..., 0] != PADDING

    def embed(self, inputs):
        return self.patch(inputs)


class TokensFirst(ToyViT):
    """Its layers read (T, B, C), so that a subject's rows are not together."""

    def encode(self, tokens, log_mask, n_own):
        x = tokens.transpose(0, 1)
        for block in self.blocks:
            x = x + block.proj(block.norm(x))
        return x.transpose(0, 1)


class Neighbourly(ToyViT):
    """Every subject is told of the whole batch."""

    def encode(self, tokens, log_mask, n_own):
        return super().encode(tokens - tokens.mean(dim=0), log_mask, n_own)


def spec_of(weights, model):
    """The name tag of one of these models, with the toy model's weights."""
    return BackboneSpec(
        model.__name__,
        digest=model.digest(weights),
        options=(("architecture", ()),),
        sources=(("weights", str(weights)), ("home", f"{model.__module__}:{model.__name__}")),
    )


def table_of(weights, model, n=40, lengths=(5, 6), seed=0):
    """Encodings of one of these models beside numbers, with classes that need both."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(*lengths, size=n)
    inputs = [rng.normal(size=(size, N_FEATURES)).astype(np.float32) for size in sizes]
    tau = rng.normal(size=n)
    y = np.where([item.mean() * 4 + add > 0 for item, add in zip(inputs, tau, strict=True)], 1, 0)
    column = np.empty(n, dtype=object)
    column[:] = encode_frozen(inputs, spec_of(weights, model), device="cpu")
    return pd.DataFrame({"img": column, "csf__tau": tau}), y


def fusion_of(spec, seed=0, rank=2, **settings):
    """A fusion whose anchor is a frozen model, with adapters that do something."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        lora = LoRASettings(rank=rank, **settings)
        body = AdaptedBackbone(spec, lora, torch.device("cpu"))
        module = AnchoredFusion(
            "img", body, SHAPES, n_outputs=2, n_queries=2, qformer_width=8, n_heads=1,
            cross_modal=True, dropout=0.1,
        )  # fmt: skip
        with torch.no_grad():
            for name, weight in module.named_parameters():
                if "lora_B" in name or name.startswith("head"):
                    weight.normal_(std=0.3)
    return module


def batch_of(n, seed=0, n_tokens=5, missing=()):
    """A batch that such a fusion reads."""
    generator = torch.Generator().manual_seed(seed)
    present = torch.ones(n, 2, dtype=torch.bool)
    present[list(missing), 0] = False
    places = present[:, 0].nonzero()[:, 0]
    n_shown = len(places)
    inputs = torch.randn(n_shown, n_tokens, N_FEATURES, generator=generator)
    return {
        "tokens": {"csf": torch.randn(n, 2, 1, generator=generator)},
        "masks": {"csf": torch.ones(n, 2, dtype=torch.bool)},
        "scores": torch.randn(n, 2, 2, generator=generator),
        "present": present,
        "base": torch.zeros(n, 2),
        "inputs": ShownInputs(inputs if n_shown else None, n, places),
    }
