from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adestim.exceptions import DataWarning, GenotypeError
from adestim.modalities.genetics.models import reference
from adestim.modalities.genetics.models.kmers import KMERS_V1
from adestim.modalities.genetics.models.sequence import WindowSettings, allele_windows, are_snps
from tests.modalities.genetics.files import variants
from tests.modalities.genetics.genomes import genome_of, random_dna, with_alleles, write_fasta

TABLE = variants(("rs1", "1", 500, "A", "G"), ("rs2", "1", 900, "C", "T"))


@pytest.fixture
def settings(tmp_path):
    return WindowSettings(genome_of(tmp_path / "g.fa", TABLE))


def test_window_has_the_variant_at_its_place_and_the_genome_around_it(settings):
    windows = allele_windows(TABLE, settings)
    dna = with_alleles(random_dna(8000), TABLE)
    assert windows.offset == 38
    assert windows.kept.all()
    # Position 500, counted from 1, is letter 499 from 0.
    assert windows.other[0] == dna[499 - 38 : 499 - 38 + 72]
    assert windows.counted[0] == windows.other[0][:38] + "A" + windows.other[0][39:]
    assert [window[38] for window in windows.counted] == ["A", "C"]
    assert [window[38] for window in windows.other] == ["G", "T"]


def test_alleles_are_told_from_the_genome_one_base_off(tmp_path):
    dna = "A" * 100 + "G" + "A" * 100
    path = write_fasta(tmp_path / "g.fa", chr1=dna)
    right = variants(("rs1", "1", 101, "C", "G"))
    assert allele_windows(right, WindowSettings(path)).kept.all()
    for position in (100, 102):
        shifted = right.assign(position=position)
        with pytest.raises(GenotypeError, match="another build"):
            allele_windows(shifted, WindowSettings(path))


def test_either_allele_may_be_that_of_the_genome(tmp_path):
    swapped = TABLE.rename(columns={"counted": "other", "other": "counted"})
    path = genome_of(tmp_path / "g.fa", TABLE)
    windows = allele_windows(swapped, WindowSettings(path))
    assert [window[38] for window in windows.counted] == ["G", "T"]


@given(st.integers(1, 100).map(lambda n: 6 * n), st.sampled_from("ACGT"), st.sampled_from("ACGT"))
def test_snp_changes_one_token_always_the_middle_one(length, first, second):
    offset = length // 6 // 2 * 6 + 2
    dna = random_dna(length, length)
    ids = [KMERS_V1.pieces(dna[:offset] + base + dna[offset + 1 :]) for base in (first, second)]
    assert len(ids[0]) == length // 6
    places = (ids[0] != ids[1]).nonzero()[0].tolist()
    assert places == ([offset // 6] if first != second else [])


@pytest.mark.parametrize("length", [6, 36, 72, 600])
def test_window_has_the_asked_length(settings, length):
    windows = allele_windows(TABLE, replace(settings, length=length))
    assert {len(window) for window in (*windows.counted, *windows.other)} == {length}
    assert {window[windows.offset] for window in windows.counted} == {"A", "C"}


@pytest.mark.parametrize("length", [70, 0, 6000, 72.0, "72"])
def test_other_lengths_are_refused(settings, length):
    with pytest.raises(GenotypeError, match=r"multiple of 6.*at most 5994"):
        allele_windows(TABLE, replace(settings, length=length))


@pytest.mark.parametrize(
    ("name", "value"), [("strand", "plus"), ("unusable", "mask"), ("build", "hg99")]
)
def test_other_options_are_refused(settings, name, value):
    with pytest.raises(GenotypeError, match=f"'{name}' in backbone_params"):
        allele_windows(TABLE, replace(settings, **{name: value}))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("rs9", "1", 700, "AT", "A"), "indels"),
        (("rs9", "1", 700, "<DEL>", "A"), "indels"),
        (("rs9", "1", 700, "0", "A"), "unknown alleles"),
        (("rs9", "1", 700, "A", "A"), "two alleles"),
        (("rs9", "1", 0, "A", "G"), "without a position"),
        (("rs9", "7", 700, "A", "G"), "without a position"),
        (("rs9", "1", 38, "A", "G"), "too near to an end"),
        (("rs9", "1", 7968, "A", "G"), "too near to an end"),
    ],
)
def test_variant_without_a_window_is_named_or_dropped(tmp_path, row, reason):
    table = variants(*TABLE.itertuples(index=False, name=None), row)
    settings = WindowSettings(genome_of(tmp_path / "g.fa", TABLE))
    with pytest.raises(GenotypeError, match=rf"1 .*{reason}.*: rs9.*'unusable': 'drop'"):
        allele_windows(table, settings)
    with pytest.warns(DataWarning, match=rf"Dropped SNPs.*{reason}.*: rs9"):
        windows = allele_windows(table, replace(settings, unusable="drop"))
    assert windows.kept.tolist() == [True, True, False]
    assert len(windows.counted) == len(windows.other) == 2


@pytest.mark.parametrize(
    ("position", "fits"), [(38, False), (39, True), (7967, True), (7968, False)]
)
def test_windows_reach_to_the_last_base_of_a_chromosome(tmp_path, position, fits):
    table = variants(("rs1", "1", position, "A", "G"))
    settings = WindowSettings(genome_of(tmp_path / "g.fa", table))
    if fits:
        assert allele_windows(table, settings).kept.all()
    else:
        with pytest.raises(GenotypeError, match="too near to an end"):
            allele_windows(table, settings)


