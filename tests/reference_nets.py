"""Nets of reference anchors with every option, and batches for them, for the tests of stacks."""

import torch

from adestim.backbone import ReferenceBackbone
from adestim.training.nets import AnchoredFusion, ModalityShape

# Features of places, of one feature and of more; of no places; a foundation model's wide tokens.
SHAPES = {
    "markers": ModalityShape(n_tokens=4, width=1, n_scores=2),
    "regions": ModalityShape(n_tokens=5, width=3, n_scores=2),
    "visits": ModalityShape(n_tokens=0, width=2, n_scores=2),
    "notes": ModalityShape(n_tokens=0, width=40, n_scores=2),
}
N_TOKENS = {"markers": 4, "regions": 5, "visits": 3, "notes": 2}


def build_net(
    anchor="markers",
    modalities=tuple(SHAPES),
    width=8,
    depth=2,
    n_queries=2,
    cross_modal=True,
    place=0,
    gate="learned",
    n_outputs=2,
    dropout=0.1,
    seed=0,
):
    """A net in evaluation mode whose weights are away from their start."""
    torch.manual_seed(seed)
    shapes = {name: SHAPES[name] for name in SHAPES if name in {*modalities, anchor}}
    own = shapes[anchor]
    backbone = ReferenceBackbone(own.n_tokens, own.width, width, depth, width // 8, dropout)
    backbone.join_before(0 if place == "output" else place)
    sizes = {"n_outputs": n_outputs, "n_queries": n_queries, "qformer_width": width}
    net = AnchoredFusion(
        anchor,
        backbone,
        shapes,
        n_heads=width // 8,
        cross_modal=cross_modal,
        dropout=dropout,
        at_output=place == "output",
        gate=gate,
        **sizes,
    )
    with torch.no_grad():
        for value in net.parameters():
            value += 0.3 * torch.randn_like(value)
    return net.eval()


def draw_batch(net, leading=(6,), seed=0):
    """A batch of subjects who lack some modalities and tokens, (\\*leading, ...)."""
    torch.manual_seed(seed)
    present = torch.rand(*leading, len(net.modalities)) < 0.7
    present[..., -1] |= ~present.any(-1)
    return {
        "tokens": {
            name: torch.randn(*leading, N_TOKENS[name], SHAPES[name].width)
            for name in net.modalities
        },
        "masks": {
            name: (torch.rand(*leading, N_TOKENS[name]) < 0.8) & present[..., place, None]
            for place, name in enumerate(net.modalities)
        },
        "scores": torch.randn(*leading, len(net.modalities), 2),
        "present": present,
        "base": torch.randn(*leading, net.head.out_features),
    }


def change_batch(batch, change):
    """A batch every tensor of which is changed."""
    return {
        name: change_batch(value, change) if isinstance(value, dict) else change(value)
        for name, value in batch.items()
    }


def doubled(batch):
    """A batch in double precision."""
    return change_batch(batch, lambda x: x.double() if x.is_floating_point() else x)
