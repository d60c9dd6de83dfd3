"""Convolution of plain arrays and its adjoints, as reconstruction uses them, on NumPy and the emulated GPU."""

import numpy as np
import pytest

from examples import image_reconstruction as example
from gpunet import ops
from gpunet.backend.devices import CPU

RNG = np.random.default_rng(0)
SHAPES = {1: ((11,), (4,)), 2: ((9, 7), (3, 4)), 3: ((5, 6, 4), (2, 3, 1))}


@pytest.mark.parametrize("mode", ["full", "valid"])
@pytest.mark.parametrize("rank", SHAPES)
@pytest.mark.parametrize("where", ["cpu", "gpu"])
def test_convolution_and_its_adjoints(gpu, where, rank, mode):
    picture, window = (RNG.standard_normal(shape) for shape in SHAPES[rank])
    place = gpu if where == "gpu" else CPU
    x, w = ops.to_device(picture, place), ops.to_device(window, place)
    result = example.convolve(x, w, mode)
    full = [n + m - 1 for n, m in zip(picture.shape, window.shape)]
    axes = range(rank)
    spectrum = np.fft.rfftn(picture, full, axes) * np.fft.rfftn(window, full, axes)
    expected = np.fft.irfftn(spectrum, full, axes)
    if mode == "valid":
        expected = expected[tuple(slice(m - 1, n) for n, m in zip(picture.shape, window.shape))]
    assert type(result) is type(x)
    np.testing.assert_allclose(np.asarray(ops.to_device(result, CPU)), expected, atol=1e-12)
    y = ops.to_device(RNG.standard_normal(result.shape), place)
    product = float(example.inner(result, y))
    assert float(example.inner(x, example.adjoint_in_picture(y, w, mode))) == pytest.approx(product, rel=1e-12)
    assert float(example.inner(w, example.adjoint_in_filter(y, x, mode))) == pytest.approx(product, rel=1e-12)


def test_the_example_sharpens_the_picture(tmp_path, capsys):
    output = tmp_path / "pictures.png"
    example.main(["--size", "48", "--steps", "12", "--output", str(output)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["on NumPy", "on the emulated GPU", "pictures"]
    for line in lines[:2]:
        blurred, rebuilt = (
            float(line.split(f"{word} ")[-1].split(",")[0].split(";")[0]) for word in ("blurred", "rebuilt")
        )
        assert rebuilt < 0.8 * blurred
        assert float(line.split("agree to ")[1]) < 1e-5
    assert output.read_bytes().startswith(b"\x89PNG")
