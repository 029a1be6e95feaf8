import numpy as np
import pandas as pd
import pytest

from adestim.exceptions import DataWarning, GenotypeError, NoModalityError
from adestim.extraction.prepared import Prepared
from adestim.modalities.genetics.columns import column_roles, column_variants, read_genotype_cells
from adestim.modalities.genetics.pooled import locate, open_genotypes
from adestim.modalities.genetics.reading import (
    dosages_of_columns,
    merge_errors,
    prepare_dosages,
    read_columns,
    read_files,
    require_samples,
    sample_errors,
)
from tests.modalities.genetics.files import simple_variants, write_plink


@pytest.fixture
def sets(tmp_path):
    dosages = np.array([[0, 1], [2, np.nan], [1, 1]])
    return open_genotypes(write_plink(tmp_path / "a", dosages, "xyz", simple_variants(2)))


def reference(table):
    return table.assign(frequency=0.3, n_called=3, origin="")


def cells_of(**columns):
    frame = pd.DataFrame(columns)
    roles = column_roles(frame, from_files="iid" in columns, sample=None, apoe=None)
    return frame, roles, read_genotype_cells(frame, roles)


def test_columns_are_read_in_the_order_of_the_variants():
    frame, roles, cells = cells_of(rs1_A=[0, 1], rs2_A=[2, None])
    chosen = column_variants(frame, roles, cells.dosages).iloc[::-1]
    read = read_columns(frame, cells, roles, chosen, None)
    np.testing.assert_array_equal(read.dosages, [[2, 0], [np.nan, 1]])
    assert np.isnan(read.apoe).all()


def test_apoe_is_read_from_columns_that_may_count_the_other_allele():
    frame, roles, cells = cells_of(rs429358_T=[2, 1], rs7412_T=[0, 1])
    chosen = column_variants(frame, roles, cells.dosages)
    names = ["rs429358_T", "rs7412_T"]
    read = read_columns(frame, cells, roles, chosen, (names, np.array([True, False])))
    np.testing.assert_array_equal(read.apoe, [[0, 0], [1, 1]])


def test_files_are_read_by_sample_id(sets):
    _, _, cells = cells_of(iid=["z", "x", "who"])
    read = read_files(sets, cells, reference(simple_variants(2)), None)
    np.testing.assert_array_equal(read.dosages, [[1, 1], [0, 1], [np.nan, np.nan]])
    assert list(read.errors) == [2]


def test_variants_that_no_file_has_are_masked_with_a_warning(sets):
    _, _, cells = cells_of(iid=["x"])
    with pytest.warns(DataWarning, match="1 of 3 SNPs"):
        read = read_files(sets, cells, reference(simple_variants(3)), None)
    np.testing.assert_array_equal(read.dosages, [[0, 1, np.nan]])


def test_absent_columns_are_unknown():
    found = dosages_of_columns(np.array([[1.0]]), ["a"], ["b", "a"])
    np.testing.assert_array_equal(found, [[np.nan, 1]])
    assert np.isnan(dosages_of_columns(np.empty((2, 0)), [], ["b"])).all()


def test_subject_without_a_call_is_none():
    first, second = prepare_dosages(np.array([[1, np.nan], [np.nan, np.nan]]))
    assert first.mask.tolist() == [True, False]
    assert second is None


def test_error_takes_the_place_of_a_subject_and_names_it():
    errors = {1: GenotypeError("A rule")}
    found = merge_errors([Prepared(np.zeros(1)), None], errors, pd.Index(["a", "b"]))
    assert isinstance(found[0], Prepared)
    assert found[1].subject == "b"


def test_sample_ids_that_stand_for_nobody_are_errors(sets):
    names = ["x", None, "who"]
    assert list(sample_errors(sets, locate(sets, names), names)) == [2]


def test_rows_without_samples_are_refused():
    with pytest.raises(NoModalityError, match="sample id is in the genotype files"):
        require_samples(False)
