"""Models that were written for the fMRI evaluation suite brainmarks, as backbones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import default_collate

from adestim.backbone.attention import masked_attention
from adestim.backbone.contract import Backbone
from adestim.encoding import BackboneSpec
from adestim.exceptions import InputError
from adestim.modalities.fmri.models.resampling import require_usable
from adestim.modalities.fmri.timeseries import RoiSeries

SMALLEST_SPREAD = 1e-6
# Rows of an input before the series: mean, standard deviation, repetition time.
N_HEADS = 3


class SuiteModel(Backbone):
    """Base of a model that follows the contract of the evaluation suite brainmarks.

    There a model is a pair: a transform of a sample (``bold`` of shape (n_volumes, n_rois),
    standardised in time; ``mean`` and ``std`` of shape (1, n_rois); ``tr`` in s), and a module
    that returns embeddings of a batch of samples: of the class (B, 1, D), of registers (B, R, D)
    and of patches (B, L, D), or None for those it has not. A subclass names sizes, and says in
    ``build`` how the pair is made. Models that read regions are served; those of vertices or
    voxels, and transforms that must be fitted to training data, are not.

    The model is run as a whole. As an anchor its tokens read the auxiliary ones behind its last
    block, by one attention without weights of its own; without auxiliary tokens they are what the
    model returns.

    Attributes
    ----------
    n_rois : int
        Number of regions that it reads.
    width, width_out : int
        Width of its embeddings.
    duration : float or None
        Seconds that are read, in the middle of a run; None for whole runs, which must then give
        equally many tokens.
    pooling : {"mean", "first"}
        What the pooled vector is: the mean of all tokens, or the first token, that of the class.

    References
    ----------
    .. [1] C. Lane et al. (2026). Scaling vision transformers for functional MRI with flat maps.
       ICML. Code of the suite: github.com/MedARC-AI/brainmarks.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from adestim import check_backbone
    >>> from adestim.modalities.fmri import SuiteModel
    >>> class Wrapper(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.patch = torch.nn.Linear(10, 8)
    ...
    ...     def forward(self, batch):
    ...         patches = batch["bold"].transpose(1, 2).unfold(2, 10, 10).flatten(1, 2)
    ...         return None, None, self.patch(patches)
    >>> class MyModel(SuiteModel):
    ...     n_rois = 4
    ...     width = width_out = 8
    ...
    ...     @classmethod
    ...     def build(cls, weights):
    ...         return None, Wrapper()
    >>> transform, wrapper = MyModel.build("weights.pt")
    >>> tokens = MyModel(wrapper, transform).embed(torch.randn(2, 3 + 40, 4))
    >>> tokens.shape
    torch.Size([2, 16, 8])
    """

    n_rois: ClassVar[int]
    duration: ClassVar[float | None] = None
    pooling: ClassVar[str] = "mean"

    def __init__(self, wrapper: nn.Module, transform: Any = None):
        super().__init__()
        self.wrapper = wrapper
        self.transform = transform

    @classmethod
    def build(cls, weights: str) -> tuple[Any, nn.Module]:
        """Return the transform, or None, and the module with its weights, frozen or not.

        Parameters
        ----------
        weights : str
            Path of the weights.

        Returns
        -------
        transform : callable or None
            Takes a sample, returns it as the module reads it.
        wrapper : torch.nn.Module
            Takes a batch, returns embeddings.
        """
        raise NotImplementedError

    @classmethod
    def input_size(cls, **architecture: Any) -> dict[str, Any]:
        """Return what preparing must know: number of regions, and seconds to read."""
        return {"n_rois": cls.n_rois, "duration": cls.duration}

    @classmethod
    def learn(cls, raws: Iterable[RoiSeries], **params: Any) -> dict[str, Any]:
        """Return the options; nothing is learned from the subjects."""
        return params

    @staticmethod
    def prepare(raw: RoiSeries, **options: Any) -> np.ndarray:
        """Standardise the middle of a run in time.

        Parameters
        ----------
        raw : RoiSeries
            One subject's series.
        **options : dict
            ``n_rois`` and ``duration``, as the class has them.

        Returns
        -------
        ndarray of shape (3 + n_volumes, n_rois)
            Means, standard deviations and the repetition time above the series.
        """
        n_rois, duration = options["n_rois"], options.get("duration")
        require_usable(raw, n_rois, "the model of the suite")
        values = cut_middle(raw, duration)
        mean, spread = values.mean(axis=0), values.std(axis=0)
        varies = spread > SMALLEST_SPREAD
        series = np.where(varies, (values - mean) / np.maximum(spread, SMALLEST_SPREAD), 0)
        heads = [mean * varies, spread * varies, np.full(n_rois, raw.t_r)]
        return np.concatenate([heads, series]).astype(np.float32)

    @classmethod
    def load(cls, spec: BackboneSpec) -> SuiteModel:
        """Build the pair; its own code reads the weights."""
        transform, wrapper = cls.build(spec.source("weights"))
        if hasattr(transform, "fit"):
            raise InputError(
                f"The transform of {cls.__name__} must be ready: what is fitted to training data "
                "belongs to learn()",
                got="one with a fit method",
                remedy="Return a fitted transform from build() without that method",
            )
        return cls(wrapper, transform).eval()

    @classmethod
    def check_weights(cls, spec: BackboneSpec) -> None:
        """Leave the weights to the model's own code, which alone knows their names."""

    def collate(self, inputs: Sequence[np.ndarray]) -> Tensor:
        """Stack runs; shorter ones end in NaN."""
        rows = [torch.from_numpy(np.asarray(item)) for item in inputs]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=torch.nan)

    def embed(self, inputs: Tensor) -> Tensor:
        """Return all embeddings, (B, T, width): of the class, of registers, of patches."""
        # Some models shuffle their patches, which must neither differ from call to call nor
        # touch the global generator.
        with torch.random.fork_rng(devices=[]):
            tokens = [self._embed_run(item) for item in inputs]
        if len({len(item) for item in tokens}) > 1:
            raise InputError(
                f"All runs must give {type(self).__name__} equally many tokens",
                got=", ".join(str(len(item)) for item in tokens),
                remedy="Set duration = ... in its class, the seconds to read of every run",
            )
        return torch.stack(tokens)

    def encode(self, tokens: Tensor, log_mask: Tensor | None, n_own: int) -> Tensor:
        """Let own tokens read auxiliary ones, as far as these change what is read."""
        if tokens.shape[1] == n_own:
            return tokens
        own_mask = None if log_mask is None else log_mask[:, :n_own]
        own = tokens[:, :n_own]
        change = mix_alike(own, tokens, log_mask) - mix_alike(own, own, own_mask)
        return torch.cat([own + change, tokens[:, n_own:]], dim=1)

    def pool(self, tokens: Tensor, own: Tensor) -> Tensor:
        """Return the mean of all tokens, or the first."""
        return super().pool(tokens, own) if self.pooling == "mean" else tokens[:, 0]

    def _embed_run(self, run: Tensor) -> Tensor:
        """Return the embeddings of one subject's run, (T, width)."""
        torch.manual_seed(0)
        run = run[~run.isnan().any(dim=1)]
        mean, spread, t_r = run[:N_HEADS].split(1)
        sample = {"bold": run[N_HEADS:], "mean": mean, "std": spread, "tr": float(t_r[0, 0])}
        if self.transform is not None:
            sample = self.transform(sample)
        batch = default_collate([sample])
        embeddings = self.wrapper({key: move_beside(value, run) for key, value in batch.items()})
        return torch.cat([part for part in embeddings if part is not None], dim=1)[0]


def cut_middle(series: RoiSeries, duration: float | None) -> np.ndarray:
    """Return the middle seconds of a run, (n_volumes, n_rois)."""
    if duration is None:
        return series.values
    n_volumes = round(duration / series.t_r)
    if n_volumes > series.n_volumes:
        raise InputError(
            f"A run must last for the {duration:g} s that the model reads",
            got=f"{series.duration:g} s",
            remedy="Lower duration in the model's class, or leave the cell empty",
        )
    start = (series.n_volumes - n_volumes) // 2
    return series.values[start : start + n_volumes]


def move_beside(value: Any, like: Tensor) -> Any:
    """Return a tensor where another is; anything else as it is."""
    return value.to(like.device) if isinstance(value, Tensor) else value


def mix_alike(queries: Tensor, tokens: Tensor, log_mask: Tensor | None) -> Tensor:
    """Return what tokens that are alike hold on average, (B, Q, C)."""
    q, k = (F.layer_norm(part, part.shape[-1:])[:, None] for part in (queries, tokens))
    return masked_attention(q, k, tokens[:, None].to(q.dtype), log_mask)[:, 0]
