"""How a backbone runs its blocks: on own tokens alone first, on auxiliary ones too where they join.

Auxiliary tokens join before the first block unless a model is told otherwise. A later block makes
the interaction shallower: own tokens reach it as if there were no others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from adestim.exceptions import InputError

Arguments = Callable[[Tensor, Tensor | None], tuple]


class BlockRunner(nn.Module):
    """Runs blocks, and knows before which of them auxiliary tokens join."""

    block_list: str = ""
    join_at: int = 0
    gradient_checkpointing: bool = False

    @property
    def blocks_to_join(self) -> Sequence[nn.Module]:
        """The blocks before which auxiliary tokens may join, in order."""
        return list(self.get_submodule(self.block_list).children()) if self.block_list else []

    def require_block(self, number: int) -> None:
        """Refuse a depth at which auxiliary tokens cannot join.

        Parameters
        ----------
        number : int
            Number of blocks that own tokens would pass alone.

        Raises
        ------
        InputError
            When there are no more blocks than that.
        """
        n_blocks = len(self.blocks_to_join)
        if number == 0 or 0 < number < n_blocks:
            return
        joins = f"has {n_blocks} blocks" if n_blocks else "is joined at its input alone"
        depths = f"a depth from 0 to {n_blocks - 1}" if n_blocks > 1 else "0 for the input"
        raise InputError(
            "Auxiliary tokens join a model at its input or before one of its blocks",
            got=f"depth {number} for {type(self).__name__}, which {joins}",
            remedy=f"Pass {depths}, or 'output' for behind the last block",
        )

    def join_before(self, number: int) -> None:
        """Let auxiliary tokens join before a block; never call it on a model that others share.

        Parameters
        ----------
        number : int
            Number of blocks that own tokens pass alone; 0 for none.

        Raises
        ------
        InputError
            When there are no more blocks than that.
        """
        self.require_block(number)
        self.join_at = number

    def run_blocks(
        self,
        tokens: Tensor,
        log_mask: Tensor | None,
        n_own: int,
        arguments: Arguments | None = None,
    ) -> Tensor:
        """Run the blocks, the first ``join_at`` of them on own tokens alone.

        Parameters
        ----------
        tokens : Tensor of shape (B, T, width)
            Own tokens, then auxiliary ones.
        log_mask : Tensor of shape (B, T) or None
            Their log-mask.
        n_own : int
            Number of own tokens.
        arguments : callable, default=None
            Takes the tokens and the log-mask that some blocks are run on, own or all; returns what
            each block is given after the tokens. By default the log-mask.

        Returns
        -------
        Tensor of shape (B, T, width)

        Raises
        ------
        InputError
            When the model names no blocks.
        """
        arguments = arguments or take_log_mask
        blocks = self.blocks_to_join
        if not blocks:
            raise InputError(
                "run_blocks runs the blocks that the model's block_list names",
                got=f"none of {type(self).__name__}",
                remedy='Write for example block_list = "encoder.layers" in the class',
            )
        if self.join_at:
            own, own_mask = tokens[:, :n_own], None if log_mask is None else log_mask[:, :n_own]
            own = self._through(blocks[: self.join_at], own, arguments(own, own_mask))
            tokens = torch.cat([own, tokens[:, n_own:]], dim=1)
        return self._through(blocks[self.join_at :], tokens, arguments(tokens, log_mask))

    def run(self, block: Callable[..., Tensor], *args: Any) -> Tensor:
        """Call a block, its activations made again in the backward pass where asked for."""
        if self.gradient_checkpointing and torch.is_grad_enabled():
            return checkpoint(block, *args, use_reentrant=False)
        return block(*args)

    def _through(self, blocks: Sequence[nn.Module], tokens: Tensor, arguments: tuple) -> Tensor:
        """Run some blocks one after the other."""
        for block in blocks:
            tokens = self.run(block, tokens, *arguments)
        return tokens


def take_log_mask(tokens: Tensor, log_mask: Tensor | None) -> tuple[Tensor | None]:
    """Return what most blocks are given beside the tokens."""
    return (log_mask,)
