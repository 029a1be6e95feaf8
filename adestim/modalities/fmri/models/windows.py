"""Whole runs, read window by window: each by itself, as in pre-training, tokens side by side."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from math import ceil

import numpy as np
import torch
from torch import Tensor

from adestim.backbone.contract import Backbone
from adestim.encoding.places import TokenPlaces
from adestim.exceptions import InputError
from adestim.modalities.fmri.models.resampling import frames_within

MIDDLE, ALL = "middle", "all"


class WindowedBackbone(Backbone):
    """Base of the models of runs, which read one window, or all of a run.

    An input of one window is a table (n_rois, n_values); of all, as many tables. Windows do not
    see each other, auxiliary tokens are read by each, and the summary is the mean of theirs.
    """

    n_window_tokens: int  # number of tokens of one window

    @abstractmethod
    def embed_window(self, inputs: Tensor) -> Tensor:
        """Return the tokens of one window (B, n_window_tokens, width)."""

    @abstractmethod
    def encode_window(self, tokens: Tensor, log_mask: Tensor | None, n_own: int) -> Tensor:
        """Run the blocks on the tokens of one window, auxiliary ones at the end."""

    def readable_window(self, own: Tensor) -> Tensor:
        """Return which tokens of one window speak of the subject, (B, n_own)."""
        return own

    def pool_window(self, tokens: Tensor, own: Tensor) -> Tensor:
        """Return one vector a window; tokens (B, T, width), own (B, n_own)."""
        return super().pool(tokens, own)

    def collate(self, inputs: Sequence[np.ndarray]) -> Tensor:
        """Stack the subjects' inputs; who has fewer windows gets some without values."""
        n_windows = max(len(item) if item.ndim == 3 else 1 for item in inputs)
        padded = [
            np.pad(item, ((0, n_windows - len(item)), (0, 0), (0, 0)), constant_values=np.nan)
            if item.ndim == 3
            else item
            for item in inputs
        ]
        return super().collate(padded)

    def own_mask(self, inputs: Tensor) -> Tensor | None:
        """Return which tokens are of a window that the subject has; None where all are."""
        if inputs.ndim == 3:
            return None
        return (~inputs[:, :, 0, 0].isnan()).repeat_interleave(self.n_window_tokens, dim=1)

    def embed(self, inputs: Tensor) -> Tensor:
        """Return tokens with positions, window after window, (B, T, width)."""
        if inputs.ndim == 3:
            return self.embed_window(inputs)
        tokens = self.embed_window(inputs.flatten(0, 1).nan_to_num())
        return tokens.unflatten(0, inputs.shape[:2]).flatten(1, 2)

    def encode(self, tokens: Tensor, log_mask: Tensor | None, n_own: int) -> Tensor:
        """Run the blocks and the last norm; of several windows only own tokens are returned."""
        n_windows = self._count_windows(n_own)
        if n_windows == 1:
            return self.encode_window(tokens, log_mask, n_own)
        parts = self._part(tokens, n_own, n_windows)
        mask = None if log_mask is None else self._part(log_mask, n_own, n_windows)
        encoded = self.encode_window(parts, mask, self.n_window_tokens)
        return encoded[:, : self.n_window_tokens].unflatten(0, (-1, n_windows)).flatten(1, 2)

    def readable(self, own: Tensor) -> Tensor:
        """Return which tokens speak of the subject, window by window."""
        n_windows = self._count_windows(own.shape[1])
        windows = self._part(own, own.shape[1], n_windows)
        return self.readable_window(windows).unflatten(0, (-1, n_windows)).flatten(1, 2)

    def pool(self, tokens: Tensor, own: Tensor) -> Tensor:
        """Return the mean of the vectors of a subject's windows.

        tokens (B, T, width), own (B, n_own) -> (B, width).
        """
        n_own = own.shape[1]
        n_windows = self._count_windows(n_own)
        if n_windows == 1:
            return self.pool_window(tokens, own)
        windows = self._part(own, n_own, n_windows)
        vectors = self.pool_window(self._part(tokens[:, :n_own], n_own, n_windows), windows)
        weight = windows.any(dim=1).unflatten(0, (-1, n_windows)).unsqueeze(-1).to(vectors.dtype)
        summed = (vectors.unflatten(0, (-1, n_windows)) * weight).sum(dim=1)
        return summed / weight.sum(dim=1).clamp(min=1)

    def _count_windows(self, n_own: int) -> int:
        """Return how many windows own tokens are of; those that stand in for none are as one."""
        return max(1, n_own // self.n_window_tokens)

    def _part(self, values: Tensor, n_own: int, n_windows: int) -> Tensor:
        """Return own values window by window, the auxiliary ones behind each.

        values (B, T, ...) -> (B * n_windows, T_window, ...).
        """
        own = values[:, :n_own].unflatten(1, (n_windows, -1))
        auxiliary = values[:, None, n_own:].expand(-1, n_windows, *values[:, n_own:].shape[1:])
        return torch.cat([own, auxiliary], dim=2).flatten(0, 1)


def require_windows(windows: str, model: str) -> str:
    """Return which windows of a run are read, or say what may be chosen."""
    if windows not in (MIDDLE, ALL):
        raise InputError(
            f"'windows' in backbone_params of {model} must be {MIDDLE!r} or {ALL!r}",
            got=repr(windows),
            remedy=f"Leave it out for {MIDDLE!r}",
        )
    return windows


def count_frames(n_volumes: int, t_r: float, step: float, n_frames: int, windows: str) -> int:
    """Return how many frames of a run are looked at: of one window, or of the whole run."""
    whole = frames_within(n_volumes, t_r, step) if windows == ALL else 0
    return max(n_frames, whole)


def cut_windows(frames: np.ndarray, n_frames: int, windows: str) -> np.ndarray:
    """Return the windows of a run, evenly spread so that none of it is left out.

    frames (n_rois, n) -> (n_windows, n_rois, n_frames); of one window (n_rois, n_frames).
    """
    if windows == MIDDLE:
        return np.ascontiguousarray(frames)
    n_over = frames.shape[1] - n_frames
    starts = np.linspace(0, n_over, ceil(frames.shape[1] / n_frames)).astype(int)
    return np.stack([frames[:, start : start + n_frames] for start in starts])


def tile_places(mixing: np.ndarray, tokens: TokenPlaces) -> np.ndarray:
    """Return the shares of one window's tokens as often as there are windows.

    mixing (n_parcels, n_window_tokens) -> (n_parcels, n_tokens).
    """
    n_windows, rest = divmod(len(tokens.names), mixing.shape[1])
    return mixing if rest or n_windows < 2 else np.tile(mixing, (1, n_windows))
