"""A stand-in GPU that runs our kernels, and kernels written for a test."""

import pytest

from gpunet.backend.cuda import conv as cuda_conv
from gpunet.backend.cuda import source, tiles
from gpunet.backend.cuda.launcher import Specialisation
from gpunet.backend.primitive import backend_of
from gpunet.testing import DeviceArray, emulated_gpu
from gpunet.testing.emulation import why_not


@pytest.fixture(params=[0, 3], ids=["schedule0", "schedule3"])
def gpu(request):
    if why_not():
        pytest.skip(why_not())
    with emulated_gpu(request.param) as device:
        yield device


@pytest.fixture
def no_copies(gpu, monkeypatch):
    """A function after which arrays cannot be copied between host and device, and which returns one that ends it."""

    def refuse(*_, **__):
        raise AssertionError("a copy between host and device")

    def begin():
        gpu.forget()
        xp = backend_of(DeviceArray).xp
        asarray = xp.asarray
        monkeypatch.setattr(xp, "asarray", lambda x, **o: asarray(x, **o) if type(x) is DeviceArray else refuse())
        for name in ("get", "item", "tolist", "__int__", "__float__", "__bool__", "__index__"):
            monkeypatch.setattr(DeviceArray, name, refuse)
        return monkeypatch.undo

    return begin


@pytest.fixture
def force(monkeypatch):
    """A function that makes one tile and number of parts the choice for every launch that may be split."""

    def choose_always(tile, splits):
        def choose(shapes, wide, rows, columns, depth, batch, can_split):
            return tiles.cut(tile, rows, columns, depth, batch, splits if can_split else 1)

        monkeypatch.setattr(tiles, "choose", choose)

    cached = (cuda_conv._gather_launch, cuda_conv._weight_launch)
    for function in cached:
        function.cache_clear()
    yield choose_always
    for function in cached:
        function.cache_clear()


@pytest.fixture
def write_source(monkeypatch):
    """A function that makes a .cu file of a text, beside the real ones, and returns its specialisation."""
    texts = {}
    real = source.kernel_source
    monkeypatch.setattr(source, "kernel_source", lambda name: texts[name] if name in texts else real(name))

    def write(text, **defines):
        source.inlined.cache_clear()
        name = f"written{len(texts)}.cu"
        texts[name] = text
        return Specialisation(name, defines)

    yield write
    source.inlined.cache_clear()
