"""Parameters that several classes share, described once."""

import sys

# Since 3.13, Python strips from docstrings the indentation that fragments have too.
STRIPPED = "    " if sys.version_info >= (3, 13) else ""

FRAGMENTS = {
    # Those that hold other fragments come first.
    "rival_head": """%(rival_start)s
    %(n_trees)s
    width : int, default=32
        Width that all tokens are brought to; a multiple of 8.""",
    "net_tail": """%(trainer)s
    %(class_weight)s
    %(device)s
    %(precision)s
    %(random_state)s
    %(verbose)s""",
    "trainer": """%(dropouts)s
    max_epochs : int, default=40
        Largest number of epochs; 0 leaves the phase-1 prediction.
    %(steps)s
    patience : int, default=15
        Epochs without improvement on the inner validation split before training stops.
    validation_fraction : float, default=0.2
        Share of the training groups in the inner validation split.""",
    "fold_trainer": """%(dropouts)s
    max_epochs : int, default=12
        Largest number of epochs, those of one warm-up and decay of the learning rate; 0 trains no
        net.
    %(steps)s
    patience : int, default=4
        Epochs without improvement on all inner folds together before the nets of an anchor stop;
        the epoch of least loss is kept.
    n_folds : int, default=5
        Inner folds. Of every anchor one net is trained without each of them, and members are
        weighed by what they say of subjects that they have not seen.""",
    "rival_end": """See Also
    --------
    adestim.AnchoredFusionClassifier : The method that this is a rival of.
    adestim.evaluation.rivals : All rivals by name.

    Notes
    -----
    %(rival_notes)s""",
    "foundation": """weights : str, path-like or None, default=None
        Weights of a foundation model: path of its file or folder. None: those that
        :func:`adestim.list_backbones` names, from the Hugging Face hub, where they are there.
        Built-in backbones have none. Of a fitted extractor it says where they are now; by their
        SHA-256 they are found again there, where ``fit`` saw them, in the folders of the
        environment variable ``ADESTIM_WEIGHTS``, or in the cache of the hub.
    backbone_params : dict or None, default=None
        Further options of a foundation model, see Notes.
    trust_checkpoint : bool, default=False
        Whether objects other than tensors in a weights file may be made, which runs code from the
        file. Without it they are passed over.
    device : str, default="auto"
        Where a foundation model runs: ``"auto"`` for a CUDA GPU where there is one, else the CPU;
        or any device that torch knows.
    precision : {"float32", "bfloat16"}, default="float32"
        Precision in which it runs.
    batch_size : int, default=4
        Subjects it reads at the same time.""",
    "memory": """memory : str, path-like, FeatureStore or None, default=None
        Folder in which prepared inputs and tokens are kept, so that no subject is read, and no
        model run, twice: :class:`adestim.store.FeatureStore`. None keeps nothing.""",
    "adapt": """adapt : {"head", "lora", "full"} or None, default=None
        Phase 1: what of a foundation model is fitted, with a linear head, to ``y`` of the
        training rows. None leaves it as it is; ``"head"`` fits the head alone, which leaves the
        tokens as they are; ``"lora"`` low-rank adapters, ``"full"`` all weights.
    adapt_params : dict or None, default=None
        Options of phase 1: those of :class:`adestim.training.adaptation.AdaptationSettings`.
    cross_fit : bool, default=False
        Whether ``fit_transform`` encodes each training row by a model adapted without it, as
        scikit-learn's ``TargetEncoder`` does, so that the fusion does not learn from
        over-fitted tokens.""",
    "anchor": """anchor : str or list of str, default="all"
        Modality or modalities that become anchor; ``"all"`` for every one in turn.""",
    "queries": """n_queries : int, default=4
        Queries of the Q-former for each auxiliary modality and for the cross-modal path; 0 gives no
        auxiliary tokens: late fusion, in which the modalities meet in the phase-1 prediction alone.
    cross_modal : bool, default=True
        Whether the Q-former has a cross-modal path.""",
    "members": """members : "all" or list, default="all"
        Members of phase 1 that join the mixture. ``"joint"`` is the joint head, ``"discriminant"``
        a discriminant of the separate heads for every pattern of missing modalities, ``"forest"``
        a forest over all columns, ``"late"`` a logistic regression on the separate heads'
        out-of-fold log-odds; ``"all"`` means these four. A pair of a name and a scikit-learn
        classifier joins it on the pooled columns of all modalities, NaN where one is missing
        (filled and scaled for a classifier that does not take NaN), as in ``["all", ("boosting",
        HistGradientBoostingClassifier())]``. An empty list leaves the anchors' nets alone, as in
        the paper.""",
    "members_regressor": """members : "all" or list, default="all"
        Members of phase 1 that join the mixture. ``"joint"`` is the joint head, ``"conditional"``
        the expectation of the number given the separate heads' predictions, ``"forest"`` a forest
        over all columns, ``"late"`` a ridge regression on the separate heads' out-of-fold
        predictions; ``"all"`` means these four. A pair of a name and a scikit-learn regressor
        joins it on the pooled columns of all modalities, NaN where one is missing (filled and
        scaled for a regressor that does not take NaN). An empty list leaves the anchors' nets
        alone.""",
    "n_jobs": """n_jobs : int or None, default=None
        Number of anchors trained, and of trees grown, at the same time. Predictions are the same
        whatever it is.""",
    "start": """start : {"auto", "anchor", "stacked", "average"}, default="auto"
        The prediction that nets start from. ``"anchor"`` is the anchor's own phase-1 head, as in
        the paper. ``"stacked"`` is the mixture of the members of phase 1, so that nets learn what
        these miss. ``"average"`` is the joint head for complete subjects, and for others the mean
        of one head per observed modality. ``"auto"`` is ``"anchor"`` for an anchor that is a
        foundation model, which knows what no column tells, or where there are no other members,
        and ``"stacked"`` for one with a reference backbone.""",
    "n_trees": """n_trees : int, default=200
        Trees of the forest, which reads the columns that go most with the target, over all
        modalities. 0 trees: no forest.""",
    "reference": """width : int, default=16
        Width of the transformer of a reference backbone; a multiple of 8.
    depth : int, default=1
        Number of its blocks.""",
    "anchors_attributes": """modalities_ : list of str
        Modalities that at least one training subject has.
    anchors_ : list of str
        Modalities that were anchor.
    shares_ : dict of str to float
        Share of every member in the mixture, of sum 1; ``"anchored"`` and an anchor's name for its
        net. Members without a share are not kept.
    interaction_ : dict of str to float
        Share of every anchor's net: how much of the prediction comes of the interaction.
    mixture_ : adestim.training.mixture.MemberMixture
        The mixture.
    nets_ : dict of str to skorch net
        The net of every anchor that has a share: the mean of those of the inner folds,
        ``module_.folds``.
    net_ : skorch net
        The net, where there is one.
    inputs_ : adestim.training.inputs.NetInputs
        What was learned about reading tables into nets.
    history_ : list of dict
        One record an epoch: anchor, epoch (0 is the start), train_loss (None of the start),
        valid_loss (of all inner folds together), interaction (the anchor's final share).
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of str
        Their names, where all are strings.""",
    "anchor_model": """qformer_width : int or None, default=None
        Width of the Q-former before a foundation model's anchor; None: the anchor's, but 256 at
        most. Before a reference backbone it is ``width``.
    lora_rank : int, default=8
        Rank of the adapters of a foundation model's layers; 0 for none.
    lora_params : dict or None, default=None
        Further options of the adapters: ``alpha`` (16.0), updates are scaled by
        ``alpha / rank``; ``dropout`` (0.0) before them; ``targets``, ends of the names of the
        layers to adapt, by default the model's own choice.
    gradient_checkpointing : bool, default=False
        Whether a foundation model's activations are made again in the backward pass, which takes
        a third more time and far less memory.""",
    "wrapped": """estimator : estimator
        The classifier, with ``predict_proba``: a fusion, or a pipeline that ends in one, or any
        other. It is cloned.""",
    "cross_fit_folds": """cv : int, cross-validation splitter or iterable, default=5
        Folds whose rows are held out; an int means stratified folds that keep groups whole.""",
    "cross_fit_running": """n_jobs : int or None, default=None
        Number of folds fitted at the same time.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds, where ``cv`` is an int; the classifier has its own.""",
    "interaction": """interaction_depth : int or "output", default=0
        Where auxiliary tokens join the anchor's own. 0: at the input of its transformer, as in the
        paper; k: before block k, counted from 0, own tokens having passed the k blocks before
        alone; ``"output"``: behind the last block, where the pooled vector reads them by one
        cross-attention, and adds what it read. Of BrainMVP the blocks of the third stage count.
    gate : {"learned", "open", "closed"}, default="learned"
        Auxiliary tokens are read under a log-gate a modality, which is ``"learned"``; ``"open"``
        lets them join like own tokens, ``"closed"`` keeps them from being read, all else being the
        same, for ablations.""",
    "device": """device : str, default="auto"
        Where to compute: ``"auto"`` for a CUDA GPU where there is one, else the CPU; or any
        device that torch knows.""",
    "per_subject": """errors : {"raise", "missing"}, default="raise"
        What becomes of subjects whose data cannot be used: one error that names them all, or a
        warning and a missing modality.
    n_jobs : int, default=None
        Number of subjects prepared at the same time.
    verbose : bool, default=False
        Whether to show a progress bar; where there is no terminal, a line to ``logging``
        every hundred subjects.""",
    "precision": """precision : {"float32", "bfloat16"}, default="float32"
        Precision of the forward pass.""",
    "random_state": """random_state : int, RandomState instance or None, default=None
        Seed of everything that is random. The global generators are left as found; None draws
        fresh seeds.""",
    "dropouts": """dropout : float, default=0.1
        Dropout in the fusion and before its last layer.
    modality_dropout : float, default=0.1
        Probability with which a modality of a training subject is hidden in a batch.""",
    "steps": """batch_size : int, default=64
        Subjects a batch.
    learning_rate : float, default=0.002
        Largest learning rate of AdamW, reached after a warm-up, followed by cosine decay.
    weight_decay : float, default=0.05
        Weight decay of AdamW.""",
    "class_weight": """class_weight : dict, "balanced" or None, default=None
        Weights of the classes.""",
    "rival_start": """start : {"late", "average", "stacked"}, default="late"
        How phase-1 heads combine into the prediction that training starts from. ``"late"``
        averages the probabilities of one head per observed modality, so that the fusion alone
        must find what is joint. ``"average"`` and ``"stacked"`` are those of
        :class:`adestim.AnchoredFusionClassifier`.""",
    "classes_attributes": """classes_ : ndarray of shape (n_classes,)
        Class labels.
    modalities_ : list of str
        Modalities that at least one training subject has.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of str
        Their names, where all are strings.""",
    "rival_attributes": """phase_one_ : adestim.training.phase_one.logistic.PhaseOne
        The fitted phase-1 heads, in the order of its ``modalities``.
    nets_ : dict of str to skorch net
        The trained net, named ``"fusion"``.
    net_ : skorch net
        The same.
    inputs_ : adestim.training.inputs.NetInputs
        What was learned about reading tables into it.
    history_ : list of dict
        One record an epoch: anchor (always ``"fusion"``), epoch, train_loss, valid_loss.""",
    "fusion_tables": """X may be an encodings table, a numeric frame whose columns are named
    ``modality__feature`` or have two levels, (modality, feature), or a plain numeric array, which
    is one anonymous modality. A column without a modality beside others with one is a modality of
    its own, with a warning. NaN and None mean: not known. Tables of polars and pyarrow are read
    too. Later columns are found by name: their order, and further ones, do not matter.""",
    "rival_notes": """Foundation models are not trained: of a modality that has one, its output
    tokens are read. X may be an encodings table, a numeric frame whose columns are named
    ``modality__feature`` or have two levels, (modality, feature), or a plain numeric array, which
    is one anonymous modality. Later columns are found by name.""",
    "verbose": """verbose : int, default=0
        Whether to show a bar of the epochs, in a terminal or a notebook; elsewhere, a line an
        epoch to ``logging`` (logger ``"adestim"``).""",
}


def fill_docs(cls):
    """Replace ``%(name)s`` in a class's docstring by the shared fragment of that name."""
    for name, fragment in FRAGMENTS.items():
        cls.__doc__ = cls.__doc__.replace(f"%({name})s", fragment.replace(f"\n{STRIPPED}", "\n"))
    return cls
