"""DNABERT-2: an encoder of DNA in byte-pair tokens, with linear distance biases."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adestim.backbone.attention import heads_of
from adestim.backbone.registry import BackboneCard, register_backbone
from adestim.backbone.weights.layout import CheckpointLayout
from adestim.exceptions import AdestimError, CheckpointError, GenotypeError, MissingDependencyError
from adestim.modalities.genetics.models.dna_model import (
    NEEDS_OF_DNA,
    POOLINGS,
    DNABackbone,
    DNATokenizer,
    require_choice,
)

SPECIAL = ("[PAD]", "[CLS]", "[SEP]")


class BytePairWindows(DNATokenizer):
    """Tokenises windows of DNA by byte-pair encoding."""

    def __init__(self, words: Any):
        ids = [words.token_to_id(name) for name in SPECIAL]
        if None in ids:
            raise GenotypeError(
                f"The tokenizer of DNABERT-2 has the tokens {', '.join(SPECIAL)}",
                got=f"a tokenizer without {SPECIAL[ids.index(None)]}",
                remedy="Pass the tokenizer.json that was released with the weights",
            )
        self.words = words
        self.pad = ids[0]
        self.starts = (ids[1],)
        self.ends = (ids[2],)

    def window(self, sequence: str, offset: int) -> tuple[np.ndarray, int]:
        """Return a window's ids, and which token covers a letter."""
        encoded = self.words.encode(sequence, add_special_tokens=False)
        place = next(n for n, (_, stop) in enumerate(encoded.offsets) if stop > offset)
        return np.array(encoded.ids, dtype=np.int64), place


class Embeddings(nn.Module):
    """Word and segment embeddings; positions enter the attention only."""

    def __init__(self, n_words: int, width: int, norm_eps: float):
        super().__init__()
        self.word_embeddings = nn.Embedding(n_words, width)
        self.token_type_embeddings = nn.Embedding(2, width)
        self.LayerNorm = nn.LayerNorm(width, eps=norm_eps)

    def forward(self, ids: Tensor) -> Tensor:
        """Return (B, T, width), all of the first segment."""
        return self.LayerNorm(self.word_embeddings(ids) + self.token_type_embeddings.weight[0])


