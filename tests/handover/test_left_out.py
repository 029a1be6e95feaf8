"""What is nobody's business."""

import pandas as pd
import pytest

from adestim import ClinicalExtractor
from adestim.encoding import BackboneSpec
from adestim.exceptions import SavedModelError
from adestim.handover.left_out import LeavingOut, clean_text
from tests.handover.saved import RARE, clinic


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("/data/trial/weights.pt", "weights.pt"),
        ("~/trial/weights.pt", "weights.pt"),
        (r"C:\trial\weights.pt", "weights.pt"),
        ("/cache/hub/models--a--b/snapshots/c/w.pt", "models--a--b/snapshots/c/w.pt"),
        ("weights.pt", "weights.pt"),
        ("organisation/name", "organisation/name"),
        ("mg/dl", "mg/dl"),
        ("3/4", "3/4"),
        ("/", "/"),
        ("~", "~"),
    ],
)
def test_a_place_on_a_disk_keeps_its_last_part(text, kept):
    assert clean_text(text) == kept


def test_a_place_below_this_folder_is_one_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trial").mkdir()
    (tmp_path / "trial" / "weights.pt").touch()
    assert clean_text("trial/weights.pt") == "weights.pt"


def test_rare_levels_of_a_column_and_of_its_name_tag_are_nameless():
    table, _ = clinic()
    extractor = ClinicalExtractor().fit(table[["history"]])
    leaving_out = LeavingOut()
    [column] = extractor.columns_
    assert RARE in column.levels
    cleaned = leaving_out.clean_object(column)
    assert cleaned.levels.index(None) == column.levels.index(RARE)
    assert cleaned.n_slots == column.n_slots
    [meaning] = leaving_out.clean_object(extractor.backbone_).option("columns")
    assert meaning[2] == cleaned.levels
    assert LeavingOut(keep_words=True).clean_object(column) is column


def test_a_name_tag_keeps_what_finds_its_weights():
    kept = (("weights", "w.pt"), ("weights in bytes", "7"), ("home", "a.b:C"))
    places = (("weights from the root", "/trial/w.pt"), ("weights before", "/old/w.pt"))
    sources = (("weights", "/trial/w.pt"), *kept[1:], *places)
    spec = LeavingOut().clean_object(BackboneSpec("a", "digest", sources=sources))
    assert spec.sources == kept


def test_a_model_that_reads_training_rows_beside_new_ones_is_refused():
    preparation = (("context", ((0.5, 1.5),)), ("fill", (0.0,)))
    spec = BackboneSpec("tabicl", options=(("preparation", preparation),))
    with pytest.raises(SavedModelError, match="Got backbone 'tabicl', which keeps the rows"):
        LeavingOut().clean_object(spec)


def test_people_are_counted_and_not_their_visits():
    visits = pd.DataFrame(
        {"gene": ["x"] * 10 + ["y"] * 10}, index=["one"] * 10 + list("abcdefghij")
    )
    [column] = ClinicalExtractor().fit(visits).columns_
    assert column.rare == (0,)
