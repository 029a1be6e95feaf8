"""Columns, loading and citation on a card."""

from pathlib import Path

import yaml

from adestim.inspection.report.card_use import CITATION, describe_loading, say_columns
from tests.handover.saved import fitted, small
from tests.inspection.reported import reported

ROOT = Path(__file__).resolve().parents[3]


def test_columns_are_told_by_modality():
    assert say_columns(fitted()[0]) == [
        "* clinical: age, history",
        r"* genetics: rs429358\_C, rs7412\_T",
    ]


def test_columns_of_a_fusion_are_those_of_its_table():
    [line] = say_columns(reported()[0])
    assert line.startswith("* table: mri")


def test_columns_without_names_are_said_to_have_none():
    assert say_columns(small()[0]) == ["The columns had no names."]


def test_loading_names_the_repository():
    assert 'from_pretrained("a/b", revision="commit")' in describe_loading("a/b")[1]


def test_what_is_cited_is_what_the_citation_file_says():
    told = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    [paper] = told["references"]
    for words in (told["title"], f"version = {{{told['version']}}}", told["license"],
                  paper["title"], paper["url"], str(paper["year"])):  # fmt: skip
        assert words in CITATION
