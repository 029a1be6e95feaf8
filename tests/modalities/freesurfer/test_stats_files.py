"""Statistics files, whole and broken."""

import pandas as pd
import pytest

from adestim import FreeSurferExtractor
from adestim.exceptions import InputError
from tests.modalities.freesurfer.stats_texts import write_aparc, write_aseg


def encode(*paths, **params):
    """Encode one subject's files, side by side."""
    columns = {f"file{number}": [str(path)] for number, path in enumerate(paths)}
    frame = pd.DataFrame(columns, index=["s1"])
    return FreeSurferExtractor(**params).fit_transform(frame).loc["s1", "freesurfer"]


def test_files_side_by_side_are_one_subject(tmp_path):
    write_aseg(tmp_path / "aseg.stats")
    for side in ("lh", "rh"):
        write_aparc(tmp_path / f"{side}.aparc.stats", side)
    paths = [tmp_path / name for name in ("aseg.stats", "lh.aparc.stats", "rh.aparc.stats")]
    encoding = encode(*paths)
    assert encoding.tokens.shape == (10, 3)
    assert encoding.backbone.option("token_names")[4:6] == ("lh_bankssts", "lh_entorhinal")


def test_the_hemisphere_is_that_of_the_header(tmp_path):
    write_aparc(tmp_path / "left.stats", "lh")
    names = encode(tmp_path / "left.stats").backbone.option("token_names")
    assert names == ("lh_bankssts", "lh_entorhinal", "lh_insula")


def test_version_5_calls_the_head_icv(tmp_path):
    write_aseg(tmp_path / "aseg.stats", head_name="IntraCranialVol, ICV", head=1e6)
    assert encode(tmp_path / "aseg.stats").tokens[0, 0] == pytest.approx(1.004)


def test_the_thalamus_of_version_6_is_that_of_7(tmp_path):
    write_aseg(tmp_path / "aseg.stats", names={"Left-Thalamus-Proper": 10})
    names = encode(tmp_path / "aseg.stats").backbone.option("token_names")
    assert names == ("Left-Thalamus",)


def test_cortical_volumes_of_a_segmentation_bear_names_of_the_surface(tmp_path):
    write_aseg(tmp_path / "aseg+DKT.stats", names={"ctx-lh-cuneus": 1005})
    assert encode(tmp_path / "aseg+DKT.stats").backbone.option("token_names") == ("lh_cuneus",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: "", "no line '# ColHeaders'"),
        (lambda text: "hello\n", "no line '# ColHeaders'"),
        (lambda text: "\n".join(text.splitlines()[:-1]), "3 rows of 4"),
        (lambda text: text.rstrip()[:-20], "cells in row 4 of 10 columns"),
        (lambda text: text.replace("1004.0", "many"), "a measure that is no number"),
        (lambda text: text.replace("1004.0", "-4.0"), "a measure that is no number"),
        (lambda text: text.replace("1004.0", "nan"), "a measure that is no number"),
        (lambda text: text.replace("CSF", "Left-Thalamus"), "region 'Left-Thalamus' twice"),
        (lambda text: text.replace("Volume_mm3", "Size"), r"columns \['Index'"),
    ],
)
def test_a_broken_file_is_refused_by_name(tmp_path, change, said):
    path = tmp_path / "aseg.stats"
    write_aseg(path)
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=rf"Subject 's1'.*must be whole.*{said}"):
        encode(path)


def test_bytes_are_no_statistics(tmp_path):
    path = tmp_path / "aseg.stats"
    path.write_bytes(b"\0\1\2" * 50)
    with pytest.raises(InputError, match=r"Subject 's1'.*bytes that are no text"):
        encode(path)


def test_a_surface_without_a_side_is_refused(tmp_path):
    path = tmp_path / "aparc.stats"
    write_aparc(path, "lh")
    path.write_text(path.read_text().replace("# hemi lh\n", ""))
    with pytest.raises(InputError, match="'# hemi lh' or '# hemi rh'"):
        encode(path)


def test_one_file_twice_is_refused(tmp_path):
    write_aseg(tmp_path / "aseg.stats")
    with pytest.raises(InputError, match=r"different regions.*a second time"):
        encode(tmp_path / "aseg.stats", tmp_path / "aseg.stats")
