"""Random numbers: the bits of NumPy's Philox, the floats made of them, seeds, and what is drawn with them."""

import math

import numpy as np
import pytest

import gpunet
from gpunet import GradientTape, Variable, ops, random
from gpunet.backend import philox
from gpunet.random import SeedGenerator, draw
from gpunet.testing import emulated_gpu

SEEDS = [(0, 0), (1, 0), (0, 1), (2**32 - 1, 12345)]


def raw(seed, stream, count):
    return np.random.Philox(key=np.array([seed, stream], np.uint64)).random_raw(count)


@pytest.mark.parametrize(("seed", "stream"), SEEDS)
@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 1001])
def test_words_are_those_of_numpy(seed, stream, count):
    words = raw(seed, stream, count)
    assert np.array_equal(philox.words64(seed, stream, count), words)
    assert np.array_equal(philox.words32(seed, stream, 2 * count), words.view("<u4"))
    assert np.array_equal(philox.words16(seed, stream, 4 * count), words.view("<u2"))


def test_philox_by_its_definition():
    """Ten rounds of Salmon et al.'s Philox4x64 in Python integers, counter from 1."""
    mask, key = 2**64 - 1, [7, 9]
    for block in range(3):
        c = [block + 1, 0, 0, 0]
        k = list(key)
        for _ in range(10):
            a, b = c[0] * 0xD2E7470EE14C6C93, c[2] * 0xCA5A826395121157
            c = [(b >> 64) ^ c[1] ^ k[0], b & mask, (a >> 64) ^ c[3] ^ k[1], a & mask]
            k = [(k[0] + 0x9E3779B97F4A7C15) & mask, (k[1] + 0xBB67AE8584CAA73B) & mask]
        assert philox.words64(7, 9, 12)[4 * block : 4 * block + 4].tolist() == c


@pytest.mark.parametrize(("dtype", "bits"), [("float32", 24), ("float64", 53), ("float16", 11), ("bfloat16", 8)])
def test_uniform_numbers_are_exact_multiples_below_one(dtype, bits):
    x = np.asarray(random.uniform((4096,), dtype=dtype, seed=3).array, np.float64)
    assert ((x >= 0) & (x < 1)).all()
    assert np.array_equal(x * 2**bits, np.rint(x * 2**bits))
    top = raw(3, 0, 4096) >> np.uint64(11) if bits == 53 else raw(3, 0, 2048).view("<u4") >> np.uint32(32 - bits)
    assert np.array_equal(x * 2**bits, top)
    assert abs(x.mean() - 0.5) < 5 / math.sqrt(12 * 4096)


def _quantile_error(z, p):
    """z against the upper tail P(Z > z) = p, in probability relative to p."""
    found = np.vectorize(math.erfc)(z / math.sqrt(2)) / 2
    return np.abs(found / p - 1).max()


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-5), ("float64", 1e-13)])
def test_normal_numbers_are_quantiles(dtype, tolerance):
    kind = np.dtype(dtype).type
    p = np.concatenate([np.linspace(1e-4, 0.5, 400), 2.0 ** -np.arange(1.0, 31.0)]).astype(dtype)
    coefficients = philox._PPND7 if dtype == "float32" else philox._PPND16
    z = philox._upper_quantile(p.copy(), coefficients)
    assert z.dtype == kind
    assert _quantile_error(z.astype(float), p.astype(float)) < tolerance
    assert (np.diff(z[:400]) <= 0).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_statistics_of_normal_numbers(dtype):
    n = 40000
    x = np.asarray(random.normal((n,), mean=1.5, stddev=2.0, dtype=dtype, seed=11).array, np.float64)
    z = (x - 1.5) / 2
    assert abs(z.mean()) < 5 / math.sqrt(n)
    assert abs(z.var() - 1) < 5 * math.sqrt(2 / n) + 0.01
    assert abs((z**3).mean()) < 5 * math.sqrt(15 / n)
    assert abs((z**4).mean() - 3) < 5 * math.sqrt(96 / n) + 0.05
    for bound in (-2, -1, 0.5, 1.5):
        share, expected = (z < bound).mean(), (1 + math.erf(bound / math.sqrt(2))) / 2
        assert abs(share - expected) < 5 * math.sqrt(expected * (1 - expected) / n) + 0.005


def test_truncated_normal_numbers():
    x = random.truncated_normal((20000,), mean=3.0, stddev=0.5, seed=4).numpy()
    assert ((x > 2) & (x < 4)).all()
    assert abs((x - 3).std() / 0.5 - 0.8796) < 0.02
    assert x.max() > 3.9
    assert x.min() < 2.1


def test_integers():
    x = random.randint((30000,), -3, 4, seed=5).numpy()
    assert x.dtype == np.int32
    assert set(x.tolist()) == set(range(-3, 4))
    assert (np.abs(np.bincount(x + 3) - 30000 / 7) < 400).all()
    wide = random.randint((1000,), 0, 2**32, dtype="int64", seed=5).numpy()
    assert wide.min() >= 0
    assert wide.max() > 2**31
    assert random.uniform((5,), 2, 9, dtype="int32", seed=1).dtype == "int32"
    for low, high in ((3, 3), (4, 3), (0, 2**32 + 1)):
        with pytest.raises(ValueError, match="maxval - minval"):
            random.randint((2,), low, high)


