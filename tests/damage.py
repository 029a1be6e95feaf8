"""Ways in which files are damaged, for tests of whoever reads them."""

import numpy as np


def mutate(raw, seed):
    """Return bytes with a few of them flipped, replaced, lost, doubled or put in, or cut off."""
    rng, raw = np.random.default_rng(seed), bytearray(raw)
    kind = rng.integers(0, 6)
    for _ in range(rng.integers(1, 4)):
        if not raw:
            break
        place, other = rng.integers(0, len(raw), 2).tolist()
        size = int(rng.integers(1, 12))
        if kind == 0:
            raw[place] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1:
            raw[place] = int(rng.integers(0, 256))
        elif kind == 2:
            del raw[place : place + size]
        elif kind == 3:
            raw[place:place] = rng.bytes(size)
        elif kind == 4:
            raw[place:place] = raw[other : other + size]
        else:
            del raw[place:]
    return bytes(raw)
