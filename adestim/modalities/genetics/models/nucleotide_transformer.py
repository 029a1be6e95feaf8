"""Nucleotide Transformer, versions 1 and 2: encoders of DNA in 6-mers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from adestim.backbone.registry import BackboneCard, register_backbone
from adestim.backbone.weights.layout import CheckpointLayout
from adestim.modalities.genetics.models.dna_model import (
    NEEDS_OF_DNA,
    POOLINGS,
    DNABackbone,
    DNATokenizer,
    require_choice,
)
from adestim.modalities.genetics.models.esm import Embeddings, Encoder, rotary_angles
from adestim.modalities.genetics.models.kmers import KMERS_V1, KMERS_V2, KmerTokenizer

MAX_POSITIONS_V1 = 1002
MAX_POSITIONS_V2 = 2050
HEADS = ("lm_head.", "contact_head.", "esm.contact_head.", "esm.pooler.", "pooler.")


class KmerWindows(DNATokenizer):
    """Tokenises windows of DNA in 6-mers."""

    def __init__(self, words: KmerTokenizer):
        self.words = words
        self.pad = words.pad
        self.starts = (words.start,)

    def window(self, sequence: str, offset: int) -> tuple[np.ndarray, int]:
        """Return the 6-mers' ids, and which of them covers a letter."""
        return self.words.pieces(sequence), offset // 6


class NucleotideTransformer(DNABackbone):
    """Nucleotide Transformer, version 1: an ESM encoder with learned absolute positions.

    Auxiliary tokens come after the embedding and have no position: their order has no meaning.

    H. Dalla-Torre et al., "Nucleotide Transformer: building and evaluating robust foundation
    models for human genomics", Nature Methods 22 (2025) 287.
    Z. Lin et al., "Evolutionary-scale prediction of atomic-level protein structure with a
    language model", Science 379 (2023) 1123: the architecture and token dropout.
    """

    block_list: str = "encoder.layer"
    lora_targets: ClassVar[tuple[str, ...]] = ("self.query", "self.value")
    computed: ClassVar[tuple[str, ...]] = ("position_ids", "rotary_embeddings.inv_freq")
    checkpoint: ClassVar[CheckpointLayout] = CheckpointLayout(
        prefixes=("esm.",),
        ignored=("lm_head.", "contact_head.", "esm.contact_head.", "esm.pooler.", "pooler."),
        fingerprint=(
            "embeddings.position_embeddings.weight",
            "encoder.emb_layer_norm_after.weight",
        ),
    )
    words: ClassVar[KmerTokenizer] = KMERS_V1
    gated: ClassVar[bool] = False

    def __init__(
        self,
        n_layers: int = 24,
        width: int = 1280,
        n_heads: int = 20,
        ffn_width: int = 5120,
        max_positions: int = MAX_POSITIONS_V1,
        n_words: int = KMERS_V1.n_ids,
        token_dropout: bool = True,
        norm_before: bool = False,
        norm_eps: float = 1e-12,
        pooling: str = "mean",
    ):
        super().__init__()
        self.width = self.width_out = width
        self.head_width = width // n_heads
        self.pad = self.words.pad
        self.token_dropout = token_dropout
        self.pooling = require_choice("pooling", pooling, POOLINGS)
        table = 0 if self.gated else max_positions
        self.embeddings = Embeddings(n_words, width, table, norm_eps if norm_before else None)
        self.encoder = Encoder(n_layers, width, n_heads, ffn_width, self.gated, norm_eps)

    @classmethod
    def tokenizer(cls, weights: Path | None, path: str | Path | None) -> KmerWindows:
        """Return the 6-mer tokenizer, which has no file."""
        return KmerWindows(cls.words)

    @classmethod
    def input_size(cls, **architecture: Any) -> dict[str, int]:
        """Return how many tokens have a position, the class token included."""
        return {
            "max_tokens": architecture.get("max_positions", MAX_POSITIONS_V1) - cls.words.pad - 1
        }

    def embed(self, inputs: Tensor) -> Tensor:
        """Return the embedded ids (B, T, width), positions and scale included."""
        return self.embeddings(inputs, self.pad, self.words.mask if self.token_dropout else None)

    def encode(self, tokens: Tensor, log_mask: Tensor | None, n_own: int) -> Tensor:
        """Run all blocks and the last norm; auxiliary tokens stay behind the own ones."""

        def arguments(some: Tensor, mask: Tensor | None) -> tuple:
            angles = rotary_angles(some, mask, n_own, self.head_width) if self.gated else None
            return mask, angles

        return self.encoder.emb_layer_norm_after(
            self.run_blocks(tokens, log_mask, n_own, arguments)
        )


