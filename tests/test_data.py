"""Everything that fit accepts as data, cut into batches."""

import numpy as np
import pytest

import gpunet as keras
from gpunet import ops
from gpunet.backend.rows import Rows
from gpunet.data import make_batches, pack_batch, split_validation, unpack_batch
from gpunet.testing import DeviceArray, emulated_gpu

X, Y = np.arange(14.0).reshape(7, 2), np.arange(7)


def parts(batches, i):
    return [np.asarray(batch[i]).tolist() for batch in batches.epoch()]


def test_arrays():
    batches = make_batches(X, Y, batch_size=3)
    assert batches.num_batches == 3
    assert parts(batches, 1) == [[0, 1, 2], [3, 4, 5], [6]]
    assert all(batch[2] is None for batch in batches.epoch())
    assert make_batches(X).num_batches == 1
    assert make_batches(np.zeros((33, 1))).num_batches == 2
    structured = make_batches({"a": X, "b": [X, Y]}, (Y, Y), batch_size=4)
    first = next(structured.epoch())
    assert first[0]["b"][1].tolist() == [0, 1, 2, 3]
    assert len(first[1]) == 2


def test_rows_are_copied_when_they_are_used():
    x = np.random.default_rng(0).standard_normal((7, 3, 2)).astype("float32")
    for shuffle, order in ((True, None), (False, [0, 1, 2, 3, 4, 5, 6])):
        batches = make_batches({"a": x, "b": [Y]}, Y, batch_size=3, shuffle=shuffle)
        seen, tables = [], []
        for rows in batches.rows():
            assert type(rows) is Rows
            tables.append(rows.table)
            first, labels = rows.taken()
            seen += labels.tolist()
            np.testing.assert_array_equal(first["a"], x[labels])
            np.testing.assert_array_equal(first["b"][0], labels)
            places = [np.empty(a.shape, a.dtype) for a in (first["a"], labels, labels)]
            rows.take_into(places)
            np.testing.assert_array_equal(places[0], x[labels])
            np.testing.assert_array_equal(places[1:], [labels, labels])
        assert tables[0] is tables[1] is not tables[2]  # the last batch is smaller
        assert sorted(seen) == list(range(7))
        assert (seen == order) is (order is not None)


def test_rows_and_epochs_are_the_same_batches():
    weights = np.arange(7.0)
    for shuffle in (True, False, "batch"):
        batches = make_batches(X, Y, weights, batch_size=3, shuffle=shuffle)
        keras.utils.set_random_seed(3)
        rows = [unpack_batch(batch.taken()) for batch in batches.rows()]
        keras.utils.set_random_seed(3)
        for a, b in zip(rows, batches.epoch(), strict=True):
            for first, second in zip(a, b):
                np.testing.assert_array_equal(first, second)
    assert [batch.taken()[1] for batch in make_batches(X, None, weights, batch_size=7).rows()] == [None]


def test_only_arrays_that_lie_in_rows_are_taken_row_by_row():
    x = np.random.default_rng(0).standard_normal((7, 3, 2)).astype("float32")
    for other in (x[:, ::2], x.T.copy().T):
        batches = make_batches({"whole": x, "other": other}, Y, batch_size=3, shuffle=True)
        assert batches.rows() is None
        for first, labels, _ in batches.epoch():
            np.testing.assert_array_equal(first["whole"], x[labels])
            np.testing.assert_array_equal(first["other"], other[labels])


def test_array_likes():
    class Frame:
        def to_numpy(self):
            return X

        def __array__(self, dtype=None, copy=None):
            return X

    for like in (X.tolist(), ops.convert_to_tensor(X), Frame(), keras.Variable(X)):
        assert parts(make_batches(like, batch_size=4), 0)[1] == X[4:].tolist()


def test_a_list_of_numbers_is_one_array():
    batches = make_batches([1.0, 2.0, 3.0], [0, 1, 0], batch_size=2)
    assert parts(batches, 0) == [[1.0, 2.0], [3.0]]
    assert next(batches.epoch())[0].dtype == "float32"


