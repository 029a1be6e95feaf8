"""Batches as fusion modules read them, for the tests of fusions without an anchor."""

import torch

from adestim.training.nets import ModalityShape

SHAPES = {
    "smri": ModalityShape(n_tokens=4, width=3, n_scores=2),
    "fmri": ModalityShape(n_tokens=5, width=2, n_scores=2),
    "notes": ModalityShape(n_tokens=0, width=6, n_scores=2),
}
N_TOKENS = {"smri": 4, "fmri": 5, "notes": 3}
N_SUBJECTS, N_OUTPUTS = 3, 2
SIZES = {"shapes": SHAPES, "width": 8, "n_outputs": N_OUTPUTS, "dropout": 0.1}


def at_start(cls, **sizes):
    """A fusion in evaluation mode, at its start."""
    torch.manual_seed(0)
    return cls(**(SIZES | sizes)).eval()


def moved(model):
    """The model with all its parameters away from their start, as training would leave them."""
    torch.manual_seed(1)
    with torch.no_grad():
        for value in model.parameters():
            value += 0.3 * torch.randn_like(value)
    return model


def subjects(missing=(), shapes=SHAPES):
    """A batch of three subjects who lack some modalities."""
    generator = torch.Generator().manual_seed(2)
    present = torch.tensor([[name not in missing for name in shapes]] * N_SUBJECTS)
    return {
        "tokens": {
            name: torch.randn(N_SUBJECTS, N_TOKENS[name], shape.width, generator=generator)
            for name, shape in shapes.items()
        },
        "masks": {
            name: torch.full((N_SUBJECTS, N_TOKENS[name]), name not in missing) for name in shapes
        },
        "scores": torch.randn(N_SUBJECTS, len(shapes), 2, generator=generator),
        "present": present,
        "base": torch.randn(N_SUBJECTS, N_OUTPUTS, generator=generator),
    }


def changed(batch, name):
    """The same batch, with quite different tokens and scores of one modality."""
    generator = torch.Generator().manual_seed(3)
    tokens = {key: value.clone() for key, value in batch["tokens"].items()}
    tokens[name] += 5 * torch.randn(tokens[name].shape, generator=generator)
    scores = batch["scores"].clone()
    scores[:, list(batch["tokens"]).index(name)] += 4
    return batch | {"tokens": tokens, "scores": scores}
