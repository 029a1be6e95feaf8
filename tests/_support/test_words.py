import pytest

from adestim._support.words import escape_markdown, first_names


def test_long_lists_of_names_are_cut():
    assert first_names("abcdefg") == "'a', 'b', 'c', 'd', 'e' and 2 more"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("[here](http://x.org)", r"[here]\(http://x.org)"),
        ("[here][there]", r"[here]\[there]"),
        ("a|b", r"a\|b"),
        ("*a* `b` $c$ ~~d~~", r"\*a\* \`b\` \$c\$ \~\~d\~\~"),
        ("_a_ or b_c", r"\_a\_ or b\_c"),
        ("a\\b", r"a\\b"),
        ("AT&T &lt;", "AT&amp;T &amp;lt;"),
        ("two\nlines", "two lines"),
        ("0.878 [0.789, 0.952]", "0.878 [0.789, 0.952]"),
    ],
)
def test_markdown_shows_a_name_as_it_is(name, written):
    assert escape_markdown(name) == written
