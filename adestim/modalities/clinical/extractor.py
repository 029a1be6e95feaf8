"""From columns of a clinical table to one encoding a subject."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import partial
from numbers import Integral
from typing import ClassVar

import pandas as pd
from sklearn.utils.validation import check_is_fitted

from adestim._support.docs import fill_docs
from adestim._support.ranges import Range
from adestim._support.sklearn import Interval, StrOptions, draw_seeds
from adestim.exceptions import AdestimError, DataWarning
from adestim.extraction import check_cells
from adestim.extraction.foundation import (
    ModelRequest,
    OpenedModel,
    open_foundation,
    require_own_weights,
)
from adestim.extraction.foundation_extractor import FoundationExtractor
from adestim.extraction.prepared import Prepared
from adestim.extraction.subjects import readable_raws, settle_failures
from adestim.modalities.clinical.free_text import read_free_text
from adestim.modalities.clinical.latent_semantics import keep_known_texts, learn_latent_semantics
from adestim.modalities.clinical.leakage import guard_columns
from adestim.modalities.clinical.number_rows import (
    list_numbered_columns,
    number_request,
    number_table,
    prepare_numbers,
    reads_numbers,
)
from adestim.modalities.clinical.record_rows import (
    RecordPreparation,
    list_written_columns,
    record_of,
    warn_of_cuts,
)
from adestim.modalities.clinical.suspects import odd_columns
from adestim.modalities.clinical.table import (
    Declarations,
    column_names,
    label_name,
    learn_column,
)
from adestim.modalities.clinical.tabular import CodedTable, TabularBackbone


@fill_docs
class ClinicalExtractor(FoundationExtractor):
    """Encode a clinical table, as numbers or as sentences read by a language model.

    By default every column becomes a token, and missing values stay missing. With a language
    model every row is written as sentences, in a wording that is the same for all patients (see
    :class:`~adestim.modalities.clinical.RecordTemplate`), and the model's tokens are the encoding.

    What a column holds is inferred from its dtype and, where that says nothing, from its cells:

    - numeric: numbers, or strings half of which or more are numbers. Values are kept as they
      are. ``"27"`` counts as 27, and so do, with a warning, decimal commas (``"23,5"``), marks
      between thousands, percent and a unit that all cells of the column have; a limit of detection
      such as ``">1700"`` counts as its limit. What the cells of a column leave open (``"1,234"``
      alone) or contradict (``"23.5"`` beside ``"23,5"``, several units) is an error that names
      column and rows. Any other word is an error which names the subject, though a language model
      reads it as it stands;
    - ordinal: an ordered :class:`pandas.Categorical`. Levels become ranks from 0 to 1;
    - categorical: truth values, categories and words. Levels are one-hot;
    - text: strings of four words or more, mostly different. They are projected by a latent
      semantic analysis of the training texts.

    Missing cells (None, NaN, blank, ``n/a``, ``NA``, ``nan``, ``None``, ``null``, ``<NA>``, a dot,
    and among numbers a dash) are masked tokens, or said to be missing, never imputed. Codes such as
    -4 or 999 which stand for missing in some cohorts are numbers here, with a warning where they
    lie far outside the others: the loaders of :mod:`adestim.datasets` turn them into NaN. Dates
    are refused, in whatever spelling: they mean nothing by themselves.

    Parameters
    ----------
    backbone : str, default="tabular"
        Model that makes the tokens. ``"tabular"`` is built in: one token a column. ``"tabicl"`` is
        a tabular foundation model, which reads a row among training rows. Or a language model:
        ``"llama-2-7b"``, ``"llama-2-13b"``, ``"medgemma-4b"``, ``"medgemma-1.5-4b"``,
        ``"medgemma-27b"``, ``"bioclinical-modernbert-base"``, ``"bioclinical-modernbert-large"``,
        ``"clinicalbert"``, ``"all-minilm-l6-v2"``; any other of a supported type on the Hugging
        Face hub, ``"organisation/name"``; or the path of its folder. Or one registered by
        :func:`adestim.register_backbone`, which reads every row as a mapping from columns to
        values.
    numeric : list of str, default=None
        Columns to read as numbers, whatever their dtype, and without a warning that they look like
        row numbers or hold codes for missing values.
    categorical : list of str, default=None
        Columns to read as categories, integer codes for instance.
    ordinal : dict of str to list, default=None
        Columns to read as ordered levels: their levels, lowest first.
    text : list of str, default=None
        Columns to read as free text. Language models read those alone that are named here.
    diagnostic : {"warn", "allow", "exclude"}, default="warn"
        What to do about columns that make the diagnosis or follow from it, as their names
        tell (:func:`adestim.modalities.clinical.diagnostic_columns`): warn of them in ``fit``, use
        them silently, or drop them.
    max_levels : int, default=20
        Largest number of one-hot features of a categorical column; where there are more
        categories, the rarest share the last one.
    text_width : int, default=16
        Number of features of a text.
    %(memory)s
    %(per_subject)s
    %(foundation)s
    %(adapt)s
    random_state : int, RandomState instance or None, default=0
        Seed of the text projection and of phase 1. None draws a fresh one; the global generator
        is never touched.

    Attributes
    ----------
    columns_ : tuple of Column
        What each column used holds: its ``name``, ``kind`` and ``levels``.
    diagnostic_columns_ : dict of str to str
        Columns that make the diagnosis or follow from it, with the reason.
    tabular_ : TabularBackbone
        The fitted coding, of ``backbone="tabular"``.
    backbone_ : BackboneSpec
        Name tag of the backbone; option ``"columns"`` says what each token means.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of str
        Their names, where all are strings.

    Warns
    -----
    LeakageWarning
        In ``fit``, when columns make the diagnosis and ``diagnostic="warn"``.
    DataWarning
        In ``fit``, when a column is missing for every subject, so that its token is always
        masked, is free text that a language model does not read, or, unless it is declared, looks
        like an identifier or a row number by its name or its numbers, holds codes for missing
        values, or holds many numbers among words, which are read as categories.
        In ``transform``, when a level was not seen in
        ``fit``: its token is masked; and when limits of detection are used as values, or numbers
        are written with decimal commas, marks between thousands or units.

    See Also
    --------
    adestim.modalities.clinical.diagnostic_columns : Names the columns that make the diagnosis.
    adestim.PoolTokens : Lays the tokens side by side as numbers.

    Notes
    -----
    Tokens have as many features as the table needs: ``value``, then ``level_0`` ... as many
    as the column with most categories has, then ``text_0`` ... where a column holds text. A
    table of numbers alone has one feature a token.

    The tabular backbone codes rows column by column, not in parallel: 3000 subjects with 30
    columns take a fraction of a second.

    **TabICL** reads numbers and categories, and free text not at all. Its tokens are a few
    summaries of the row and one a group of columns; the vector is the summaries side by side. It
    knows columns by training rows, 256 of them unless ``backbone_params`` holds another
    ``"n_context"``: these lie in the fitted extractor and beside every encoding, so hand neither to
    whom the table may not be shown. Labels never enter, and numbers that are missing are at their
    column's mean, as in TabICL's own classifier. Sizes are read from the checkpoint, whichever
    version it is.

    **Language models** need the packages of ``pip install 'adestim[foundation]'``. Supported are
    Llama, Mistral, Qwen 2 and 3, Gemma 3 (MedGemma's text tower included), BERT, RoBERTa,
    XLM-RoBERTa and ModernBERT. A frozen one mainly sees the wording, and numbers only dimly: where
    the table is all there is, compare it with ``"tabular"``. ``backbone_params`` may hold

    - ``"template"``: a :class:`~adestim.modalities.clinical.RecordTemplate`, or a mapping from
      columns to sentences such as ``{"age": "The patient is {value} years old."}``;
    - ``"pooling"``: ``"last"`` (causal models), ``"mean"``, or ``"cls"`` (encoders): what the
      pooled vector is, where the model is the anchor or is adapted. None: ``"last"`` for a causal
      model, ``"mean"`` for an encoder. ``"normalize": True`` scales it to length 1;
    - ``"reserve"``: how many of the model's positions are kept free for the tokens of other
      modalities, 64 by default;
    - ``"too_long"``: ``"raise"`` (default) or ``"truncate"``, with a warning, a text that does not
      fit into the rest;
    - ``"revision"``: branch, tag or commit of the repository on the hub;
    - ``"quantization"``: ``"8bit"`` or ``"4bit"``, on a CUDA GPU, with what ``pip install
      'adestim[quantization]'`` brings; not with ``adapt="lora"`` or ``"full"``;
    - ``"trust_remote_code": True`` runs code that a model brings along. Never by default.

    Models on the hub are downloaded once. With ``HF_HUB_OFFLINE=1`` only those are used that were
    downloaded before. Llama 2 and MedGemma are given to those who accepted their licences there.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.modalities.clinical import ClinicalExtractor
    >>> table = pd.DataFrame(
    ...     {"age": [71.5, 68.0, None], "sex": ["F", "M", "F"]}, index=["s1", "s2", "s3"]
    ... )
    >>> encodings = ClinicalExtractor().fit_transform(table)
    >>> encodings.loc["s1", "clinical"]
    <Encoding tabular 2x3>
    >>> encodings.loc["s1", "clinical"].tokens
    array([[71.5,  0. ,  0. ],
           [ 0. ,  1. ,  0. ]], dtype=float32)
    >>> encodings.loc["s3", "clinical"].mask
    array([False,  True])
    """

    _modality: ClassVar[str] = "clinical"
    _built_in: ClassVar[str] = "tabular"
    _parameter_constraints: ClassVar[dict] = {
        **FoundationExtractor._parameter_constraints,
        "numeric": [list, tuple, None],
        "categorical": [list, tuple, None],
        "ordinal": [dict, None],
        "text": [list, tuple, None],
        "diagnostic": [StrOptions({"warn", "allow", "exclude"})],
        "max_levels": [Interval(Integral, 2, None, closed="left")],
        "text_width": [Interval(Integral, 1, None, closed="left")],
    }
    # Another value reads every subject's files again, so all are searched on request alone.
    _search_space: ClassVar[dict] = {
        "max_levels": Range(5, 40, on_request=True),
        "text_width": Range(8, 64, log=True, on_request=True),
    }
    _not_searched: ClassVar[dict] = {
        **FoundationExtractor._not_searched,
        **dict.fromkeys(("numeric", "categorical", "ordinal", "text"), "what the columns are"),
        "diagnostic": "a matter of leakage, which a score would welcome",
    }

    def __init__(  # noqa: PLR0913 - parameters of a table, and of a model
        self,
        *,
        backbone="tabular",
        numeric=None,
        categorical=None,
        ordinal=None,
        text=None,
        diagnostic="warn",
        max_levels=20,
        text_width=16,
        memory=None,
        errors="raise",
        n_jobs=None,
        verbose=False,
        weights=None,
        backbone_params=None,
        trust_checkpoint=False,
        device="auto",
        precision="float32",
        batch_size=4,
        adapt=None,
        adapt_params=None,
        cross_fit=False,
        random_state=0,
    ):
        self.backbone = backbone
        self.numeric = numeric
        self.categorical = categorical
        self.ordinal = ordinal
        self.text = text
        self.diagnostic = diagnostic
        self.max_levels = max_levels
        self.text_width = text_width
        self.memory = memory
        self.errors = errors
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.weights = weights
        self.backbone_params = backbone_params
        self.trust_checkpoint = trust_checkpoint
        self.device = device
        self.precision = precision
        self.batch_size = batch_size
        self.adapt = adapt
        self.adapt_params = adapt_params
        self.cross_fit = cross_fit
        self.random_state = random_state

    def _learn_rows(self, frame):
        """Learn what the columns hold; refuse cells that cannot be used."""
        names = column_names(frame.columns)
        self.diagnostic_columns_ = guard_columns(names, self.diagnostic, type(self).__name__)
        self.columns_ = tuple(self._learned_columns(frame, names))

    def _built_in_model(self, frame) -> OpenedModel:
        """Learn how every column is coded, and try it on the training rows."""
        warn_of(odd_columns(frame, self.columns_, self._declared()))
        self.tabular_ = TabularBackbone(self.columns_, self._learned_semantics(frame))
        if self.errors == "raise":
            settle_failures(rows_of(self.tabular_.code(frame), frame.index), self.errors)
        return OpenedModel(self.tabular_.code, self.tabular_.spec())

    def _require_own_weights(self):
        """Refuse another model's weights; a language model's are when its folder is settled."""
        from adestim.modalities.clinical.models.language_request import is_language_model

        if not is_language_model(self.backbone):
            require_own_weights(self._request_for([]))

    def _open_model(self, frame) -> OpenedModel:
        """Find the model, and settle how it reads rows; free text is left out."""
        if reads_numbers(self.backbone):
            self.columns_, remarks = list_numbered_columns(self.columns_)
        else:
            self.columns_, remarks = list_written_columns(self.columns_, self.text or ())
        there = [column for column in self.columns_ if column.kind != "empty"]
        warn_of([*remarks, *odd_columns(frame, there, self._declared())])
        request = self._request()
        require_own_weights(request)
        return open_foundation(request, self._training_raws(frame))

    def _request(self) -> ModelRequest:
        """Return what is asked for, of the columns that are used."""
        return self._request_for([column.name for column in self.columns_])

    def _request_for(self, names) -> ModelRequest:
        """Return what is asked for, a language model's folder found or fetched."""
        from adestim.modalities.clinical.models.language_request import language_request

        request = super()._request()
        if reads_numbers(self.backbone):
            return number_request(request, names)
        return language_request(request, names, self.adapt)

    def _training_raws(self, frame):
        """Return the rows of the table as numbers, or as records."""
        if reads_numbers(self.backbone):
            return number_table(frame, self.columns_).usable_rows()
        return readable_raws(frame, partial(record_of, columns=self.columns_))

    def _preparation(self):
        """Return what writes one row and turns it into a model's input."""
        return RecordPreparation(self.columns_, self._prepare_now())

    def _prepare_all(self, frame) -> Iterable[Prepared | AdestimError | None]:
        """Code the table column by column, or write every row for itself."""
        if reads_numbers(self.backbone_.name):
            table = number_table(frame, self.columns_)
            warn_of(table.remarks)
            return prepare_numbers(table, frame.index, self._prepare_now())
        if self.backbone_.is_foundation:
            return warn_of_cuts(super()._prepare_all(frame), frame, self._preparation())
        coded = self._model.prepare(frame)
        warn_of(coded.remarks)
        return rows_of(coded, frame.index)

    def _learned_columns(self, frame, names):
        """Yield what each column that is kept holds."""
        declarations = Declarations.of(
            names,
            numeric=self.numeric,
            categorical=self.categorical,
            ordinal=self.ordinal,
            text=self.text,
        )
        dropped = self.diagnostic_columns_ if self.diagnostic == "exclude" else {}
        for position, name in enumerate(names):
            if name not in dropped:
                cells = frame.iloc[:, position]
                yield learn_column(cells, name, position, declarations, self.max_levels)

    def _declared(self):
        """Return the names of columns of which the user says what they hold."""
        lists = (self.numeric, self.categorical, self.ordinal, self.text)
        return {label_name(label) for labels in lists for label in labels or ()}

    def _learned_semantics(self, frame):
        """Return the projections of the text columns, by name."""
        columns = [column for column in self.columns_ if column.kind == "text"]
        return {
            column.name: learn_latent_semantics(
                keep_known_texts(frame.iloc[:, column.position]), self.text_width, seed
            )
            for column, seed in zip(
                columns, draw_seeds(self.random_state, len(columns)), strict=True
            )
        }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        return tags

    def token_texts(self, X):
        """Return the columns of free text that the built-in model reads."""
        check_is_fitted(self, "backbone_")
        if self.backbone_.is_foundation:
            return []
        return list(read_free_text(self.tabular_, check_cells(self, X, reset=False)))


def warn_of(remarks: Iterable[str]) -> None:
    """Raise a warning for each remark."""
    for remark in remarks:
        warnings.warn(remark, DataWarning, stacklevel=5)


def rows_of(coded: CodedTable, index: pd.Index) -> list[Prepared | AdestimError | None]:
    """Return a table row by row: None where all is unknown, the error where something is wrong."""
    rows: list[Prepared | AdestimError | None] = [
        Prepared(tokens, mask) if mask.any() else None
        for tokens, mask in zip(coded.tokens, coded.mask, strict=True)
    ]
    for row, error in coded.problems.items():
        rows[row] = error.about(index[row])
    return rows
