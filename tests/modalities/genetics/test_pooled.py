import numpy as np
import pytest

from adestim.exceptions import GenotypeError
from adestim.modalities.genetics.genotypes import ABSENT, AMBIGUOUS
from adestim.modalities.genetics.harmonise import Alignment
from adestim.modalities.genetics.plink import open_plink
from adestim.modalities.genetics.pooled import (
    locate,
    open_genotypes,
    pool_dosages,
    reference_variants,
    sample_error,
)
from adestim.modalities.genetics.vcf import VcfSet
from tests.modalities.genetics.files import simple_variants, variants, write_plink, write_vcf


def opened(tmp_path, name, dosages, samples, table=None):
    table = simple_variants(np.shape(dosages)[1]) if table is None else table
    return open_plink(write_plink(tmp_path / name, dosages, samples, table))


def straight(n_variants, columns=None, swapped=None):
    """An alignment of a file that holds the reference variants as they are."""
    columns = np.arange(n_variants) if columns is None else np.array(columns)
    return Alignment(columns, np.zeros(n_variants, bool) if swapped is None else np.array(swapped))


@pytest.fixture
def sets(tmp_path):
    """Two files that share the sample y."""
    return [
        opened(tmp_path, "first", [[0, 1], [np.nan, 2]], ["x", "y"]),
        opened(tmp_path, "second", [[1, 0], [2, 2]], ["y", "z"]),
    ]


def test_files_are_opened_by_their_ending_in_the_order_given(tmp_path):
    vcf = write_vcf(tmp_path / "a.vcf.gz", np.ones((1, 2)), ["s"], simple_variants(2))
    bed = write_plink(tmp_path / "b", np.zeros((1, 2)), ["s"], simple_variants(2))
    found = open_genotypes([vcf, str(bed.with_suffix(""))])
    assert [isinstance(item, VcfSet) for item in found] == [True, False]
    assert [item.path for item in found] == [vcf, bed]


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_one_path_is_one_file(tmp_path, kind):
    bed = write_plink(tmp_path / "b", np.zeros((1, 2)), ["s"], simple_variants(2))
    assert len(open_genotypes(kind(bed))) == 1


def test_no_path_is_refused():
    with pytest.raises(GenotypeError, match=r"at least one file\. Got an empty list"):
        open_genotypes([])


def test_samples_are_looked_for_in_every_file(sets):
    rows = locate(sets, ["x", "y", "z", None])
    assert rows.tolist() == [[0, 1, ABSENT, ABSENT], [ABSENT, 0, 1, ABSENT]]


def test_sample_of_one_file_is_no_error(sets):
    assert sample_error(sets, np.array([ABSENT, 1]), "z") is None


def test_sample_of_no_file_is_an_error_that_names_the_files_but_no_sample(sets):
    error = sample_error(sets, np.array([ABSENT, ABSENT]), "who")
    assert isinstance(error, GenotypeError)
    assert "first.bed (2 samples)" in str(error)
    assert "'who'" in str(error)
    assert "'x'" not in str(error)


def test_sample_that_is_ambiguous_in_one_file_is_an_error_with_the_remedy(sets):
    error = sample_error(sets, np.array([0, AMBIGUOUS]), "1")
    assert "stands for several" in str(error)
    assert "FID IID" in str(error)


def test_call_of_an_earlier_file_wins_and_a_later_one_fills_its_gaps(sets):
    rows = locate(sets, ["x", "y", "z"])
    pooled = pool_dosages(sets, rows, [straight(2), straight(2)])
    assert pooled.dtype == np.float32
    assert pooled.tolist() == [[0, 1], [1, 2], [2, 2]]
    turned = pool_dosages(sets[::-1], rows[::-1], [straight(2), straight(2)])
    assert turned.tolist() == [[0, 1], [1, 0], [2, 2]]


def test_swapped_variants_are_counted_as_the_reference_counts(sets):
    rows = locate(sets, ["x", "z"])
    pooled = pool_dosages(sets, rows, [straight(2), straight(2, swapped=[False, True])])
    assert pooled.tolist() == [[0, 1], [2, 0]]


def test_variants_that_a_file_lacks_and_absent_samples_have_no_call(sets):
    rows = locate(sets, ["x", "z", "nobody"])
    pooled = pool_dosages(sets, rows, [straight(2), straight(2, columns=[-1, 0])])
    np.testing.assert_array_equal(pooled, [[0, 1], [np.nan, 2], [np.nan, np.nan]])


def test_number_of_jobs_does_not_matter(sets):
    rows, alignments = locate(sets, ["x", "y", "z"]), [straight(2), straight(2)]
    np.testing.assert_array_equal(
        pool_dosages(sets, rows, alignments, n_jobs=2), pool_dosages(sets, rows, alignments)
    )


def test_reference_has_the_alleles_of_the_first_file_that_knows_the_place(tmp_path):
    tables = [
        variants(("rs1", "1", 100, "A", "G"), ("rs2", "1", 200, "C", "T")),
        variants(("other", "1", 200, "T", "C"), ("rs3", "2", 200, "A", "C")),
    ]
    sets = [
        opened(tmp_path, f"file{number}", [[0, 0]], ["s"], table)
        for number, table in enumerate(tables)
    ]
    reference = reference_variants(sets)
    assert reference["id"].tolist() == ["rs1", "rs2", "rs3"]
    assert reference["counted"].tolist() == ["A", "C", "A"]
    first, second = (item.fingerprint for item in sets)
    assert reference["origin"].tolist() == [first, first, second]


def test_variants_without_a_place_are_told_apart_by_their_names(tmp_path):
    tables = [
        variants(("rs1", "1", 0, "A", "G"), ("rs2", "1", 0, "A", "G")),
        variants(("rs2", "1", 0, "A", "G"), ("rs3", "1", 0, "A", "G")),
    ]
    sets = [
        opened(tmp_path, f"file{number}", [[0, 0]], ["s"], table)
        for number, table in enumerate(tables)
    ]
    assert reference_variants(sets)["id"].tolist() == ["rs1", "rs2", "rs3"]


@pytest.mark.parametrize(
    ("name", "said"),
    [("a.pgen", "plink2 --pfile"), ("a.PED", "plink --file"), ("a.bgen", "plink2 --bgen"),
     ("a.bcf", "bcftools view"), ("a.raw", r"without genotypes="), ("a.csv", r"with pandas")],
)  # fmt: skip
def test_files_of_other_formats_are_named_for_what_they_are(tmp_path, name, said):
    (tmp_path / name).touch()
    with pytest.raises(GenotypeError, match=f"Got {name}, .*{said}"):
        open_genotypes(tmp_path / name)


@pytest.mark.parametrize("name", ["a.VCF", "a.vcf.GZ"])
def test_endings_may_be_in_capital_letters(tmp_path, name):
    write_vcf(tmp_path / name, np.ones((1, 2)), ["s"], simple_variants(2))
    assert open_genotypes(tmp_path / name)[0].n_samples == 1
