"""A small TabICL with random weights, in a file as its package releases them."""

import torch
from tabicl._model.tabicl import TabICL

SMALL = {
    "embed_dim": 16,
    "col_num_blocks": 2,
    "col_nhead": 2,
    "col_num_inds": 6,
    "row_num_blocks": 2,
    "row_nhead": 2,
    "row_num_cls": 2,
    "icl_num_blocks": 1,
    "icl_nhead": 2,
    "zero_init": False,
}


def make_tabicl(seed=0, **config):
    """Return a small model whose every weight is random."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = TabICL(**SMALL | config)
        for name, weight in model.named_parameters():
            if not name.endswith("rope.freqs"):
                weight.data += 0.05 * torch.randn_like(weight)
    return model.eval()


def write_tabicl(path, seed=0, **config):
    """Write a small model as its package does; return it."""
    model = make_tabicl(seed, **config)
    torch.save({"config": SMALL | config, "state_dict": model.state_dict()}, path)
    return model