class SelfAttention(nn.Module):
    """Queries, keys and values of all heads from one layer."""

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.n_heads = heads_of(width, n_heads)
        self.Wqkv = nn.Linear(width, 3 * width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Mix (B, T, width) under a bias (B or 1, heads, T, T)."""
        q, k, v = self.Wqkv(x).unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        return mixed.transpose(1, 2).flatten(2)


class AttentionOutput(nn.Module):
    """Output layer of the attention, with the norm after the sum."""

    def __init__(self, width: int, norm_eps: float):
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.LayerNorm = nn.LayerNorm(width, eps=norm_eps)

    def forward(self, mixed: Tensor, x: Tensor) -> Tensor:
        """Return (B, T, width)."""
        return self.LayerNorm(self.dense(mixed) + x)


class AttentionBlock(nn.Module):
    """Attention and its output."""

    def __init__(self, width: int, n_heads: int, norm_eps: float):
        super().__init__()
        self.self = SelfAttention(width, n_heads)
        self.output = AttentionOutput(width, norm_eps)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Return (B, T, width)."""
        return self.output(self.self(x, bias), x)


class GatedFeedForward(nn.Module):
    """Feed-forward part: the first half of the features, through GELU, weighs the second."""

    def __init__(self, width: int, ffn_width: int, norm_eps: float):
        super().__init__()
        self.gated_layers = nn.Linear(width, 2 * ffn_width, bias=False)
        self.wo = nn.Linear(ffn_width, width)
        self.layernorm = nn.LayerNorm(width, eps=norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, width)."""
        first, second = self.gated_layers(x).chunk(2, dim=-1)
        return self.layernorm(self.wo(F.gelu(first) * second) + x)


class Layer(nn.Module):
    """A post-norm transformer block."""

    def __init__(self, width: int, n_heads: int, ffn_width: int, norm_eps: float):
        super().__init__()
        self.attention = AttentionBlock(width, n_heads, norm_eps)
        self.mlp = GatedFeedForward(width, ffn_width, norm_eps)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Return (B, T, width)."""
        return self.mlp(self.attention(x, bias))


class Encoder(nn.Module):
    """The blocks."""

    def __init__(self, n_layers: int, **sizes: Any):
        super().__init__()
        self.layer = nn.ModuleList(Layer(**sizes) for _ in range(n_layers))


def distance_bias(n_own: int, n_tokens: int, n_heads: int, device: torch.device) -> Tensor:
    """Return what distance takes off the attention's logits, (heads, n_tokens, n_tokens).

    Zero between an auxiliary token, which is nowhere, and any other.
    """
    places = torch.arange(n_own, device=device, dtype=torch.float32)
    distance = (places[:, None] - places).abs()
    distance = F.pad(distance, (0, n_tokens - n_own, 0, n_tokens - n_own))
    slopes = torch.tensor(head_slopes(n_heads)).to(device, non_blocking=True)
    return -slopes[:, None, None] * distance


def head_slopes(n_heads: int) -> list[float]:
    """Return the heads' slopes: a geometric sequence, filled up from one twice as dense."""
    n_even = 2 ** int(math.log2(n_heads))
    even = [2 ** (-8 * (number + 1) / n_even) for number in range(n_even)]
    between = [2 ** (-8 * (2 * number + 1) / (2 * n_even)) for number in range(n_heads - n_even)]
    return even + between


class DNABERT2(DNABackbone):
    """DNABERT-2: post-norm blocks with gated feed-forward layers and linear distance biases.

    The layers are those of MosaicBERT. Auxiliary tokens have no distance to any other. No
    output of released weights has been compared.

    Z. Zhou et al., "DNABERT-2: efficient foundation model and benchmark for multi-species
    genome", ICLR 2024.
    J. Portes et al., "MosaicBERT: a bidirectional encoder optimized for fast pretraining",
    NeurIPS 2023.
    O. Press et al., "Train short, test long: attention with linear biases enables input length
    extrapolation", ICLR 2022.
    """

    n_stand_in: int = 3
    block_list: str = "encoder.layer"
    lora_targets: ClassVar[tuple[str, ...]] = ("self.Wqkv",)
    checkpoint: ClassVar[CheckpointLayout] = CheckpointLayout(
        prefixes=("bert.",),
        ignored=("cls.", "bert.pooler.", "pooler.", "classifier."),
        fingerprint=("encoder.layer.0.attention.self.Wqkv.weight",),
    )
    computed: ClassVar[tuple[str, ...]] = ("token_type_ids", "position_ids")

    def __init__(
        self,
        n_layers: int = 12,
        width: int = 768,
        n_heads: int = 12,
        ffn_width: int = 3072,
        n_words: int = 4096,
        norm_eps: float = 1e-12,
        pad: int = 3,
        pooling: str = "mean",
    ):
        super().__init__()
        self.width = self.width_out = width
        self.n_heads = n_heads
        self.pad = require_row(pad, n_words)
        self.pooling = require_choice("pooling", pooling, POOLINGS)
        self.embeddings = Embeddings(n_words, width, norm_eps)
        self.encoder = Encoder(
            n_layers, width=width, n_heads=n_heads, ffn_width=ffn_width, norm_eps=norm_eps
        )

    @classmethod
    def tokenizer(cls, weights: Path | None, path: str | Path | None) -> BytePairWindows:
        """Read the tokenizer, by default the ``tokenizer.json`` that lies with the weights."""
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise MissingDependencyError(
                "DNABERT-2 needs the package tokenizers",
                remedy="Run pip install 'adestim[foundation]'",
            ) from error
        file = tokenizer_file(weights, path)
        try:
            return BytePairWindows(Tokenizer.from_file(str(file)))
        except AdestimError:
            raise
        # The package raises bare exceptions.
        except Exception as error:
            raise CheckpointError(
                "The tokenizer of DNABERT-2 must be a file of the package tokenizers",
                got=f"{file.name}: {error}",
                remedy="Download the tokenizer.json that was released with the weights again",
            ) from error

    def embed(self, inputs: Tensor) -> Tensor:
        """Return the embedded ids, (B, T, width)."""
        return self.embeddings(inputs)

    def encode(self, tokens: Tensor, log_mask: Tensor | None, n_own: int) -> Tensor:
        """Run all blocks; auxiliary tokens stay behind the own ones."""

        def bias(some: Tensor, mask: Tensor | None) -> tuple[Tensor]:
            distances = distance_bias(n_own, some.shape[1], self.n_heads, some.device)[None]
            return (distances if mask is None else distances + mask[:, None, None],)

        return self.run_blocks(tokens, log_mask, n_own, bias)

    def readable(self, own: Tensor) -> Tensor:
        """Return the tokens of DNA: without the class token and the last one, which ends them."""
        rest = own & (own.cumsum(1) < own.sum(1, keepdim=True))
        rest[:, 0] = False
        return torch.where(rest.any(1, keepdim=True), rest, own)


def require_row(pad: int, n_words: int) -> int:
    """Return the id of padding, which must have a row in the table of words."""
    if not 0 <= pad < n_words:
        raise GenotypeError(
            "The id of padding must be one of the model's words",
            got=f"pad={pad} of n_words={n_words}",
            remedy="Correct backbone_params['architecture']",
        )
    return pad


def tokenizer_file(weights: Path | None, path: str | Path | None) -> Path:
    """Return where the tokenizer is, or say where it should be."""
    if path is not None:
        file = Path(str(path)).expanduser()
    else:
        folder = Path() if weights is None else Path(weights)
        file = (folder if folder.is_dir() else folder.parent) / "tokenizer.json"
    if not file.is_file():
        raise GenotypeError(
            "DNABERT-2 needs its released tokenizer.json in the folder of the weights",
            got=f"no file {file}",
            remedy="Put it there, or pass backbone_params={'tokenizer': path}",
        )
    return file


register_backbone(
    BackboneCard(
        name="dnabert-2-117m",
        modality="genetics",
        home=f"{__name__}:DNABERT2",
        family="MosaicBERT",
        n_parameters=116_477_952,
        hub="zhihan1996/DNABERT-2-117M",
        revision="7bce263b15377fc15361f52cfab88f8b586abda0",
        url="https://huggingface.co/zhihan1996/DNABERT-2-117M",
        licence="Apache-2.0",
        commercial=True,
        cohorts=("genomes of 135 species, among them human",),
        reference="Zhou et al., ICLR 2024",
        needs=NEEDS_OF_DNA,
    )
)