def test_iterables_generators_and_indexed_sources():
    pairs = [(X[:4], Y[:4]), (X[4:], Y[4:])]

    class Loader:
        def __len__(self):
            return 2

        def __iter__(self):
            return iter(pairs)

    loader = make_batches(Loader())
    assert loader.num_batches == 2
    assert parts(loader, 1) == parts(loader, 1) == [[0, 1, 2, 3], [4, 5, 6]]
    once = make_batches(iter(pairs))
    assert once.num_batches is None
    assert len(parts(once, 0)) == 2
    assert parts(once, 0) == []

    class Source(keras.utils.PyDataset):
        events = ()

        def __len__(self):
            return 2

        def __getitem__(self, i):
            return pairs[i]

        def on_epoch_begin(self):
            self.events = (*self.events, "begin")

        def on_epoch_end(self):
            self.events = (*self.events, "end")

    source = Source()
    assert source.num_batches == 2
    assert parts(make_batches(source), 1) == [[0, 1, 2, 3], [4, 5, 6]]
    assert source.events == ("begin", "end")
    with pytest.raises(NotImplementedError, match="__len__"):
        len(keras.utils.PyDataset())


def test_batches_of_numbers_in_lists():
    batches = make_batches([[1.0, 2.0]] for _ in range(2))
    assert len(list(batches.epoch())) == 2


def test_packing():
    assert unpack_batch(1) == unpack_batch((1,)) == (1, None, None)
    assert unpack_batch((1, 2)) == unpack_batch([1, 2]) == (1, 2, None)
    assert unpack_batch((1, 2, 3)) == (1, 2, 3)
    assert pack_batch(1, 2, 3) == (1, 2, 3)
    assert pack_batch(1, 2) == (1, 2)
    assert pack_batch(1) == 1
    assert unpack_batch(pack_batch((1, 2))) == ((1, 2), None, None)
    with pytest.raises(ValueError, match="a tuple of 4"):
        unpack_batch((1, 2, 3, 4))


def test_splitting():
    (x, y, w), (x_val, y_val, w_val) = split_validation((X, Y, None), 0.3)
    assert len(x) == len(y) == 4
    assert y_val.tolist() == [4, 5, 6]
    assert len(x_val) == 3
    assert w is w_val is None
    for share in (0.0, 1.0, 0.999):
        with pytest.raises(ValueError, match="7 samples"):
            split_validation((X, Y, None), share)


def test_class_weights():
    weights = {0: 1.0, 2: 3.0}
    for labels in (Y % 3, (Y % 3)[:, None], np.eye(3)[Y % 3]):
        batches = make_batches(X, labels, batch_size=7, class_weight=weights)
        assert next(batches.epoch())[2].tolist() == [1, 1, 3, 1, 1, 3, 1]


def test_device_arrays_are_cut_where_they_are():
    with emulated_gpu() as gpu:
        x = ops.to_device(X, gpu)
        keras.utils.set_random_seed(0)
        on_gpu = [batch[0] for batch in make_batches(x, batch_size=3, shuffle=True).epoch()]
        assert all(type(b) is DeviceArray for b in on_gpu)
        keras.utils.set_random_seed(0)
        on_cpu = [batch[0] for batch in make_batches(X, batch_size=3, shuffle=True).epoch()]
        for a, b in zip(on_gpu, on_cpu):
            np.testing.assert_array_equal(a.get(), b)


def test_scalars_are_no_samples():
    with pytest.raises(ValueError, match="a scalar"):
        make_batches(np.float32(1))
    with pytest.raises(TypeError, match="Received: int"):
        make_batches(object.__new__(type("int", (), {})))


def test_a_dataset_can_be_iterated_over():
    class Squares(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, i):
            return i * i

    assert list(Squares()) == [0, 1, 4]
