import numpy as np

from adestim.encoding.texts import FreeText, Word


class Letters:
    def parts(self, text):
        words = text.split()
        return words, np.array([[float(len(word))] for word in words]).reshape(-1, 1)


def test_parts_are_those_of_subjects_whose_text_has_words():
    text = FreeText("note", 0, slice(0, 1), Letters(), ("gets lost", None, " "))
    ((row, words, parts),) = text.parts
    assert (row, words) == (0, ["gets", "lost"])
    np.testing.assert_array_equal(parts, [[4], [4]])


def test_words_know_their_column_and_tokens():
    assert Word("lost", "note", (3, 4)).tokens == (3, 4)
