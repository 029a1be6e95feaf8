import pandas as pd
import pytest

from adestim.datasets.loaders.plink_samples import genotype_cells, sample_names
from adestim.exceptions import DataWarning, GenotypeError


def test_samples_are_found_with_and_without_the_prefix_of_bids(tmp_path):
    (tmp_path / "a.fam").write_text("f 0001 0 0 1 -9\nf sub-0002 0 0 2 -9\n\n")
    subjects = pd.Index(["sub-0001", "sub-0002", "sub-0003"])
    cells = genotype_cells([tmp_path / "a"], subjects)
    assert list(cells[:2]) == ["0001", "sub-0002"]
    assert pd.isna(cells["sub-0003"])


def test_file_that_is_no_list_of_samples_is_refused(tmp_path):
    with pytest.raises(GenotypeError, match=r"has a '.fam'\. Got none.*without the suffix"):
        sample_names(tmp_path / "a.bed")
    (tmp_path / "a.fam").write_text("alone\n")
    with pytest.raises(GenotypeError, match="a family and a sample"):
        sample_names(tmp_path / "a")


def test_file_set_of_other_people_is_warned_of(tmp_path):
    (tmp_path / "a.fam").write_text("f HG00096 0 0 1 -9\n")
    with pytest.warns(DataWarning, match=r"None of 1 samples \('HG00096'\) is of anybody"):
        genotype_cells([tmp_path / "a"], pd.Index(["sub-0001"]))
