"""The tables of positions are the released ones, or nobody's mistake."""

import numpy as np
import pytest

from adestim._support.digests import digest_file
from adestim.exceptions import CheckpointError, InputError, TableError
from adestim.modalities.fmri.models.brain_jepa import GRADIENTS
from adestim.modalities.fmri.models.brainharmonix_f import EIGENMODES
from adestim.modalities.fmri.models.position_tables import (
    read_region_table,
    require_released_table,
    require_same_table,
    require_table_named,
)
from tests.modalities.fmri.model_files import table_file


@pytest.fixture
def released(tmp_path):
    """A table of the released size, not the released one."""
    values = np.random.default_rng(0).normal(size=(450, 30)).astype(np.float32)
    return table_file(tmp_path / "gradient_mapping_450.csv", values), values


def test_table_is_read_exactly(released):
    path, values = released
    np.testing.assert_array_equal(read_region_table(GRADIENTS, path, (450, 30)), values)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: table_file(path, np.ones((450, 29))), r"450 regions x 30.*Got shape"),
        (lambda path: table_file(path, np.full((450, 30), np.nan)), "gaps or infinities"),
        (lambda path: path.write_text("a,b\n1,2\n"), "without a header"),
    ],
)
def test_other_tables_are_refused(tmp_path, write, words):
    write(tmp_path / "g.csv")
    with pytest.raises(TableError, match=words):
        read_region_table(GRADIENTS, tmp_path / "g.csv", (450, 30))


def test_another_table_of_the_released_size_needs_its_hash(released):
    path, _ = released
    with pytest.raises(InputError, match=r"SHA-256 c9bc667e.*gradients_sha256"):
        require_released_table(GRADIENTS, path, None, (450, 30))
    assert require_released_table(GRADIENTS, path, digest_file(path).upper(), (450, 30)) is None


def test_other_sizes_have_no_released_table(tmp_path):
    path = table_file(tmp_path / "g.csv", np.ones((20, 6)))
    assert require_released_table(GRADIENTS, path, None, (20, 6)) is None


def test_table_must_be_named_and_be_there(tmp_path):
    with pytest.raises(InputError, match=r"must name the table.*gradient_mapping_450.csv"):
        require_table_named(GRADIENTS, None)
    with pytest.raises(InputError, match="must be an existing file"):
        require_table_named(GRADIENTS, tmp_path / "absent.csv")


def test_table_must_be_the_one_of_fit(released, tmp_path):
    path, _ = released
    assert require_same_table(GRADIENTS, path, digest_file(path)) is None
    with pytest.raises(CheckpointError, match="another content"):
        require_same_table(GRADIENTS, path, "0" * 64)
    with pytest.raises(CheckpointError, match="no such file"):
        require_same_table(GRADIENTS, tmp_path / "absent.csv", None)


def test_empty_table_is_refused_in_silence(tmp_path):
    (tmp_path / "g.csv").write_text("")
    with pytest.raises(TableError, match="must hold 20 regions x 6 numbers"):
        read_region_table(GRADIENTS, tmp_path / "g.csv", (20, 6))


def test_path_of_another_kind_is_refused():
    with pytest.raises(InputError, match=r"must be an existing file\. Got 3"):
        require_table_named(GRADIENTS, 3)


def test_names_around_the_numbers_are_left_out(tmp_path):
    (tmp_path / "modes.csv").write_text(",Mode_1,Mode_2\nROI_1,1,2\nROI_2,3,4.5\n")
    values = read_region_table(EIGENMODES, tmp_path / "modes.csv", (2, 2))
    np.testing.assert_array_equal(values, [[1, 2], [3, 4.5]])
    with pytest.raises(TableError, match="under a header, behind names"):
        read_region_table(EIGENMODES, tmp_path / "modes.csv", (2, 3))
