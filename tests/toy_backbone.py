"""A small frozen transformer, for tests of what surrounds a foundation model."""

import os

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from adestim.backbone import Backbone, CheckpointLayout, masked_attention
from adestim.backbone.forward import encode_frozen
from adestim.backbone.lora import AdaptedBackbone, LoRASettings
from adestim.encoding import BackboneSpec
from adestim.extraction import FoundationExtractor
from adestim.extraction.prepared import Prepared
from adestim.training.batches import AnchorBatches, FusionData
from adestim.training.fitting import TrainerSettings
from adestim.training.nets import AnchoredFusion, ModalityShape

NOTES = "ADESTIM_TEST_NOTES"
WIDTH, N_PLACES, N_FEATURES = 16, 5, 3


def note(what, number):
    """Add to a file how many subjects a process has worked on."""
    if NOTES in os.environ:
        with open(os.environ[NOTES], "a") as file:  # noqa: PTH123
            file.write(f"{what} " * number)


class ToyBlock(nn.Module):
    """A pre-norm block."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor, log_mask: Tensor | None) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, 2, -1)).permute(2, 0, 3, 1, 4)
        mixed = masked_attention(q, k, v, log_mask).transpose(1, 2).flatten(2)
        return x + self.dropout(self.proj(mixed))


class ToyViT(Backbone):
    """Places of features in, as many tokens out; a batch norm tells whether it stays frozen."""

    lora_targets = ("qkv", "proj")
    checkpoint = CheckpointLayout(wrappers=("model",), prefixes=("module.",))
    n_stand_in = N_PLACES
    block_list = "blocks"

    def __init__(self, width: int = WIDTH):
        super().__init__()
        self.width = self.width_out = width
        self.patch = nn.Linear(N_FEATURES, width)
        self.place = nn.Parameter(torch.randn(N_PLACES, width))
        self.blocks = nn.ModuleList(ToyBlock(width) for _ in range(2))
        self.norm = nn.BatchNorm1d(width)

    @staticmethod
    def prepare(raw, scale=1.0):
        return np.asarray(raw, dtype=np.float32) * np.float32(scale)

    def embed(self, inputs):
        return self.patch(inputs) + self.place

    def encode(self, tokens, log_mask, n_own):
        if not torch.is_grad_enabled() and log_mask is None:
            note("encoded", len(tokens))
        tokens = self.run_blocks(tokens, log_mask, n_own)
        return self.norm(tokens.transpose(1, 2)).transpose(1, 2)


def write_weights(path, seed=0):
    """Write a checkpoint as a training on several devices would, and return its path."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = ToyViT()
        model.norm.running_mean.normal_()
    state = {f"module.{name}": value for name, value in model.state_dict().items()}
    torch.save({"model": state, "epoch": 3}, path)
    return path


def toy_spec(weights):
    """The name tag of the model in a file."""
    return BackboneSpec(
        "toy",
        digest=ToyViT.digest(weights),
        options=(("architecture", (("width", WIDTH),)),),
        sources=(("weights", str(weights)), ("home", "tests.toy_backbone:ToyViT")),
    )


def toy_table(weights, n=40, missing=0.2, seed=0):
    """Encodings of a toy model and numbers beside them, with classes that need both."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, N_PLACES, N_FEATURES)).astype(np.float32)
    tau = rng.normal(size=n)
    y = np.where(inputs.mean(axis=(1, 2)) * 4 + tau > 0, "AD", "CN")
    cells = [item if rng.random() >= missing else None for item in inputs]
    encodings = encode_frozen(cells, toy_spec(weights), device="cpu")
    column = np.empty(n, dtype=object)
    column[:] = encodings
    return pd.DataFrame({"img": column, "csf__tau": tau}), y


SHAPES = {
    "img": ModalityShape(n_tokens=0, width=WIDTH, n_scores=2),
    "csf": ModalityShape(n_tokens=2, width=1, n_scores=2),
}


def toy_module(weights, seed=0, **changes):
    """A fusion whose anchor 'img' is the toy model."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        join_at = changes.pop("join_at", 0)
        body = AdaptedBackbone(
            toy_spec(weights), LoRASettings(rank=2), torch.device("cpu"), join_at=join_at
        )
        sizes = {"n_queries": 2, "qformer_width": 8, "n_heads": 1, "dropout": 0.1}
        return AnchoredFusion(
            "img", body, SHAPES, n_outputs=2, cross_modal=True, **(sizes | changes)
        )


def toy_data(n=24, seed=0):
    """Subjects, every fourth of whom lacks the anchor and every fifth the auxiliary."""
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.arange(n)
    present = torch.stack([numbers % 4 != 0, numbers % 5 != 1], dim=1)
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, N_PLACES, N_FEATURES)).astype(np.float32)
    widths = {"img": (N_PLACES, WIDTH), "csf": (2, 1)}
    return FusionData(
        tokens={name: torch.randn(n, *size, generator=generator) for name, size in widths.items()},
        masks={
            name: torch.ones(n, size[0], dtype=torch.bool) & present[:, place, None]
            for place, (name, size) in enumerate(widths.items())
        },
        scores=torch.randn(n, 2, 2, generator=generator),
        present=present,
        base=lambda rows, shown: np.zeros((len(rows), 2), dtype=np.float32),
        y=torch.randint(2, (n,), generator=generator),
        weight=torch.ones(n),
        inputs=AnchorBatches(
            "img",
            0,
            [item if has else None for item, has in zip(inputs, present[:, 0], strict=True)],
            lambda batch: torch.from_numpy(np.stack(batch)),
        ),
    )


def toy_module_and_data(weights):
    """A fusion with the toy model as anchor, subjects, and how it is trained."""
    settings = TrainerSettings(
        max_epochs=2,
        batch_size=6,
        learning_rate=0.01,
        weight_decay=0.0,
        patience=5,
        precision="float32",
        device="cpu",
    )
    return toy_module(weights), toy_data(), settings


class ToyExtractor(FoundationExtractor):
    """An extractor of arrays for the toy model; weights are never a parameter of an estimator."""

    _modality = "img"

    def __init__(
        self,
        weights,
        *,
        backbone="toy",
        adapt=None,
        adapt_params=None,
        cross_fit=False,
        random_state=0,
        device="cpu",
        precision="float32",
        batch_size=4,
        memory=None,
        errors="raise",
        n_jobs=None,
        verbose=False,
    ):
        self.weights = weights
        self.backbone = backbone
        self.adapt = adapt
        self.adapt_params = adapt_params
        self.cross_fit = cross_fit
        self.random_state = random_state
        self.device = device
        self.precision = precision
        self.batch_size = batch_size
        self.memory = memory
        self.errors = errors
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _learn(self, frame):
        """Learn nothing."""

    def _preparation(self):
        return prepare_toy

    def _spec(self):
        return toy_spec(self.weights) if self.backbone == "toy" else BackboneSpec(self.backbone)


def prepare_toy(cells):
    """One subject's only cell in, inputs out; each is noted, where a test asks for it."""
    note("prepared", 1)
    return Prepared(ToyViT.prepare(cells[0]))


def toy_cells(n=40, missing=(), seed=0):
    """Raw cells of some subjects and their classes."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, N_PLACES, N_FEATURES))
    y = np.where(inputs.mean(axis=(1, 2)) > 0, "AD", "CN")
    cells = [None if row in missing else item for row, item in enumerate(inputs)]
    index = [f"sub-{row:02d}" for row in range(n)]
    column = np.empty(n, dtype=object)
    column[:] = cells
    return pd.DataFrame({"img": column}, index=index), y
