import pytest
import torch
from torch import nn

from adestim.backbone.blocks import BlockRunner
from adestim.exceptions import InputError


class Notes(nn.Module):
    """A block that notes what it is given."""

    def __init__(self, number, calls):
        super().__init__()
        self.number, self.calls = number, calls

    def forward(self, tokens, *arguments):
        self.calls.append((self.number, tokens.shape[1], arguments))
        return tokens + 1


class Runner(BlockRunner):
    block_list = "encoder.layer"

    def __init__(self, calls, n_blocks=3):
        super().__init__()
        self.encoder = nn.Module()
        self.encoder.layer = nn.ModuleList(Notes(number, calls) for number in range(n_blocks))


class WithoutBlocks(BlockRunner):
    pass


@pytest.fixture
def calls():
    return []


@pytest.fixture
def runner(calls):
    return Runner(calls)


@pytest.mark.parametrize("block", [0, 1, 2])
def test_own_tokens_pass_the_first_blocks_alone(runner, calls, block):
    runner.join_before(block)
    tokens = runner.run_blocks(torch.zeros(1, 5, 1), None, 3)
    assert [n_tokens for _, n_tokens, _ in calls] == [3] * block + [5] * (3 - block)
    assert tokens.flatten().tolist() == [3] * 3 + [3 - block] * 2


def test_the_log_mask_is_that_of_the_tokens_that_a_block_reads(runner, calls):
    runner.join_before(1)
    log_mask = torch.arange(5.0)[None]
    runner.run_blocks(torch.zeros(1, 5, 1), log_mask, 3)
    assert [arguments[0].tolist() for _, _, arguments in calls] == [
        [[0, 1, 2]], [[0, 1, 2, 3, 4]], [[0, 1, 2, 3, 4]],
    ]  # fmt: skip


def test_no_log_mask_stays_none(runner, calls):
    runner.join_before(1)
    runner.run_blocks(torch.zeros(1, 5, 1), None, 3)
    assert [arguments for _, _, arguments in calls] == [(None,)] * 3


def test_further_arguments_are_made_once_for_own_tokens_and_once_for_all(runner, calls):
    runner.join_before(2)
    made = []

    def arguments(tokens, log_mask):
        made.append(tokens.shape[1])
        return (f"for {tokens.shape[1]}",)

    runner.run_blocks(torch.zeros(1, 5, 1), None, 3, arguments)
    assert made == [3, 5]
    assert [arguments for _, _, arguments in calls] == [("for 3",), ("for 3",), ("for 5",)]


def test_tokens_are_not_written_on(runner):
    runner.join_before(1)
    tokens = torch.zeros(1, 5, 1)
    runner.run_blocks(tokens, None, 3)
    assert (tokens == 0).all()


@pytest.mark.parametrize("number", [3, 4, -1])
def test_a_block_that_there_is_not_is_refused(runner, number):
    message = rf"at its input or before one of its blocks.*depth {number} for Runner, which has 3"
    with pytest.raises(InputError, match=message + r".*0 to 2, or 'output'"):
        runner.join_before(number)
    assert runner.join_at == 0


def test_a_model_that_names_no_blocks_says_so():
    model = WithoutBlocks()
    model.join_before(0)
    assert model.blocks_to_join == []
    with pytest.raises(InputError, match="WithoutBlocks, which is joined at its input alone"):
        model.join_before(1)


def test_a_single_block_can_be_joined_at_its_input_alone(calls):
    with pytest.raises(InputError, match=r"has 1 blocks\. Pass 0 for the input"):
        Runner(calls, n_blocks=1).join_before(1)


def test_a_model_that_names_no_blocks_cannot_have_them_run():
    with pytest.raises(InputError, match=r"block_list names\. Got none of WithoutBlocks"):
        WithoutBlocks().run_blocks(torch.zeros(1, 2, 1), None, 1)
