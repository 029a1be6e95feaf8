"""Token numbers of a written record as words again, and the column that each speaks of."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from string import punctuation
from typing import Any

from adestim.backbone.weights.moved import find_weights
from adestim.encoding import BackboneSpec
from adestim.encoding.texts import Word
from adestim.exceptions import CheckpointError
from adestim.modalities.clinical.models.language_files import read_tokenizer
from adestim.modalities.clinical.text import Sentence

PLACE_OF_VALUE = "{value}"
CONTINUES = "##"
# How SentencePiece and byte-level tokenizers write the blank before a word.
BLANKS = ("▁", "Ġ")
PUNCTUATION = frozenset(punctuation)


class RecordReader:
    """Reads the token numbers of records as words."""

    def __init__(self, tokenizer: Any, sentences: Sequence[Sentence] = ()):
        self.tokenizer = tokenizer
        self.sentences = tuple(sentences)

    def read(self, ids: Sequence[int]) -> tuple[Word, ...]:
        """Return the words of one record."""
        words = list(self._words(ids))
        starts = self._starts("".join(text for text, _ in words))
        found, length = [], 0
        for text, tokens in words:
            number = bisect_right([start for start, _ in starts], length) - 1
            found.append(Word(text, starts[number][1] if number >= 0 else "", tokens))
            length += len(text)
        return tuple(found)

    def _words(self, ids: Sequence[int]) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield every word with the places of its tokens; tokens without text are in none."""
        pieces = self.tokenizer.convert_ids_to_tokens([int(number) for number in ids])
        for places in self._grouped(ids, pieces):
            text = self.tokenizer.convert_tokens_to_string([pieces[place] for place in places])
            text = re.sub(r"\s+", "", text).removeprefix(CONTINUES)
            if text:
                yield text, tuple(places)

    def _grouped(self, ids: Sequence[int], pieces: Sequence[str]) -> Iterator[list[int]]:
        """Yield the places of the tokens of every word; punctuation at its end is one apart."""
        group: list[int] = []
        for place, (number, piece) in enumerate(zip(ids, pieces, strict=True)):
            if int(number) in self._wordless:
                continue
            if group and self._begins(piece):
                yield from part_from_punctuation(group, pieces)
                group = []
            group.append(place)
        yield from part_from_punctuation(group, pieces)

    def _begins(self, piece: str) -> bool:
        """Tell whether a token begins a word."""
        return piece.startswith(BLANKS) if self._keeps_blanks else not piece.startswith(CONTINUES)

    @cached_property
    def _keeps_blanks(self) -> bool:
        """Whether tokens tell where a blank was."""
        ids = self.tokenizer("a a", add_special_tokens=False)["input_ids"]
        return any(piece.startswith(BLANKS) for piece in self.tokenizer.convert_ids_to_tokens(ids))

    @cached_property
    def _wordless(self) -> set[int]:
        """Numbers that stand for no text; that for an unknown word does."""
        return set(self.tokenizer.all_special_ids) - {self.tokenizer.unk_token_id}

    def _starts(self, text: str) -> list[tuple[int, str]]:
        """Return where every column's sentence begins in a text without blanks."""
        starts, end = [], 0
        lacking = False
        for sentence, pattern in zip(self.sentences, self._patterns, strict=True):
            found = pattern.search(text, end)
            if found is None:
                lacking |= bool(sentence.unknown)
                continue
            # A sentence that is always written, yet not found, leaves its words to another column.
            if lacking:
                return []
            starts.append((found.start(), sentence.column))
            end = found.end()
        return starts

    @cached_property
    def _patterns(self) -> list[re.Pattern]:
        """What every sentence begins like; to its end where the next begins with its value."""
        return [
            self._pattern(sentence, to_its_end=any(map(begins_with_value, after)))
            for sentence, after in zip(self.sentences, self._followers(), strict=True)
        ]

    def _followers(self) -> Iterator[tuple[Sentence, ...]]:
        """Yield of every sentence the next one, nothing after the last."""
        for place in range(len(self.sentences)):
            yield self.sentences[place + 1 : place + 2]

    def _pattern(self, sentence: Sentence, to_its_end: bool) -> re.Pattern:
        """Return what one sentence looks like, with and without its value."""
        first, *_, last = plain_parts(sentence.sentence)
        known = re.escape(self._squeezed(first))
        if to_its_end:
            known += ".*?" + re.escape(self._squeezed(last))
        unknown = re.escape(self._squeezed(sentence.unknown))
        return re.compile(f"{unknown}|{known}" if unknown else known)

    def _squeezed(self, text: str) -> str:
        """Return a text as it comes back from the tokenizer, without blanks."""
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return "".join(word for word, _ in self._words(ids))


def begins_with_value(sentence: Sentence) -> bool:
    """Tell whether nothing stands before the value."""
    return not plain_parts(sentence.sentence)[0].strip()


def plain_parts(sentence: str) -> list[str]:
    """Return the wording around the values, doubled braces as single ones."""
    parts = sentence.split(PLACE_OF_VALUE)
    return [part.replace("{{", "{").replace("}}", "}") for part in parts]


def part_from_punctuation(group: list[int], pieces: Sequence[str]) -> Iterator[list[int]]:
    """Yield a word, then the punctuation behind it, token by token."""
    end = len(group)
    while end > 1 and set(pieces[group[end - 1]]) <= PUNCTUATION:
        end -= 1
    if group:
        yield group[:end]
    yield from ([place] for place in group[end:])


def record_reader(spec: BackboneSpec) -> RecordReader:
    """Return what reads the token numbers that a language model was given."""
    options: Mapping[str, Any] = dict(spec.option("preparation", ()))
    folder = str(find_weights(spec) or "")
    try:
        tokenizer = read_tokenizer(folder, options.get("trust_remote_code", False))
    except CheckpointError as error:
        raise CheckpointError(
            "Words are read by the tokenizer in the folder of the language model",
            got=f"{folder!r}, which holds none",
            remedy="Put the model's files back there, or look at tokens by their numbers",
        ) from error
    sentences = [Sentence(*item) for item in options.get("sentences", ())]
    return RecordReader(tokenizer, sentences)
