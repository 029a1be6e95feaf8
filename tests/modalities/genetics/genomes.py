"""Small made-up genomes, tiny DNA models and their weights."""

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from adestim.modalities.genetics.models.dnabert2 import DNABERT2
from adestim.modalities.genetics.models.nucleotide_transformer import (
    NucleotideTransformer,
    NucleotideTransformerV2,
)

TINY = {"n_layers": 2, "width": 16, "n_heads": 2, "ffn_width": 24, "max_positions": 202}
TINY_BERT = {"n_layers": 2, "width": 16, "n_heads": 2, "ffn_width": 24, "n_words": 40}
V1 = "nucleotide-transformer-500m-human-ref"
V2 = "nucleotide-transformer-v2-50m-multi-species"


def random_dna(length, seed=0):
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), size=length))


def with_alleles(dna, table):
    """Put the other allele of every variant at its place."""
    letters = list(dna)
    for row in table.itertuples():
        letters[row.position - 1] = row.other
    return "".join(letters)


def write_fasta(path, **chromosomes):
    """Write chromosomes in lines of 60 letters."""
    lines = []
    for name, dna in chromosomes.items():
        lines += [f">{name}", *[dna[start : start + 60] for start in range(0, len(dna), 60)]]
    path.write_text("\n".join(lines) + "\n")
    return path


def genome_of(path, table, length=8000, name="chr1"):
    """Write a one-chromosome genome that has the other allele of every variant."""
    return write_fasta(path, **{name: with_alleles(random_dna(length), table)})


def lively(model, seed=0, scale=0.3):
    """Draw all weights so large that every part of the model shows in its output."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            centre = 1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0
            weight.copy_(centre + scale * torch.randn(weight.shape, generator=generator))
    return model.eval()


def tiny_v1(**options):
    return lively(NucleotideTransformer(**TINY, **options))


def tiny_v2(**options):
    return lively(NucleotideTransformerV2(**TINY, **options))


def tiny_bert(**options):
    return lively(DNABERT2(**TINY_BERT, **options))


def save_released(model, path, prefix="esm.", **further):
    """Write weights as a released file holds them."""
    state = {f"{prefix}{name}": value.contiguous() for name, value in model.state_dict().items()}
    save_file({**state, **further}, path)
    return path


def write_tokenizer(folder, special=("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")):
    """Train a tokenizer on made-up DNA, of the kind and with the names of DNABERT-2's."""
    words = Tokenizer(models.BPE(unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=40, special_tokens=list(special), show_progress=False)
    words.train_from_iterator([random_dna(300, seed) for seed in range(20)], trainer)
    path = folder / "tokenizer.json"
    words.save(str(path))
    return path
