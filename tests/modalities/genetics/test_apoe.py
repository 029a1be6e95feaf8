import numpy as np
import pandas as pd
import pytest

from adestim.exceptions import DataWarning, GenotypeError
from adestim.modalities.genetics import parse_apoe
from adestim.modalities.genetics.apoe import (
    APOE_TOKENS,
    apoe_counts,
    apoe_from_snps,
    apoe_places,
    apoe_reference,
    apoe_sites,
    merge_apoe,
    place_apoe,
)
from adestim.modalities.genetics.pooled import open_genotypes
from tests.modalities.genetics.files import variants, write_plink

SPELLINGS = [
    "3/4", "4/3", "E3E4", "e3/e4", "34", 34, 34.0, np.int64(34), "ε3/ε4", "ɛ3ɛ4", "ϵ4/ϵ3",
    " 3 / 4 ",    "E3/4", "3|4", "e3-e4", "APOE3/4", "APOE e3/e4", "3,4",
]  # fmt: skip


@pytest.mark.parametrize("text", SPELLINGS)
def test_every_spelling_of_a_genotype_is_read(text):
    assert parse_apoe(text) == (3, 4)


@pytest.mark.parametrize("cell", [None, float("nan"), "", "n/a", pd.NA])
def test_missing_cell_is_no_genotype(cell):
    assert parse_apoe(cell) is None


@pytest.mark.parametrize("cell", ["1/3", "35", 3, "E3", "3/4/4", 344, "yes", 3.4, -34, "0"])
def test_anything_else_is_refused_without_being_shown(cell):
    with pytest.raises(GenotypeError, match="two of the alleles 2, 3 and 4") as caught:
        parse_apoe(cell)
    assert repr(cell) not in caught.value.got


def test_counts_are_of_e2_and_e4():
    genotypes = ["22", "23", "24", "33", "34", "44"]
    expected = [(2, 0), (1, 0), (1, 1), (0, 0), (0, 1), (0, 2)]
    assert [apoe_counts(text) for text in genotypes] == expected


def test_every_pair_of_haplotypes_gives_its_genotype():
    haplotypes = {"e2": (0, 1), "e3": (0, 0), "e4": (1, 0)}
    for first, (c1, t1) in haplotypes.items():
        for second, (c2, t2) in haplotypes.items():
            copies = apoe_from_snps(np.array([[c1 + c2, t1 + t2]], dtype=np.float32))
            assert copies.tolist() == [[[first, second].count("e2"), [first, second].count("e4")]]


@pytest.mark.parametrize("dosages", [(1, 2), (2, 1), (2, 2), (np.nan, 0), (1, np.nan)])
def test_combinations_that_need_e1_or_lack_a_call_are_unknown(dosages):
    assert np.isnan(apoe_from_snps(np.array([dosages], dtype=np.float32))).all()


def test_reported_genotype_wins_and_disagreement_is_counted():
    reported = np.array([[0.0, 1.0], [np.nan, np.nan], [0.0, 0.0]])
    by_snps = np.array([[0.0, 2.0], [1.0, 0.0], [0.0, 0.0]])
    with pytest.warns(DataWarning, match=r"^1 subject\(s\)"):
        merged = merge_apoe(reported, by_snps)
    assert merged.tolist() == [[0, 1], [1, 0], [0, 0]]


def apoe_files(tmp_path, rows):
    return open_genotypes(write_plink(tmp_path / "a", [[0] * len(rows)], ["x"], variants(*rows)))


def test_places_of_apoe_are_read_from_files(tmp_path):
    rows = [("rs7412", "19", 1138, "C", "T"), ("rs429358", "19", 1000, "G", "A")]
    assert apoe_places(apoe_reference(None), apoe_files(tmp_path, rows)) == (1000, 1138)


def test_places_of_apoe_are_zero_where_no_file_has_them(tmp_path):
    sets = apoe_files(tmp_path, [("rs1", "1", 5, "A", "G")])
    assert apoe_places(apoe_reference("hg19"), sets) == (0, 0)
    assert apoe_places(None, sets) == (0, 0)


def test_copies_of_e2_and_e4_are_alleles_of_two_snps():
    sites = apoe_sites((1000, 1138)).set_index("id")
    assert sites.index.tolist() == list(APOE_TOKENS)
    assert sites.loc["APOE_e2", ["position", "counted", "other"]].tolist() == [1138, "T", "C"]
    assert sites.loc["APOE_e4", ["position", "counted", "other"]].tolist() == [1000, "C", "T"]


@pytest.mark.parametrize(
    ("build", "expected"), [("hg19", [45412079, 45411941]), ("hg38", [44908822, 44908684])]
)
def test_apoe_without_places_is_placed_by_the_build(build, expected):
    assert place_apoe(apoe_sites((0, 0)), build)["position"].tolist() == expected


def test_known_places_of_apoe_stay():
    sites = apoe_sites((1000, 1138))
    assert place_apoe(sites, None) is sites


@pytest.mark.parametrize("build", [None, "b37"])
def test_apoe_on_an_unknown_build_has_no_place(build):
    with pytest.raises(GenotypeError, match=r"build must be known.*one of hg18, hg19, hg38"):
        place_apoe(apoe_sites((0, 0)), build)
