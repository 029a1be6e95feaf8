import pytest
import torch

from adestim.training.lockstep.random_streams import RandomStream

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def own_generator():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def drawn(stream, state=None):
    with stream.taken_up(state):
        return torch.rand(3).tolist()


def test_streams_taken_up_in_turn_draw_what_each_would_draw_alone():
    alone = [torch.rand(3).tolist() for _ in range(2)]
    torch.manual_seed(0)
    first = RandomStream(CPU)
    torch.manual_seed(1)
    second = RandomStream(CPU)
    in_turn = [drawn(stream) for stream in (first, second, first)]
    assert [in_turn[0], in_turn[2]] == alone


def test_the_global_generator_is_left_as_found():
    stream = RandomStream(CPU)
    before = torch.get_rng_state()
    drawn(stream)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_past_state_is_repeated_and_the_stream_stays_where_it_was():
    stream = RandomStream(CPU)
    past = stream.state
    first, second = drawn(stream), drawn(stream)
    torch.manual_seed(0)
    stream = RandomStream(CPU)
    drawn(stream)
    assert drawn(stream, past) == first
    assert drawn(stream) == second


def test_the_global_generator_is_left_as_found_after_an_error():
    stream = RandomStream(CPU)
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), stream.taken_up():
        1 / (torch.rand(1) * 0).int().item()
    assert torch.equal(torch.get_rng_state(), before)
