"""Tables of numbers over time as they stand in a file: comments, a header or none, rows."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from adestim._support.missing import NUMBER_WORDS
from adestim._support.remarks import remark
from adestim._support.tables import BLANKS, LINE_END, STATED_SEPARATOR, find_separator
from adestim._support.text_files import UNPACKING_ERRORS, read_text
from adestim.exceptions import TimeSeriesError
from adestim.modalities.fmri._label_rows import WHOLE, tell_labels

COMMENT_MARKS = ("#", "%")
DECIMAL_COMMA = re.compile(r"[-+]?\d+(,\d+)?(?:[eE][-+]?\d+)?")
# How AFNI states names within its comments.
COLUMN_LABELS = re.compile(r'ColumnLabels\s*=\s*"(?P<names>[^"]*)"', re.IGNORECASE)
RULER = re.compile(r"[-=*>/]*")
HOW_TO_SETTLE = "Write names in words above the columns, or no header, or pass a .npy file"


class WrittenTable(NamedTuple):
    """What stands in a file."""

    names: list[str] | None  # as written, one a column; None without a header
    rows: list[list[str]]  # cells as written, as many in every row


def read_written_table(path: Path, what: str) -> WrittenTable:
    """Return the header and the cells of a file, every row of one length."""
    try:
        text = read_text(path)
    except (OSError, ValueError, *UNPACKING_ERRORS) as failure:
        raise unreadable_table(path, what, str(failure)) from failure
    lines = [line for line in LINE_END.split(text) if line.strip()]
    comments = [line.strip() for line in lines if line.lstrip().startswith(COMMENT_MARKS)]
    lines = [line for line in lines if not line.lstrip().startswith(COMMENT_MARKS)]
    stated = STATED_SEPARATOR.fullmatch(lines[0]) if lines else None
    lines = lines[1:] if stated else lines
    if not lines:
        header_alone = [line for line in comments if len(line) > 1]
        raise unreadable_table(path, what, "no row" if header_alone else "nothing")
    separator = stated["separator"] if stated else choose_separator(lines)
    rows = split_cells(lines, separator, path, what)
    return find_header(rows, comments, separator, path, what)


def unreadable_table(path: Path, what: str, why: str) -> TimeSeriesError:
    """Return the error about a file that is no table."""
    return TimeSeriesError(
        f"A table of {what} must be readable",
        got=f"{path}: {why}",
        remedy="Check the path (a dangling link needs 'datalad get'), and that every row has "
        "the same number of columns",
    )


def choose_separator(lines: Sequence[str]) -> str:
    """Return what separates cells; commas within numbers between blanks are of decimals."""
    separator = find_separator(lines[0], BLANKS)
    words = lines[-1].split()
    if separator == "," and len(words) > 1 and all(map(DECIMAL_COMMA.fullmatch, words)):
        return BLANKS
    return separator


def split_cells(lines: Sequence[str], separator: str, path: Path, what: str) -> list[list[str]]:
    """Return the cells of lines; those of the first without blanks around them."""
    if separator == BLANKS and not any('"' in line for line in lines[:2]):
        return [line.split() for line in lines]
    if separator == BLANKS:
        lines, separator = [" ".join(line.split()) for line in lines], " "
    try:
        rows = list(csv.reader(lines, delimiter=separator, skipinitialspace=True))
    except csv.Error as failure:
        raise unreadable_table(path, what, str(failure)) from failure
    # Blanks around numbers do no harm, and are many.
    return [[cell.strip() for cell in row] for row in rows[:1]] + rows[1:]


def find_header(
    rows: list[list[str]], comments: Sequence[str], separator: str, path: Path, what: str
) -> WrittenTable:
    """Tell the header from the rows: in words, in labels of an atlas, or in a comment."""
    width = find_width(rows)
    first, body = rows[0], rows[1:]
    by_words = not all(map(is_number_or_missing, first))
    if by_words or heads_labels(first, body, path, what):
        if by_words:
            require_pure_names(first, path, what)
        return fit_header(first, body, path, what)
    body = drop_idle_cells(require_one_width(rows, path, what))
    width = len(body[0])
    return WrittenTable(names_in_comments(comments, separator, width, path, what), body)


def find_width(rows: Sequence[Sequence[str]]) -> int:
    """Return how many cells most rows have, the first left out."""
    return Counter(map(len, rows[1:] or rows)).most_common(1)[0][0]


def is_number_or_missing(text: str) -> bool:
    """Tell whether a cell is a number or stands for a missing one."""
    try:
        float(text)
    except ValueError:
        return text in NUMBER_WORDS or DECIMAL_COMMA.fullmatch(text) is not None
    return True


def require_pure_names(first: Sequence[str], path: Path, what: str) -> None:
    """Refuse a first row of words beside decimal numbers, which is no header and no volume."""
    odd = [text for text in first if is_fraction(text)]
    if odd:
        raise TimeSeriesError(
            f"The first row of a table of {what} holds names, or numbers",
            got=f"both, {odd[0]!r} among them, in {path.name}",
            remedy="Correct the row, or write names above it",
        )


def is_fraction(text: str) -> bool:
    """Tell whether a cell is a number with decimals, which names no region."""
    try:
        return bool(np.isfinite(float(text)) and not float(text).is_integer())
    except ValueError:
        return False


def require_one_width(rows: list[list[str]], path: Path, what: str) -> list[list[str]]:
    """Refuse rows of several lengths."""
    width = find_width(rows)
    odd = next((place for place, row in enumerate(rows) if len(row) != width), None)
    if odd is not None:
        raise unreadable_table(path, what, f"{len(rows[odd])} cells in row {odd + 1}, not {width}")
    return rows


def drop_idle_cells(rows: list[list[str]]) -> list[list[str]]:
    """Leave out the last cells where all are blank: rows that end in their separator."""
    while len(rows[0]) > 1 and all(row[-1] == "" for row in rows):
        rows = [row[:-1] for row in rows]
    return rows


def fit_header(first: list[str], body: list[list[str]], path: Path, what: str) -> WrittenTable:
    """Return a header above its rows; refuse one of another length."""
    if not body:
        return WrittenTable(first, [])
    body = require_one_width(body, path, what)
    if len(first) > len(body[0]) and first[-1] == "":
        first = first[:-1]
    if len(first) < len(body[0]):
        body = drop_idle_cells(body)
    # As R writes the numbers of rows, which have no name.
    if len(first) == len(body[0]) - 1 and counts_up([row[0] for row in body]):
        body = [row[1:] for row in body]
    if len(first) != len(body[0]):
        raise header_of_another_length(len(first), len(body[0]), path, what)
    return WrittenTable(first, body)


def header_of_another_length(n_names: int, n_cells: int, path: Path, what: str) -> TimeSeriesError:
    """Return the error about a header that does not fit its rows."""
    return TimeSeriesError(
        f"The header of a table of {what} must have as many cells as its rows",
        got=f"{n_names} names above rows of {n_cells} cells in {path.name}",
        remedy="Write one name above every column, and the same number of columns in every row",
    )


def counts_up(cells: Sequence[str]) -> bool:
    """Tell whether cells are whole numbers that rise, as the numbers of rows do."""
    if len(cells) < 2 or not all(map(WHOLE.fullmatch, cells)):
        return False
    numbers = np.array(cells, dtype=float)
    return bool((np.diff(numbers) > 0).all())


# Headers of numbers


def heads_labels(first: Sequence[str], body: list[list[str]], path: Path, what: str) -> bool:
    """Tell whether a first row of numbers holds the labels of an atlas, not a volume.

    Labels are whole numbers, each once. They are told by their form, where the volumes have
    decimals, or else by lying in order and outside the range of the columns.
    """
    indexed = first[0] == "" and counts_up([row[0] for row in body])
    labels = list(first[1:] if indexed else first)
    if len(labels) < 2 or not all(map(WHOLE.fullmatch, labels)):
        return False
    body = require_one_width(body, path, what) if body else body
    if body and len(body[0]) != len(first):
        # The numbers of the rows may stand without a name.
        if len(body[0]) == len(first) + 1 and counts_up([row[0] for row in body]):
            return True
        raise header_of_another_length(len(first), len(body[0]), path, what)
    # A blank above the numbers of the rows tells a header from a volume.
    verdict = True if indexed else tell_labels(labels, body)
    if verdict is None:
        raise TimeSeriesError(
            f"The first row of a table of {what} must be clearly a header or a volume",
            got=f"whole numbers that may be either, {' '.join(labels[:6])} in {path.name}",
            remedy=HOW_TO_SETTLE,
        )
    return verdict


# Headers in comments


def names_in_comments(
    comments: Sequence[str], separator: str, width: int, path: Path, what: str
) -> list[str] | None:
    """Return the names that a comment states for every column; None where none does.

    Refused is a comment that lists names between tabs or commas, but more or fewer than columns.
    """
    labelled = COLUMN_LABELS.search(" ".join(line.lstrip("#% ") for line in comments))
    if labelled:
        names = [name.strip() for name in labelled["names"].split(";")]
        return require_as_many(names, width, path, what)
    told = [line.lstrip("#%").strip() for line in comments if "<" not in line]
    told = [line for line in told if line and not RULER.fullmatch(line)]
    listed = [split_comment(line, separator, path, what) for line in reversed(told)]
    for names in listed:
        if len(names) == width and not any(map(is_fraction, names)):
            return names
    if listed and told:
        question_comment(listed[0], told[-1], width, path, what)
    return None


def split_comment(line: str, separator: str, path: Path, what: str) -> list[str]:
    """Return the cells of a comment, separated as the rows are, or by a mark of its own."""
    mark = separator if separator != BLANKS and separator in line else find_separator(line, BLANKS)
    return split_cells([line], mark, path, what)[0]


def question_comment(names: list[str], line: str, width: int, path: Path, what: str) -> None:
    """Refuse a list of names that nearly fits the columns; remark on words that may be one."""
    if len(names) < 2 or abs(len(names) - width) > max(2, width // 5):
        return
    if any(mark in line for mark in ",;\t|") and not any(" " in name for name in names):
        raise header_of_another_length(len(names), width, path, what)
    remark(
        f"the comment above a table of {what} has {len(names)} words for {width} columns, and is "
        "not taken for their names. Write one name a column, or a comment of another length."
    )


def require_as_many(names: list[str], width: int, path: Path, what: str) -> list[str]:
    """Refuse names that are more or fewer than the columns."""
    if len(names) != width:
        raise header_of_another_length(len(names), width, path, what)
    return names
