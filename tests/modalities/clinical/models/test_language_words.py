"""Token numbers as words again."""

import pytest

from adestim.encoding import BackboneSpec
from adestim.exceptions import CheckpointError
from adestim.modalities.clinical import ColumnPhrase, RecordTemplate
from adestim.modalities.clinical.models.language_words import RecordReader, record_reader
from adestim.modalities.clinical.text import write_sentences
from tests.modalities.clinical.language_folders import small_folder, spec_of

RECORD = {
    "age": 72.5,
    "sex": "F",
    "note": "forgets appointments; gets lost, naïve 😀",
    "mmse": None,
}
TEXT = RecordTemplate(opening="A visit.").write(RECORD)


def wrapped(tokenizer, **options):
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **options)


def byte_level():
    """A tokenizer of bytes, as of Qwen and RoBERTa."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=290, special_tokens=["<s>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    return wrapped(tokenizer, bos_token="<s>")


def sentence_piece():
    """A tokenizer of pieces with blanks, as of Llama."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=50, special_tokens=["<s>", "<unk>"], show_progress=False
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    return wrapped(tokenizer, bos_token="<s>", unk_token="<unk>")


def word_piece():
    """A tokenizer of lower-case pieces without blanks, as of BERT."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from tokenizers.trainers import WordPieceTrainer

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = WordPieceTrainer(
        vocab_size=90, special_tokens=["[UNK]", "[CLS]", "[SEP]"], show_progress=False
    )
    tokenizer.train_from_iterator([TEXT.replace("😀", "")], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return wrapped(tokenizer, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]")


KINDS = {"bytes": byte_level, "pieces": sentence_piece, "words": word_piece}


def read(kind, record=RECORD, **template):
    """Write a record, and read its token numbers again."""
    template = RecordTemplate(opening="A visit.", **template)
    sentences = template.sentences(list(record))
    tokenizer = KINDS[kind]()
    ids = tokenizer(write_sentences(record, sentences, template.opening))["input_ids"]
    return RecordReader(tokenizer, sentences).read(ids), ids


def of_column(words, column):
    return [word.text for word in words if word.column == column]


@pytest.mark.parametrize("kind", ["bytes", "pieces"])
def test_words_come_back_as_they_were_written(kind):
    words, _ = read(kind)
    assert of_column(words, "age") == ["The", "patient's", "age", "is", "72.5", "years", "."]
    note = of_column(words, "note")
    assert note[4:] == ["forgets", "appointments", ";", "gets", "lost", ",", "naïve", "😀", "."]


def test_a_tokenizer_without_blanks_has_words_of_its_own():
    words, _ = read("words")
    assert of_column(words, "age")[-5:] == ["72", ".", "5", "years", "."]
    assert of_column(words, "note")[-3:] == ["naive", "[UNK]", "."]


@pytest.mark.parametrize("kind", KINDS)
def test_every_word_knows_its_column(kind):
    words, _ = read(kind)
    assert list(dict.fromkeys(word.column for word in words)) == ["", *RECORD]
    assert of_column(words, "")[-1] == "."
    assert of_column(words, "mmse")[-3:] == ["not", "recorded", "."]


@pytest.mark.parametrize("kind", KINDS)
def test_every_token_of_text_is_in_one_word(kind):
    words, ids = read(kind)
    places = [place for word in words for place in word.tokens]
    assert places == sorted(set(places))
    n_wordless = 2 if kind == "words" else 0
    assert len(places) == len(ids) - n_wordless


@pytest.mark.parametrize("kind", KINDS)
def test_columns_that_are_left_out_have_no_words(kind):
    record = RECORD | {"sex": None}
    words, _ = read(kind, record, missing="omit")
    assert list(dict.fromkeys(word.column for word in words)) == ["", "age", "note"]


def test_a_cut_record_ends_in_its_last_column():
    _, ids = read("bytes")
    tokenizer = byte_level()
    sentences = RecordTemplate(opening="A visit.").sentences(list(RECORD))
    half = RecordReader(tokenizer, sentences).read(ids[: len(ids) // 2])
    assert {word.column for word in half} < {"", *RECORD}
    assert half[0].column == ""


def test_sentences_that_cannot_be_told_apart_leave_words_without_column():
    _, ids = read("bytes")
    others = RecordTemplate().sentences(["weight", "mmse"])
    words = RecordReader(byte_level(), others).read(ids)
    assert {word.column for word in words} == {""}
    assert of_column(words, "")[:2] == ["A", "visit"]


def test_wording_of_ones_own_with_braces_is_found():
    phrases = {"age": ColumnPhrase("Years {{full}}: {value}!"), "sex": "{value} is the sex."}
    words, _ = read("bytes", {"age": 72, "sex": "F"}, phrases=phrases)
    assert of_column(words, "age") == ["Years", "{full", "}", ":", "72", "!"]
    assert of_column(words, "sex")[0] == "F"


def test_the_reader_is_found_by_the_name_tag(tmp_path):
    folder = small_folder(tmp_path / "bert", "bert")
    reader = record_reader(spec_of(folder))
    assert [word.text for word in reader.read([1, 4, 6, 7, 2])] == ["the", "patient", "age"]


def test_a_folder_that_is_gone_is_told(tmp_path):
    spec = BackboneSpec("language-model", sources=(("weights", str(tmp_path / "gone")),))
    with pytest.raises(CheckpointError, match="Put the model's files back there"):
        record_reader(spec)
