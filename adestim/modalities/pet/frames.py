"""Frames of a dynamic PET image: when they were, and which of them are averaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adestim._support.bids import convert_number
from adestim._support.remarks import remark
from adestim.exceptions import VolumeError

# s after injection, before which uptake tells of blood flow rather than of binding or metabolism.
EARLY = 1200.0
# Share of the window that frames must cover.
MIN_COVERED = 0.75
TOLERANCE = 0.5


@dataclass(frozen=True)
class FrameTimes:
    """When the frames of an image were, in s after injection."""

    starts: tuple[float, ...]
    durations: tuple[float, ...]


def read_frame_times(fields: Mapping[str, Any], n_frames: int) -> FrameTimes | None:
    """Return the times that a sidecar states, ``FrameTimesStart`` and ``FrameDuration`` of BIDS.

    ``InjectionStart`` is subtracted: both are counted from the same zero. None where not stated.
    """
    stated = [fields.get(name) for name in ("FrameTimesStart", "FrameDuration")]
    if any(value is None for value in stated):
        return None
    starts, durations = (list_seconds(value) for value in stated)
    zero = convert_number(fields.get("InjectionStart", 0.0))
    if zero is None or len(starts) != n_frames or len(durations) != n_frames:
        raise VolumeError(
            f"FrameTimesStart and FrameDuration of a sidecar must give {n_frames} times in s, one "
            "a frame, and InjectionStart one",
            got=f"{len(starts)} and {len(durations)}",
            remedy="Mend the sidecar",
        )
    if min(durations) <= 0 or (np.diff(starts) <= 0).any():
        raise VolumeError(
            "Frames must follow each other and last longer than 0 s",
            got="FrameTimesStart or FrameDuration in another order",
            remedy="Mend the sidecar",
        )
    return FrameTimes(tuple(start - zero for start in starts), tuple(durations))


def list_seconds(value: Any) -> list[float]:
    """Return a sidecar's times as numbers; none where one of them is none."""
    cells = value if isinstance(value, list) else [value]
    numbers = [convert_number(cell) for cell in cells]
    return [number for number in numbers if number is not None] if None not in numbers else []


def weigh_frames(
    times: FrameTimes | None,
    n_frames: int,
    frames: Sequence[int] | None,
    window: tuple[float, float] | None,
) -> np.ndarray:
    """Return the weight of every frame in the mean, by its duration, (n_frames,)."""
    chosen = np.ones(n_frames, dtype=bool)
    if frames is not None:
        chosen = choose_numbered(frames, n_frames)
    elif window is not None:
        chosen = choose_within(require_frame_times(times), window)
    elif n_frames > 1:
        remark_on_all_frames(times, n_frames)
    weights = chosen * (np.ones(n_frames) if times is None else np.array(times.durations))
    return weights / weights.sum()


def choose_numbered(frames: Sequence[int], n_frames: int) -> np.ndarray:
    """Tell which frames are among some numbers, from 0."""
    absent = [number for number in frames if not 0 <= number < n_frames]
    if absent:
        raise VolumeError(
            "Every number of frames= must be one of the image's frames, from 0",
            got=f"{absent[:5]} of an image with {n_frames} frames",
            remedy="Pass other numbers, or window= in s where sidecars state the times",
        )
    return np.isin(np.arange(n_frames), frames)


def require_frame_times(times: FrameTimes | None) -> FrameTimes:
    """Refuse an image whose times are not known."""
    if times is None:
        raise VolumeError(
            "window= needs the times of the frames",
            got="no FrameTimesStart and FrameDuration beside the image",
            remedy="Put the BIDS sidecar (.json) beside it, or pass frames=, numbers from 0",
        )
    return times


def choose_within(times: FrameTimes, window: tuple[float, float]) -> np.ndarray:
    """Tell which frames lie within a window, in s after injection."""
    starts, durations = np.array(times.starts), np.array(times.durations)
    inside = (starts >= window[0] - TOLERANCE) & (starts + durations <= window[1] + TOLERANCE)
    covered = durations[inside].sum() / (window[1] - window[0])
    if covered < MIN_COVERED:
        raise VolumeError(
            f"The frames of an image must cover {MIN_COVERED:.0%} of window={window} at least, in "
            "s after injection",
            got=f"{covered:.0%}, by {inside.sum()} frames wholly within it; all frames together "
            f"run from {starts[0]:g} to {starts[-1] + durations[-1]:g} s",
            remedy="Pass the window of the protocol; mend the sidecar if its times are not in s",
        )
    return inside


def remark_on_all_frames(times: FrameTimes | None, n_frames: int) -> None:
    """Say what is averaged where nobody chose."""
    if times is None:
        remark(
            f"all {n_frames} frames are averaged with equal weights, since no sidecar states "
            "their times; pass frames= to choose some."
        )
    elif times.starts[0] < EARLY:
        remark(
            f"all {n_frames} frames are averaged, from {times.starts[0]:g} s after injection on, "
            "early uptake included; pass window= in s to choose the late ones."
        )