class NucleotideTransformerV2(NucleotideTransformer):
    """Nucleotide Transformer, version 2: rotary positions and gated feed-forward layers.

    The ids of all 6-mers are two higher than in version 1. Auxiliary tokens are rotated as the
    class token is, by nothing, so that neither their order nor the padding before them matters.
    The feed-forward layers (two halves, SiLU on the first, no bias) follow the code that
    accompanies the released weights; no output of released weights has been compared.

    H. Dalla-Torre et al., "Nucleotide Transformer: building and evaluating robust foundation
    models for human genomics", Nature Methods 22 (2025) 287.
    """

    # The released files hold a position table that is never used.
    checkpoint: ClassVar[CheckpointLayout] = CheckpointLayout(
        prefixes=("esm.",),
        ignored=(*HEADS, "embeddings.position_embeddings."),
        fingerprint=("encoder.emb_layer_norm_after.weight",),
    )
    words: ClassVar[KmerTokenizer] = KMERS_V2
    gated: ClassVar[bool] = True

    def __init__(
        self,
        n_layers: int = 29,
        width: int = 1024,
        n_heads: int = 16,
        ffn_width: int = 4096,
        max_positions: int = MAX_POSITIONS_V2,
        n_words: int = KMERS_V2.n_ids,
        norm_eps: float = 1e-12,
        pooling: str = "mean",
    ):
        super().__init__(
            n_layers,
            width,
            n_heads,
            ffn_width,
            max_positions,
            n_words,
            token_dropout=False,
            norm_eps=norm_eps,
            pooling=pooling,
        )

    @classmethod
    def input_size(cls, **architecture: Any) -> dict[str, int]:
        """Return how many tokens the model was trained on, the class token included."""
        return {
            "max_tokens": architecture.get("max_positions", MAX_POSITIONS_V2) - cls.words.pad - 1
        }


GENOMES = {
    "human-ref": ("human reference genome (GRCh38)",),
    "1000g": ("1000 Genomes (3202 genomes)",),
    "multi-species": ("genomes of 850 species, among them human",),
}
V1_SIZES = {
    "500m": {"n_layers": 24, "width": 1280, "n_heads": 20, "ffn_width": 5120},
    "2.5b": {"n_layers": 32, "width": 2560, "n_heads": 20, "ffn_width": 10240},
}
V2_SIZES = {
    "50m": {"n_layers": 12, "width": 512, "n_heads": 16, "ffn_width": 2048},
    "100m": {"n_layers": 22, "width": 512, "n_heads": 16, "ffn_width": 2048},
    "250m": {"n_layers": 24, "width": 768, "n_heads": 16, "ffn_width": 3072},
    "500m": {"n_layers": 29, "width": 1024, "n_heads": 16, "ffn_width": 4096},
}
PREFIX = "nucleotide-transformer"
# The larger models are in shards: the whole repository.
FILENAMES = {
    f"{PREFIX}-500m-human-ref": "pytorch_model.bin",
    f"{PREFIX}-500m-1000g": "pytorch_model.bin",
    f"{PREFIX}-2.5b-1000g": "",
    f"{PREFIX}-2.5b-multi-species": "",
}
# Of models of which it is known; of the others the newest is read.
REVISIONS = {
    f"{PREFIX}-2.5b-multi-species": "b746b125aacd1b0970c05a32fd71ba726754542e",
    f"{PREFIX}-v2-50m-multi-species": "81b29e5786726d891dbf929404ef20adca5b36f1",
    f"{PREFIX}-v2-100m-multi-species": "f34324c6fde36a4f635f0f1f06cac5d25acd6798",
    f"{PREFIX}-v2-250m-multi-species": "c0f0359229f36ff6bc3a021247eefe0a9c344bd1",
    f"{PREFIX}-v2-500m-multi-species": "06615c1660c892fc199840c18123f8385b3542a8",
}
V1_MODELS = (
    ("500m", "human-ref"), ("500m", "1000g"), ("2.5b", "1000g"), ("2.5b", "multi-species"),
)  # fmt: skip


def n_weights(n_layers: int, width: int, n_heads: int, ffn_width: int, gated: bool) -> int:
    """Return the number of weights of a released model's encoder."""
    ffn = 3 * width * ffn_width if gated else 2 * width * ffn_width + width + ffn_width
    rows = KMERS_V2.n_ids if gated else KMERS_V1.n_ids + MAX_POSITIONS_V1
    return n_layers * (4 * width * (width + 1) + 4 * width + ffn) + (rows + 2) * width


def card(
    name: str, home: type[NucleotideTransformer], sizes: Mapping[str, int], genomes: str
) -> BackboneCard:
    """Return the card of one released model."""
    hub = f"InstaDeepAI/{name}"
    return BackboneCard(
        name=name,
        modality="genetics",
        home=f"{__name__}:{home.__name__}",
        family="ESM",
        architecture=sizes,
        n_parameters=n_weights(**sizes, gated=home.gated),
        hub=hub,
        filename=FILENAMES.get(name, "model.safetensors"),
        revision=REVISIONS.get(name, "main"),
        url=f"https://huggingface.co/{hub}",
        licence="CC-BY-NC-SA-4.0",
        commercial=False,
        cohorts=GENOMES[genomes],
        reference="Dalla-Torre et al., Nature Methods 22 (2025) 287",
        needs=NEEDS_OF_DNA,
    )


for size, genomes in V1_MODELS:
    register_backbone(
        card(
            f"nucleotide-transformer-{size}-{genomes}",
            NucleotideTransformer,
            V1_SIZES[size],
            genomes,
        )
    )
for size, sizes in V2_SIZES.items():
    register_backbone(
        card(
            f"nucleotide-transformer-v2-{size}-multi-species",
            NucleotideTransformerV2,
            sizes,
            "multi-species",
        )
    )
