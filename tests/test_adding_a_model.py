"""The guide to models of one's own: its programs run, as an installed package."""

import importlib
import re
import sys
import tomllib
from pathlib import Path

import pytest

from adestim.backbone import registry

GUIDE = Path(__file__).parents[1] / "docs" / "adding_a_model.md"


def blocks_of(language):
    """Return the guide's blocks of a language, in order."""
    text = GUIDE.read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of installed packages; what they register is forgotten."""
    monkeypatch.setattr(registry, "_TRIED", set(registry._TRIED))
    monkeypatch.setattr(registry, "_CARDS", dict(registry._CARDS))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("parcel_models", None)
    sys.modules.pop("suite_models", None)


def install(site):
    """Write the guide's package into a folder, as pip leaves it."""
    project = tomllib.loads(blocks_of("toml")[0])["project"]
    (site / "parcel_models.py").write_text(blocks_of("python")[0])
    info = site / "parcel_models-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1.0\n"
    )
    [(group, entries)] = project["entry-points"].items()
    lines = [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join([*lines, ""]))


def test_the_model_of_the_guide_is_found_and_used(site):
    install(site)
    exec(blocks_of("python")[1], {"__name__": "guide"})


def test_the_model_of_the_suite_has_a_card(site):
    (site / "suite_models.py").write_text(blocks_of("python")[2])
    card = importlib.import_module("suite_models").CARD
    assert card.use == 'FMRIExtractor(backbone="cortex-mae-suite", weights="a/folder")'
    assert card.backbone_class().n_rois == 400
