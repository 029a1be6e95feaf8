"""What the library asks of a model: the contract of a backbone.

A backbone is a frozen model that makes a modality's tokens, and that the fusion may take as
anchor: it embeds a subject's inputs, reads its own tokens and the auxiliary ones side by side,
and pools its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from adestim.backbone.blocks import BlockRunner
from adestim.backbone.weights.checkpoint import load_strict, read_state
from adestim.backbone.weights.files import digest_weights
from adestim.backbone.weights.layout import CheckpointLayout
from adestim.encoding import BackboneSpec

if TYPE_CHECKING:
    from adestim.encoding.places import TokenPlaces
    from adestim.encoding.texts import Word

LARGE_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Embedding)


class Backbone(BlockRunner):
    """Base of all backbones.

    A model of one's own subclasses it, names its sizes in the constructor, and implements
    ``prepare``, ``embed`` and ``encode``; :func:`adestim.check_backbone` tells whether it keeps
    the contract, and :func:`adestim.register_backbone` makes it selectable by name.

    Attributes
    ----------
    width : int
        Width of the tokens where auxiliary ones join.
    width_out : int
        Width of the tokens that ``encode`` returns.
    width_pooled : int
        Width of the vector that ``pool`` returns: ``width_out``, unless a model overrides it.
    lora_targets : tuple of str
        Ends of the names of the linear layers that LoRA adapts; empty where the body is trained
        itself.
    checkpoint : CheckpointLayout
        How the released file holds the weights.
    load_options : tuple of str
        Options among the architecture's that ``load`` reads and the constructor does not.
    unused_parts : tuple of str
        Names of modules and weights that its output does not depend on: ``adapt="full"`` leaves
        them alone, and takes any other weight without a gradient for a mistake.
    initial_log_gate : float
        Where the gate of auxiliary tokens starts. At -2, untrained tokens leave the pooled vector
        of a pretrained encoder at a cosine of .995 with the undisturbed one, and a gradient still
        passes. Not read of a body that is trained from scratch, which has nothing to protect.
    needs_summary : bool
        Whether the fusion appends a summary token to the model's own, for it to pool.
    n_stand_in : int
        Number of own tokens the model needs where a subject has no inputs.
    block_list : str
        Dotted name of the list of blocks before which auxiliary tokens may join, where ``encode``
        runs them by ``run_blocks``; empty where they join at the input alone.
    join_at : int
        Number of blocks that own tokens pass alone.
    weights_option : str
        Option of ``prepare`` that holds the path of the weights, where preparing reads what lies
        beside them, a tokenizer for instance; empty where it does not. It is not among the
        options that decide the tokens: weights may move.
    reads_words : bool
        Whether its tokens are words of a text, which ``word_reader`` tells.

    See Also
    --------
    adestim.check_backbone : Tells whether a model keeps the contract.
    adestim.register_backbone : Makes it selectable by name.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from adestim import Backbone
    >>> from adestim.backbone import Attention
    >>> class MyModel(Backbone):
    ...     lora_targets = ("mix.out",)
    ...
    ...     def __init__(self, width=8):
    ...         super().__init__()
    ...         self.width = self.width_out = width
    ...         self.patch = torch.nn.Linear(3, width)
    ...         self.mix = Attention(width, n_heads=2)
    ...
    ...     @staticmethod
    ...     def prepare(raw):
    ...         return np.asarray(raw, dtype=np.float32)
    ...
    ...     def embed(self, inputs):
    ...         return self.patch(inputs)
    ...
    ...     def encode(self, tokens, log_mask, n_own):
    ...         return tokens + self.mix(tokens, tokens, log_mask)
    >>> model = MyModel()
    >>> tokens = model.embed(model.collate([MyModel.prepare(np.eye(3)) for _ in range(2)]))
    >>> model.encode(tokens, None, n_own=3).shape
    torch.Size([2, 3, 8])
    """

    width: int
    width_out: int
    lora_targets: ClassVar[tuple[str, ...]] = ()
    checkpoint: ClassVar[CheckpointLayout] = CheckpointLayout()
    load_options: ClassVar[tuple[str, ...]] = ()
    unused_parts: tuple[str, ...] = ()
    initial_log_gate: ClassVar[float] = -2.0
    needs_summary: ClassVar[bool] = False
    n_stand_in: int = 1
    weights_option: ClassVar[str] = ""
    reads_words: ClassVar[bool] = False

    def __init__(self):
        super().__init__()

    @property
    def width_pooled(self) -> int:
        """Width of the vector that :meth:`pool` returns; that of the tokens unless overridden."""
        return self.width_out

    @classmethod
    def files(cls, **params: Any) -> dict[str, str | Path]:
        """Return the files beside the weights that :meth:`load` reads.

        Parameters
        ----------
        **params : dict
            The extractor's ``backbone_params``.

        Returns
        -------
        dict of str to path
            Each becomes a source of the spec under its name; its SHA-256 is kept in the
            spec's option ``"files"``.
        """
        return {}

    @classmethod
    def settle_sizes(cls, **params: Any) -> dict[str, Any]:
        """Return sizes of the architecture that options of the preparation ask for.

        Parameters
        ----------
        **params : dict
            The extractor's ``backbone_params``, without its ``"architecture"``.

        Returns
        -------
        dict
            Parameters of the constructor; what the user names in ``"architecture"`` wins.
        """
        return {}

    @classmethod
    def input_size(cls, **architecture: Any) -> dict[str, Any]:
        """Return what :meth:`learn` must know of the architecture: the sizes of an input.

        Parameters
        ----------
        **architecture : dict
            Parameters of the constructor.

        Returns
        -------
        dict
            Passed to :meth:`learn` beside the extractor's ``backbone_params``.
        """
        return {}

    @classmethod
    def learn(cls, raws: Iterable[Any], **params: Any) -> dict[str, Any]:
        """Settle the options of ``prepare`` on the training subjects.

        Parameters
        ----------
        raws : iterable
            The training subjects' data as the modality's extractor reads them, one at a time;
            only what is asked for is read.
        **params : dict
            The extractor's ``backbone_params``.

        Returns
        -------
        dict
            Options of :meth:`prepare`: numbers, str, tuples, or arrays for fitted statistics.
        """
        return params

    @staticmethod
    def prepare(raw: Any, **options: Any) -> np.ndarray:
        """Turn one subject's data into the model's input; runs in worker processes, on the CPU.

        Parameters
        ----------
        raw : object
            One subject's data as the modality's extractor reads them.
        **options : dict
            What :meth:`learn` settled.

        Returns
        -------
        ndarray
        """
        raise NotImplementedError

    @classmethod
    def digest(cls, weights: Path) -> str:
        """Return the SHA-256 of the weights: of the file, or of all files of a folder."""
        return digest_weights(weights)

    @classmethod
    def load(cls, spec: BackboneSpec) -> Backbone:
        """Build the model that a spec names and fill it with its weights, strictly.

        Parameters
        ----------
        spec : BackboneSpec
            Name tag, with ``architecture`` among its options and ``weights`` among its sources.

        Returns
        -------
        Backbone
            On the CPU, in evaluation mode, in the precision of the file.

        Raises
        ------
        CheckpointError
            When the file cannot be read, or is another model's.
        """
        with torch.device("meta"):
            module = cls(**dict(spec.option("architecture", ())))
        state = read_state(spec.source("weights"), cls.checkpoint, spec.source("trust") == "pickle")
        load_strict(module, state, spec)
        return module.eval()

    @classmethod
    def check_weights(cls, spec: BackboneSpec) -> None:
        """Refuse another model's weights by their names and shapes, which takes no memory.

        Called in ``fit`` before any subject is read; what ``load`` makes of tensors without
        numbers, on torch's meta device, is thrown away.

        Parameters
        ----------
        spec : BackboneSpec
            As :meth:`load` is given.

        Raises
        ------
        CheckpointError
            When the file cannot be read, or is another model's.
        """
        with torch.device("meta"):
            cls.load(spec)

    def cast(self, dtype: torch.dtype) -> Backbone:
        """Put the large layers into a precision, and all other weights into float32.

        Norms and free parameters stay in float32: half precision is unsafe with an epsilon of
        1e-12.

        Parameters
        ----------
        dtype : torch.dtype
            Precision of linear layers, convolutions and embeddings.

        Returns
        -------
        Backbone
            The model itself.
        """
        self.float()
        for layer in self.modules():
            if isinstance(layer, LARGE_LAYERS):
                layer.to(dtype)
        return self

    def collate(self, inputs: Sequence[np.ndarray]) -> Tensor:
        """Stack the subjects' inputs; models of ragged inputs pad them.

        Parameters
        ----------
        inputs : sequence of ndarray
            One a subject.

        Returns
        -------
        Tensor of shape (B, ...)
        """
        return torch.from_numpy(np.stack(inputs))

    def embed(self, inputs: Tensor) -> Tensor:
        """Return everything before the first block, positions included, (B, T, width)."""
        raise NotImplementedError

    def own_mask(self, inputs: Tensor) -> Tensor | None:
        """Return which embedded tokens are real, (B, T); None where all always are."""
        return None

    def encode(self, tokens: Tensor, log_mask: Tensor | None, n_own: int) -> Tensor:
        """Run the blocks; :meth:`run_blocks` does so at any depth of interaction.

        Parameters
        ----------
        tokens : Tensor of shape (B, T, width)
            Own tokens, then auxiliary ones.
        log_mask : Tensor of shape (B, T) or None
            Added to every attention logit of a key: 0 for an open token, ``CLOSED`` for an
            absent one, a log-gate in between. None where all tokens are open.
        n_own : int
            Number of own tokens.

        Returns
        -------
        Tensor of shape (B, T_out, width_out)
            Own tokens come first. Auxiliary ones may have been dropped on the way.
        """
        raise NotImplementedError

    def readable(self, own: Tensor) -> Tensor:
        """Return which encoded own tokens speak of the subject.

        Parameters
        ----------
        own : Tensor of shape (B, n_own), dtype bool
            True where an embedded token is real.

        Returns
        -------
        Tensor of shape (B, n_own_out), dtype bool
            False for padding, and for tokens that stand for no data.
        """
        return own

    def pool(self, tokens: Tensor, own: Tensor) -> Tensor:
        """Return one vector a subject; auxiliary tokens are never looked at.

        Parameters
        ----------
        tokens : Tensor of shape (B, T_out, width_out)
            Output of :meth:`encode`.
        own : Tensor of shape (B, n_own), dtype bool
            True where an embedded token is real.

        Returns
        -------
        Tensor of shape (B, width_pooled)
            The mean of the readable tokens.
        """
        mask = self.readable(own)
        weight = mask.unsqueeze(-1).to(tokens.dtype)
        return (tokens[:, : mask.shape[1]] * weight).sum(1) / weight.sum(1).clamp(min=1)

    @classmethod
    def place_tokens(cls, tokens: TokenPlaces, spec: BackboneSpec) -> TokenPlaces:
        """Return where the tokens are, for maps of what counts; as given where nobody knows.

        ``lay_on_grid`` and ``share_among_parcels`` of ``adestim.encoding.places`` make most places.

        Parameters
        ----------
        tokens : TokenPlaces
            Their names alone: as many as there are where they are looked at, at the output or
            where auxiliary ones join; none where that is not said, which means the output.
        spec : BackboneSpec
            Name tag of the model, whose sizes ``adestim.backbone.contract.sizes_of`` reads.

        Returns
        -------
        TokenPlaces
        """
        return tokens

    @classmethod
    def word_reader(cls, spec: BackboneSpec) -> Callable[[Any], tuple[Word, ...]]:
        """Return what reads one subject's input as words, of a model that ``reads_words``.

        Parameters
        ----------
        spec : BackboneSpec
            Name tag of the model.

        Returns
        -------
        callable
            An input in, the words that its tokens stand for out.
        """
        raise NotImplementedError


def sizes_of(model: type[Backbone], spec: BackboneSpec) -> dict[str, Any]:
    """Return the parameters of a model's constructor as a spec has them, else their defaults."""
    parameters = inspect.signature(model).parameters.values()
    defaults = {one.name: one.default for one in parameters if one.default is not one.empty}
    return {**defaults, **dict(spec.option("architecture", ()))}
