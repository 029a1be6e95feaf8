import pytest
import torch

from adestim.exceptions import CheckpointError
from adestim.modalities.clinical.models.tabicl_file import read_sizes
from tests.tabicl_file import SMALL, write_tabicl


def test_sizes_are_those_of_the_checkpoint(tmp_path):
    path = tmp_path / "model.ckpt"
    write_tabicl(path, col_affine=True, col_feature_group=False)
    sizes = read_sizes(path, trust_pickle=False)
    assert sizes["embed_dim"] == SMALL["embed_dim"]
    assert sizes["col_affine"] is True
    assert not any(key.startswith("icl_") for key in sizes)


def test_a_file_without_a_configuration_says_nothing(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"weight": torch.ones(2)}, path)
    assert read_sizes(path, trust_pickle=False) == {}


@pytest.mark.parametrize("wrong", [{"norm_first": False}, {"activation": "relu"}])
def test_layers_that_no_release_has_are_refused(tmp_path, wrong):
    path = tmp_path / "model.ckpt"
    torch.save({"config": SMALL | wrong, "state_dict": {"x": torch.ones(1)}}, path)
    with pytest.raises(CheckpointError, match=f"must have {next(iter(wrong))}="):
        read_sizes(path, trust_pickle=False)
