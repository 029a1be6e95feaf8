import numpy as np
import pytest
import torch

from adestim.encoding import BackboneSpec
from adestim.exceptions import DeviceMemoryError
from adestim.extraction.foundation import canonical
from adestim.modalities.genetics.models.allele_tokens import allele_tokens
from adestim.modalities.genetics.models.dna_model import DNASites
from adestim.modalities.genetics.models.dnabert2 import DNABERT2
from adestim.modalities.genetics.models.kmers import KMERS_V1
from adestim.modalities.genetics.models.nucleotide_transformer import NucleotideTransformer
from tests.modalities.genetics.files import variants
from tests.modalities.genetics.genomes import (
    TINY,
    TINY_BERT,
    genome_of,
    save_released,
    tiny_bert,
    tiny_v1,
    write_tokenizer,
)

TABLE = variants(("rs1", "1", 500, "A", "G"), ("rs2", "1", 900, "C", "T"), ("rs9", "", 0, "0", "0"))


def opened(tmp_path, cls=NucleotideTransformer, **params):
    """Return the spec of a tiny model with weights on disk, and its options for the table."""
    model, architecture, prefix = (
        (tiny_bert(), TINY_BERT, "bert.") if cls is DNABERT2 else (tiny_v1(), TINY, "esm.")
    )
    weights = save_released(model, tmp_path / "model.safetensors", prefix=prefix)
    genome = genome_of(tmp_path / "g.fa", TABLE[:2])
    options = cls.learn([DNASites(TABLE, weights=weights)], reference=genome, **params)
    spec = BackboneSpec(
        "tiny",
        digest=cls.digest(weights),
        options=(
            ("architecture", canonical(architecture)),
            ("preparation", canonical(options)),
            ("folder", str(tmp_path)),
        ),
        sources=(("weights", str(weights)), ("home", f"{cls.__module__}:{cls.__name__}")),
    )
    return spec, options


def encoded_alone(ids):
    """Encode one window by itself, the class token left out."""
    model = tiny_v1()
    batch = torch.from_numpy(np.concatenate([[KMERS_V1.start], ids]))[None]
    with torch.no_grad():
        return model.encode(model.embed(batch), None, batch.shape[1])[0, 1:].numpy()


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_token_of_an_allele_is_the_one_that_the_variant_is_in(tmp_path, batch_size):
    spec, options = opened(tmp_path)
    counted, other = allele_tokens(spec, options, device="cpu", batch_size=batch_size)
    for number in range(2):
        part = slice(12 * number, 12 * number + 12)
        for tokens, ids in ((counted, options["counted"]), (other, options["other"])):
            np.testing.assert_allclose(tokens[number], encoded_alone(ids[part])[6], atol=1e-5)
    assert not np.allclose(counted[:2], other[:2], atol=1e-3)


def test_variant_that_is_nowhere_has_zero_tokens(tmp_path):
    for tokens in allele_tokens(*opened(tmp_path), device="cpu"):
        assert tokens.shape == (3, 16)
        assert tokens.dtype == np.float32
        assert (tokens[2] == 0).all()


def test_window_may_be_averaged(tmp_path):
    spec, options = opened(tmp_path, read="window")
    counted, _ = allele_tokens(spec, options, device="cpu")
    expected = encoded_alone(options["counted"][:12]).mean(axis=0)
    np.testing.assert_allclose(counted[0], expected, atol=1e-5)


def test_difference_is_what_the_counted_allele_changes(tmp_path):
    spec, options = opened(tmp_path)
    counted, other = allele_tokens(spec, options, device="cpu")
    difference, zero = allele_tokens(*opened(tmp_path, read="difference"), device="cpu")
    np.testing.assert_allclose(difference, counted - other, atol=1e-6)
    assert (zero == 0).all()


def test_each_window_is_read_once_whoever_asks_again(tmp_path, monkeypatch):
    n_windows = []
    encode = NucleotideTransformer.encode

    def counting(self, tokens, *args):
        n_windows.append(len(tokens))
        return encode(self, tokens, *args)

    monkeypatch.setattr(NucleotideTransformer, "encode", counting)
    spec, options = opened(tmp_path)
    first, again = (allele_tokens(spec, options, device="cpu") for _ in range(2))
    assert sum(n_windows) == 4
    assert again[0] is first[0]


def test_byte_pairs_are_read_without_the_padding_between_alleles(tmp_path):
    write_tokenizer(tmp_path)
    spec, options = opened(tmp_path, DNABERT2)
    counted, _ = allele_tokens(spec, options, device="cpu", batch_size=4)
    ids = options["counted"][: options["lengths"][0]]
    batch = torch.tensor([[1, *ids[ids != 3].tolist(), 2]])
    model = tiny_bert()
    with torch.no_grad():
        alone = model.encode(model.embed(batch), None, batch.shape[1])[0, 1:]
    np.testing.assert_allclose(counted[0], alone[options["places"][0, 0]], atol=1e-5)


def test_memory_that_runs_out_is_said_and_nothing_kept(tmp_path, monkeypatch):
    spec, options = opened(tmp_path)
    room = []

    def encode(self, tokens, log_mask, n_own):
        if not room:
            raise torch.OutOfMemoryError("no room")
        return tokens

    monkeypatch.setattr(NucleotideTransformer, "encode", encode)
    monkeypatch.setattr("adestim.modalities.genetics.models.allele_tokens._READ", {})
    with pytest.raises(DeviceMemoryError, match=r"Reading DNA by 'tiny'.*batch_size=3.*smaller"):
        allele_tokens(spec, options, device="cpu", batch_size=3)
    room.append("more")
    counted, _ = allele_tokens(spec, options, device="cpu", batch_size=1)
    assert np.isfinite(counted).all()