def test_categorical():
    logits = np.log(np.array([[0.1, 0.2, 0.7], [0.5, 0.5, 1e-30]]))
    x = random.categorical(logits, 8000, seed=2)
    assert x.shape == (2, 8000)
    shares = [np.bincount(np.asarray(row), minlength=3) / 8000 for row in x]
    np.testing.assert_allclose(shares, [[0.1, 0.2, 0.7], [0.5, 0.5, 0]], atol=0.025)


def test_permutation_and_shuffle():
    order = random.permutation(100, seed=6)
    assert sorted(order.tolist()) == list(range(100))
    assert order.tolist() != list(range(100))
    x = np.arange(12).reshape(4, 3)
    rows = np.asarray(random.shuffle(x, seed=6))
    assert sorted(rows.tolist()) == x.tolist()
    columns = np.asarray(random.shuffle(x, axis=1, seed=6))
    assert (np.sort(columns, axis=1) == x).all()


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_permutations_sort_words_and_keep_the_order_of_equal_ones(count):
    for most in (3, 2**32):
        words = np.random.default_rng(0).integers(0, most, count, dtype="uint32")
        found = draw._order(words)
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, np.argsort(words, kind="stable"))


def test_permutations_are_uniform():
    counts = {}
    for seed in range(1200):
        key = tuple(random.permutation(3, seed=seed).tolist())
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 6
    assert all(abs(n - 200) < 70 for n in counts.values())


# Seeds.


def test_an_int_always_gives_the_same():
    a, b, c = (random.normal((8,), seed=s).numpy() for s in (1, 1, 2))
    assert (a == b).all()
    assert (a != c).any()


def test_a_generator_counts():
    g, h = SeedGenerator(5), SeedGenerator(5)
    first, second = (random.uniform((8,), seed=g).numpy() for _ in range(2))
    assert (first != second).all()
    assert (random.uniform((8,), seed=h).numpy() == first).all()
    assert g.state.numpy().tolist() == [5, 2]
    assert SeedGenerator.from_config(g.get_config()).state.numpy().tolist() == [5, 0]


def test_the_state_of_a_generator_can_be_restored():
    g = SeedGenerator(5)
    random.uniform((1,), seed=g)
    state = g.state.numpy()
    first = random.uniform((8,), seed=g).numpy()
    g.state.assign(state)
    assert (random.uniform((8,), seed=g).numpy() == first).all()


def test_set_random_seed_repeats_a_program():
    def program():
        gpunet.set_random_seed(3)
        made = SeedGenerator().state.numpy().tolist()
        return random.normal((3,)).tolist(), made, np.random.rand(), random.uniform((2,)).tolist()

    assert program() == program()


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "a", True])
def test_seeds_that_are_none(seed):
    with pytest.raises(ValueError, match=r"seed must be .*Received: seed="):
        SeedGenerator(seed)


@pytest.mark.parametrize("seed", [1.5, "a", True])
def test_seeds_of_draws(seed):
    with pytest.raises(ValueError, match="seed must be None, an int or a SeedGenerator. Received: seed="):
        random.normal((2,), seed=seed)


def test_a_float_dtype_is_needed():
    with pytest.raises(ValueError, match="dtype must be a float type. Received: dtype=int32"):
        random.normal((2,), dtype="int32")


# Dropout.


def test_dropout_keeps_the_mean_and_scales():
    x = np.ones((200, 100), "float32")
    y = np.asarray(random.dropout(x, 0.3, seed=1))
    assert set(np.unique(y).tolist()) == {0.0, np.float32(1 / 0.7).item()}
    assert abs((y == 0).mean() - 0.3) < 0.015
    assert (np.asarray(random.dropout(x, 0.3, seed=1)) == y).all()
    assert (np.asarray(random.dropout(x, 0.3, seed=2)) != y).any()


def test_the_gradient_of_dropout_has_its_mask():
    v = Variable(np.full((50,), 3.0))
    with GradientTape() as tape:
        y = random.dropout(v, 0.5, seed=8)
    np.testing.assert_array_equal(tape.gradient(y, v).numpy(), np.asarray(y) / 3.0)


@pytest.mark.parametrize("rate", [-0.1, 1.1, 2])
def test_rates_of_dropout(rate):
    with pytest.raises(ValueError, match=r"rate must be in \[0, 1\]. Received: rate="):
        random.dropout(np.ones(3), rate)


def test_every_device_draws_the_same():
    def draws():
        numbers = [
            random.normal((65,), seed=1),
            random.uniform((65,), seed=1, dtype="float64"),
            random.truncated_normal((65,), seed=1),
            random.randint((65,), 0, 9, seed=1),
            random.dropout(ops.ones((64,)), 0.4, seed=1),
        ]
        return {x.device.name for x in numbers}, [x.numpy().tobytes() for x in numbers]

    with gpunet.device("cpu"):
        place, on_cpu = draws()
    assert place == {"cpu"}
    with emulated_gpu():
        place, on_gpu = draws()
    assert place == {"gpu:0"}
    assert on_cpu == on_gpu
