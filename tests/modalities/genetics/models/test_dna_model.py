import numpy as np
import pytest
import torch

from adestim.exceptions import GenotypeError
from adestim.modalities.genetics.models.dna_model import DNASites
from adestim.modalities.genetics.models.dnabert2 import DNABERT2
from adestim.modalities.genetics.models.kmers import KMERS_V1
from adestim.modalities.genetics.models.nucleotide_transformer import (
    NucleotideTransformer,
    NucleotideTransformerV2,
)
from tests.modalities.genetics.files import variants
from tests.modalities.genetics.genomes import (
    genome_of,
    random_dna,
    tiny_v1,
    with_alleles,
    write_fasta,
    write_tokenizer,
)

TABLE = variants(("rs1", "1", 500, "A", "G"), ("rs2", "1", 900, "C", "T"))


@pytest.fixture
def genome(tmp_path):
    return genome_of(tmp_path / "g.fa", TABLE)


def learned(genome, table=TABLE, cls=NucleotideTransformer, **params):
    return cls.learn([DNASites(table)], reference=genome, **params)


def sequence_of(dosages):
    """Return the windows of both variants in a row, written out."""
    dna = with_alleles(random_dna(8000), TABLE)
    windows = []
    for row, dosage in zip(TABLE.itertuples(), dosages, strict=True):
        start = row.position - 1 - 38
        window = dna[start : start + 72]
        windows.append(window[:38] + (row.counted if dosage >= 0.5 else row.other) + window[39:])
    return windows


@pytest.mark.parametrize("dosages", [(0, 0), (1, 0), (0.4, 2), (0.5, 1.9)])
def test_windows_carry_the_counted_allele_where_half_a_copy_is_expected(genome, dosages):
    ids = NucleotideTransformer.prepare(np.array(dosages), **learned(genome))
    assert ids.dtype == np.int64
    np.testing.assert_array_equal(ids, KMERS_V1("".join(sequence_of(dosages))))


def test_missing_genotype_is_padding_in_its_place_and_never_n(genome):
    ids = NucleotideTransformer.prepare(np.array([np.nan, 1]), **learned(genome))
    assert (ids[1:13] == KMERS_V1.pad).all()
    np.testing.assert_array_equal(ids[13:], KMERS_V1.pieces(sequence_of((0, 1))[1]))
    model = tiny_v1()
    mask = model.own_mask(model.collate([ids]))[0]
    assert mask.tolist() == [True] + [False] * 12 + [True] * 12


def test_every_version_has_its_own_words(genome):
    first, second = (
        cls.prepare(np.array([1, 2]), **learned(genome, cls=cls))
        for cls in (NucleotideTransformer, NucleotideTransformerV2)
    )
    np.testing.assert_array_equal(second[1:], first[1:] + 2)


def test_variants_place_is_the_token_that_the_alleles_change(genome):
    options = learned(genome)
    changed = (options["counted"] != options["other"]).reshape(2, 12)
    assert options["places"].tolist() == [[6, 6], [6, 6]]
    assert changed.sum(1).tolist() == [1, 1]
    assert changed[:, 6].all()


def test_byte_pairs_of_two_alleles_are_padded_to_one_length(tmp_path, genome):
    path = write_tokenizer(tmp_path)
    options = learned(genome, cls=DNABERT2, tokenizer=path)
    words = DNABERT2.tokenizer(None, path).words
    bounds = np.split(np.arange(options["lengths"].sum()), options["lengths"].cumsum()[:-1])
    for number, part in enumerate(bounds):
        for which, name in enumerate(("counted", "other")):
            ids = options[name][part]
            pieces = [words.id_to_token(int(one)) for one in ids[ids != 3]]
            place = options["places"][which, number]
            before = len("".join(pieces[:place]))
            assert len("".join(pieces)) == 72
            assert before <= 38 < before + len(pieces[place])
            allele = TABLE[name][number]
            assert pieces[place][38 - before] == allele
    inputs = DNABERT2.prepare(np.array([1.0, 0.0]), **options)
    assert (inputs[0], inputs[-1]) == (1, 2)


def test_variant_that_is_nowhere_takes_no_room(genome):
    table = variants(*TABLE.itertuples(index=False, name=None), ("rs9", "", 0, "0", "0"))
    options = learned(genome, table)
    assert options["lengths"].tolist() == [12, 12, 0]
    ids = NucleotideTransformer.prepare(np.array([1, 1, np.nan]), **options)
    assert len(ids) == 25


def test_too_many_windows_are_refused_with_the_number_that_fits(genome):
    with pytest.raises(
        GenotypeError,
        match=r"fit into the model's 20 tokens.*25 tokens for 2 windows of 72.*at most 1",
    ):
        learned(genome, max_tokens=20)
    assert learned(genome, max_tokens=20, window=36)["lengths"].sum() == 12


def test_83_windows_fit_into_a_thousand_tokens(tmp_path):
    table = variants(*[(f"rs{n}", "1", 90 * (n + 1), "A", "G") for n in range(83)])
    genome = genome_of(tmp_path / "h.fa", table)
    options = learned(genome, table, **NucleotideTransformer.input_size())
    assert len(NucleotideTransformer.prepare(np.ones(83), **options)) == 997
    more = variants(*[(f"rs{n}", "1", 90 * (n + 1), "A", "G") for n in range(84)])
    genome = genome_of(tmp_path / "more.fa", more)
    with pytest.raises(GenotypeError, match="1009 tokens for 84 windows"):
        learned(genome, more, **NucleotideTransformer.input_size())


def test_reference_genome_must_be_named():
    with pytest.raises(GenotypeError, match=r"'reference': 'hg38\.fa'"):
        NucleotideTransformer.learn([DNASites(TABLE)])


def test_unknown_options_are_refused_with_the_choices(genome):
    with pytest.raises(GenotypeError, match=r"Got 'windows'.*'reference', 'window', 'read'"):
        learned(genome, windows=72)
    with pytest.raises(GenotypeError, match="'read' of a DNA model must be one of 'variant'"):
        learned(genome, read="mean")


def test_apoe_is_placed_by_the_build(tmp_path):
    apoe = variants(("APOE_e2", "19", 0, "T", "C"), ("APOE_e4", "19", 0, "C", "T"))
    genome = write_fasta(tmp_path / "h.fa", chr19=random_dna(300))
    with pytest.raises(GenotypeError, match=r"build must be known.*hg18, hg19, hg38"):
        learned(genome, apoe)
    with pytest.raises(GenotypeError, match=r"too near to an end.*APOE_e2, APOE_e4"):
        learned(genome, apoe, build="hg19")


def test_ids_of_several_lengths_are_padded_at_the_end():
    model = tiny_v1()
    batch = model.collate([np.array([3, 7, 8]), np.array([3, 9])])
    assert batch.tolist() == [[3, 7, 8], [3, 9, model.pad]]
    assert batch.dtype == torch.int64


def test_stand_in_at_any_place_is_readable():
    model = tiny_v1()
    own = torch.tensor([[False, True], [True, False]])
    assert model.readable(own).tolist() == [[False, True], [True, False]]


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_stand_in_at_any_place_is_pooled(pooling):
    tokens = torch.arange(8.0).reshape(2, 2, 2)
    own = torch.tensor([[False, True], [True, False]])
    assert tiny_v1(pooling=pooling).pool(tokens, own).tolist() == [[2, 3], [4, 5]]
