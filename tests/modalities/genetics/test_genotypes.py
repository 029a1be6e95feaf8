from pathlib import Path

import numpy as np
import pytest

from adestim.exceptions import GenotypeError
from adestim.modalities.genetics.genotypes import (
    ABSENT,
    AMBIGUOUS,
    VARIANT_COLUMNS,
    GenotypeSet,
    sample_lookup,
    sample_name,
    variants_table,
)
from adestim.modalities.genetics.plink import open_plink
from tests.counting import calls_into
from tests.modalities.genetics.files import simple_variants, write_plink

PATH = Path("cohort.bed")


def test_samples_go_by_every_name_they_have():
    lookup = sample_lookup([("one", "fam one", "fam_one"), ("two", "fam two")], PATH)
    assert lookup == {"one": 0, "fam one": 0, "fam_one": 0, "two": 1, "fam two": 1}


def test_individual_id_of_two_families_is_ambiguous_without_the_family():
    lookup = sample_lookup([("1", "a 1"), ("1", "b 1")], PATH)
    assert lookup == {"1": AMBIGUOUS, "a 1": 0, "b 1": 1}


def test_further_name_that_two_samples_share_is_ambiguous():
    lookup = sample_lookup([("x", "a_b_c"), ("y", "a_b_c")], PATH)
    assert lookup == {"x": 0, "y": 1, "a_b_c": AMBIGUOUS}


@pytest.mark.parametrize("order", [1, -1])
def test_proper_name_wins_over_a_further_name_of_another_sample(order):
    samples = [("a_b", "whole a_b"), ("b", "a_b")][::order]
    proper = [names[0] for names in samples].index("a_b")
    assert sample_lookup(samples, PATH)["a_b"] == proper


def test_name_repeated_for_one_sample_is_not_ambiguous():
    assert sample_lookup([("p", "f p", "f p")], PATH)["f p"] == 0


def test_file_without_samples_is_refused():
    with pytest.raises(GenotypeError, match=r"at least one sample: cohort\.bed"):
        sample_lookup([], PATH)


def test_rows_are_those_of_the_lookup(tmp_path):
    samples = [("a", "1"), ("b", "1"), ("b", "2")]
    genotypes = open_plink(
        write_plink(tmp_path / "small", np.zeros((3, 1)), samples, simple_variants(1))
    )
    rows = genotypes.rows_of(["2", "1", "nobody", None, "a 1"])
    assert rows.tolist() == [2, AMBIGUOUS, ABSENT, ABSENT, 0]
    assert rows.dtype == np.int64


@pytest.mark.parametrize(
    ("cell", "name"),
    [("p1", "p1"), (" F1  p1 ", "F1 p1"), (7, "7"), (7.0, "7"), (np.float64(7), "7"), (7.5, "7.5")],
)
def test_sample_id_is_text_without_needless_blanks_or_decimals(cell, name):
    assert sample_name(cell) == name


def test_chromosomes_and_alleles_get_one_spelling():
    table = variants_table(
        ["a", "b", "c", "d", "e"], ["chr2", "23", "XY", "M", "CHRy"], [1, 2, 3, 4, 5],
        ["a", "0", ".", "G", "t"], ["g", "T", "A", ".", "C"],
    )  # fmt: skip
    assert list(table) == VARIANT_COLUMNS
    assert table["chromosome"].tolist() == ["2", "X", "X", "MT", "Y"]
    assert table["counted"].tolist() == ["A", "0", "0", "G", "T"]
    assert table["other"].tolist() == ["G", "T", "A", "0", "C"]


def test_every_distinct_text_is_spelled_once():
    def table(n_variants):
        columns = [["a", "chr1", 5, "a", "g"]] * n_variants
        return calls_into("adestim", lambda: variants_table(*zip(*columns, strict=True)))

    assert table(50) == table(2)


@pytest.mark.parametrize("nameless", ["", ".", "0"])
def test_nameless_variants_are_called_after_their_place(nameless):
    table = variants_table([nameless, "rs1"], ["chr7", "7"], [55, 66], ["A", "A"], ["G", "G"])
    assert table["id"].tolist() == ["7:55", "rs1"]


def test_fingerprint_is_that_of_the_variants_wherever_the_file_lies(tmp_path):
    sets = []
    for name, n_variants in (("one", 3), ("two", 3), ("three", 4)):
        dosages = np.zeros((2, n_variants))
        bed = write_plink(tmp_path / name, dosages, ["x", "y"], simple_variants(n_variants))
        sets.append(open_plink(bed))
    assert sets[0].fingerprint == sets[1].fingerprint != sets[2].fingerprint


def test_format_must_say_how_dosages_are_read():
    with pytest.raises(TypeError, match="abstract"):
        GenotypeSet(PATH, 1, {}, simple_variants(1))


@pytest.mark.parametrize(
    ("written", "spelled"),
    [("chr01", "1"), ("01", "1"), ("NC_000019.10", "19"), ("NC_000001.11", "1"), ("0", "0"),
     ("NC_000023.11", "X"), ("PAR1", "X"), ("GL000220.1", "GL000220.1")],
)  # fmt: skip
def test_other_names_of_chromosomes_are_read(written, spelled):
    table = variants_table(["rs1"], [written], [5], ["A"], ["G"])
    assert table["chromosome"].tolist() == [spelled]