def test_ambiguity_codes_and_gaps_around_a_snp_are_refused(tmp_path):
    dna = list(with_alleles(random_dna(8000), TABLE))
    dna[505] = "N"
    path = write_fasta(tmp_path / "g.fa", chr1="".join(dna))
    with pytest.raises(GenotypeError, match=r"other letters than A, C, G and T.*: rs1"):
        allele_windows(TABLE, WindowSettings(path))


@pytest.mark.parametrize(("code", "fits"), [("R", True), ("Y", False), ("N", False)])
def test_ambiguity_code_at_a_snp_fits_where_it_stands_for_an_allele(tmp_path, code, fits):
    table = variants(("rs1", "1", 500, "A", "G"))
    dna = random_dna(8000)
    path = write_fasta(tmp_path / "g.fa", chr1=dna[:499] + code + dna[500:])
    if fits:
        assert allele_windows(table, WindowSettings(path)).counted[0][38] == "A"
    else:
        with pytest.raises(GenotypeError):
            allele_windows(table, WindowSettings(path))


def many(n_variants, seed=0):
    rng = np.random.default_rng(seed)
    pairs = [rng.choice(list("ACGT"), 2, replace=False) for _ in range(n_variants)]
    return variants(*[(f"rs{n}", "1", 100 * (n + 1), *pair) for n, pair in enumerate(pairs)])


def test_genome_of_another_build_is_told_by_the_share_of_other_bases(tmp_path):
    path = write_fasta(tmp_path / "g.fa", chr1=random_dna(8000, seed=5))
    with pytest.raises(
        GenotypeError, match=r"FASTA of another build.*of 60 places \(\d\d%\).*hg19"
    ):
        allele_windows(many(60), WindowSettings(path, unusable="drop", build="hg19"))


def test_single_other_base_among_many_is_named_or_dropped(tmp_path):
    table = many(60)
    dna = list(with_alleles(random_dna(8000), table))
    there = set(table.loc[7, ["counted", "other"]])
    dna[table.loc[7, "position"] - 1] = next(base for base in "ACGT" if base not in there)
    settings = WindowSettings(write_fasta(tmp_path / "g.fa", chr1="".join(dna)))
    with pytest.raises(GenotypeError, match=r"1 of which the reference .*neither.*: rs7"):
        allele_windows(table, settings)
    with pytest.warns(DataWarning, match="rs7"):
        assert (~allele_windows(table, replace(settings, unusable="drop")).kept).sum() == 1


def test_genome_known_to_be_of_another_build_is_refused(tmp_path, monkeypatch):
    path = genome_of(tmp_path / "g.fa", TABLE)
    monkeypatch.setitem(reference.BUILD_OF_LENGTH, ("1", 8000), "hg38")
    with pytest.raises(GenotypeError, match=r"genotypes' build, hg19\. Got hg38.*FASTA"):
        allele_windows(TABLE, WindowSettings(path, build="hg19"))
    assert allele_windows(TABLE, WindowSettings(path, build="hg38")).kept.all()


COMPLEMENT = str.maketrans("ACGT", "TGCA")


def on_other_strand(table, rows):
    turned = table.copy()
    for column in ("counted", "other"):
        turned.loc[rows, column] = turned.loc[rows, column].str.translate(COMPLEMENT)
    return turned


def test_alleles_of_the_other_strand_are_refused_unless_allowed(tmp_path):
    table = variants(("rs1", "1", 500, "A", "G"), ("rs2", "1", 900, "A", "C"))
    settings = WindowSettings(genome_of(tmp_path / "g.fa", table))
    turned = on_other_strand(table, [1])
    with pytest.raises(GenotypeError, match="'strand': 'either'"):
        allele_windows(turned, settings)
    windows = allele_windows(turned, replace(settings, strand="either"))
    assert [window[38] for window in windows.counted] == ["A", "A"]
    assert [window[38] for window in windows.other] == ["G", "C"]


def test_palindromic_snps_are_unclear_where_both_strands_occur(tmp_path):
    table = variants(("rs1", "1", 500, "A", "G"), ("rs2", "1", 900, "A", "T"))
    settings = WindowSettings(genome_of(tmp_path / "g.fa", table), strand="either")
    assert allele_windows(table, settings).kept.all()
    with pytest.raises(GenotypeError, match=r"A/T or C/G in a table with both strands: rs2"):
        allele_windows(on_other_strand(table, [0]), settings)


def test_variant_that_is_nowhere_has_empty_windows(settings):
    table = variants(*TABLE.itertuples(index=False, name=None), ("rs9", "", 0, "0", "0"))
    windows = allele_windows(table, settings)
    assert windows.kept.all()
    assert windows.counted[2] == windows.other[2] == ""


def test_no_window_at_all_is_an_error_though_drops_are_allowed(settings):
    table = variants(("rs1", "1", 500, "AT", "A"))
    with pytest.raises(GenotypeError, match="indels"):
        allele_windows(table, replace(settings, unusable="drop"))


def test_snps_are_told_from_other_variants():
    table = variants(
        ("a", "1", 1, "A", "G"), ("b", "1", 1, "AT", "G"), ("c", "1", 1, "0", "G"),
        ("d", "1", 1, "G", "G"), ("e", "1", 1, "A", "*"),
    )  # fmt: skip
    assert are_snps(table).tolist() == [True, False, False, False, False]
