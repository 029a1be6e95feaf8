"""Which items of the checklist there are."""

from adestim.inspection.report.tripod_items import ITEMS

# Collins et al., BMJ 2024;385:e078378: items and how many parts each has.
PARTS = {
    3: "abc", 5: "ab", 6: "abc", 8: "abc", 9: "abc", 12: "abcdefg", 18: "abcdef", 20: "abc",
    23: "ab", 27: "abc",
}  # fmt: skip


def test_all_items_are_there_in_order():
    expected = [f"{number}{part}" for number in range(1, 28) for part in PARTS.get(number, [""])]
    assert [item.item for item in ITEMS] == expected


def test_items_of_one_kind_of_study_are_marked():
    marked = {kind: [item.item for item in ITEMS if item.of == kind] for kind in ("D", "E", "D;E")}
    assert marked["D"] == ["9a", "12a", "12b", "12c", "15", "22", "27a", "27b"]
    assert marked["E"] == ["12f", "12g", "20c", "24"]
    assert len(marked["D;E"]) == 40


def test_every_item_is_a_question():
    assert all(item.question.endswith("?") for item in ITEMS)
