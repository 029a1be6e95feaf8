from adestim._support.words import first_names


def test_long_lists_of_names_are_cut():
    assert first_names("abcdefg") == "'a', 'b', 'c', 'd', 'e' and 2 more"
