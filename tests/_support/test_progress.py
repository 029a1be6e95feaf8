import pickle

import pytest

from adestim._support import progress
from adestim._support.progress import progress_bar, show_progress


def test_items_pass_a_bar_unchanged(terminal):
    assert list(show_progress("abc", "letters", "letter", verbose=1)) == ["a", "b", "c"]
    assert "letters: 100%" in terminal.getvalue()
    assert "3/3" in terminal.getvalue()


def test_nothing_is_shown_unless_asked_for(terminal):
    list(show_progress("abc", "letters", "letter", verbose=0))
    with progress_bar(2, "mri", "epoch", verbose=0) as bar:
        bar.advance(train=0.5)
    assert terminal.getvalue() == ""


def test_nothing_is_written_into_a_log_unless_asked_for(caplog, capsys):
    list(show_progress("abc", "letters", "letter", verbose=0))
    with progress_bar(2, "mri", "epoch", verbose=0) as bar:
        bar.advance()
    assert caplog.messages == []
    assert capsys.readouterr() == ("", "")


def test_a_log_has_a_line_a_step(caplog):
    list(show_progress("ab", "letters", "letter", verbose=2))
    with progress_bar(2, "mri", "epoch", verbose=1) as bar:
        bar.advance(train=0.51234, valid=None)
    assert [line.replace("00:01", "00:00") for line in caplog.messages] == [
        "letters: letter 1/2 after 00:00",
        "letters: letter 2/2 after 00:00",
        "mri: epoch 1/2 after 00:00, train=0.5123",
    ]


def test_a_log_has_a_line_every_hundred_subjects_and_at_the_end(caplog):
    list(show_progress(range(250), "smri", "subject", verbose=1, total=250))
    assert [line.split()[2] for line in caplog.messages] == ["100/250", "200/250", "250/250"]


def test_batches_that_step_over_a_hundred_subjects_make_a_line(caplog):
    with progress_bar(None, "smri", "subject", verbose=1) as bar:
        for _ in range(5):
            bar.advance(64)
    assert [line.split()[2] for line in caplog.messages] == ["128", "256", "320"]


def test_a_line_is_written_when_its_step_is_done(caplog):
    for letter in show_progress("ab", "letters", "letter", verbose=1):
        assert len(caplog.messages) == "ab".index(letter)


def test_lines_go_to_standard_error_where_no_log_is_set_up(monkeypatch, capsys):
    monkeypatch.setattr(progress.LOGGER, "propagate", False)
    list(show_progress("a", "letters", "letter", verbose=1))
    out, err = capsys.readouterr()
    assert out == ""
    assert "adestim: letters: letter 1/1 after" in err


def test_lines_can_be_switched_off_as_any_log(caplog):
    caplog.set_level("WARNING", logger="adestim")
    list(show_progress("a", "letters", "letter", verbose=1))
    assert caplog.messages == []


def test_a_bar_may_start_later(terminal):
    list(show_progress("c", "letters", "letter", verbose=1, total=3, initial=2))
    assert "2/3" in terminal.getvalue()


def test_numbers_stand_behind_the_bar_and_unknown_ones_do_not(terminal):
    with progress_bar(1, "mri", "epoch", verbose=1) as bar:
        bar.advance(train=0.51234, valid=None)
    assert "train=0.5123" in terminal.getvalue()
    assert "valid" not in terminal.getvalue()


def test_what_ends_early_is_done(terminal):
    with progress_bar(40, "mri", "epoch", verbose=1) as bar:
        bar.advance(3)
    assert "3/3" in terminal.getvalue()


def test_what_fails_is_not_done(terminal):
    def fail():
        with progress_bar(40, "mri", "epoch", verbose=1) as bar:
            bar.advance(3)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert "3/3" not in terminal.getvalue()


def test_inner_bars_take_lines_of_their_own_and_leave_none(terminal):
    for _ in show_progress(range(2), "outer", "fold", verbose=1):
        with progress_bar(1, "inner", "epoch", verbose=1) as bar:
            assert abs(bar._bar.pos) == 1
            bar.advance()
    assert terminal.getvalue().endswith("\n")
    last_line = terminal.getvalue().rstrip("\n").rpartition("\r")[2]
    assert last_line.startswith("outer: 100%")


def test_a_pickled_bar_shows_nothing(terminal):
    with progress_bar(2, "mri", "epoch", verbose=1) as bar:
        copy = pickle.loads(pickle.dumps(bar))
        shown_before = terminal.getvalue()
        with copy:
            copy.advance(train=0.5)
        assert terminal.getvalue() == shown_before


def test_a_notebook_shows_its_bars_though_its_stream_is_no_terminal(monkeypatch):
    asked = {}

    def notebook(items, **settings):
        asked.update(settings)
        return items

    monkeypatch.setattr(progress, "tqdm", notebook)
    list(show_progress("ab", "letters", "letter", verbose=1))
    # tqdm's class for notebooks takes the truth of it, its class for terminals looks at the stream.
    assert asked["disable"] is None
