"""What reaches a kernel is checked and cast first; sources and signatures are read right."""

import numpy as np
import pytest

from gpunet.backend import devices
from gpunet.backend.cuda import launcher, source
from gpunet.backend.cuda.launcher import Family, all_specialisations, fast_divisor
from gpunet.backend.kernels import kernel_source
from gpunet.testing import emulated_gpu
from gpunet.testing.emulation import why_not

needs_compiler = pytest.mark.skipif(bool(why_not()), reason=why_not())

SOURCE = """
#include "common.cuh"
#define WIDTH (2 * HALF + 0)
struct Geometry {
    int sizes[2], rank;  // two and one
    FastDiv row;
    int64 offset;
    double scale;
};
/* KERNEL(1) commented_out(GLOBAL(float) x) {} */
KERNEL(WIDTH, 2) probe(VECTOR(const TYPE) x, STRIDED(TYPE) out, GLOBAL(const unsigned char) flags, Geometry geometry,
    uint32 seed, float factor) {
    const int i = threadIdx.x;
    int column;
    const int row = geometry.row.divide(int(geometry.offset) + i, column);
    out[i * 2] = TYPE(row * 1000 + column + geometry.sizes[1] + geometry.rank) + TYPE(geometry.scale) * x[i]
        + (flags ? TYPE(flags[i]) : TYPE(0.5)) + TYPE(seed % 1000u) + TYPE(factor);
}
"""
GEOMETRY = {"sizes": [3, 4], "rank": 5, "row": 7, "offset": 10, "scale": 2.5}


@pytest.fixture
def probe(write_source):
    return write_source(SOURCE, TYPE="double", HALF=16)["probe"]


@pytest.fixture
def device():
    with emulated_gpu() as gpu:
        yield gpu


def arrays(device, dtype="float64"):
    x = devices.as_array(np.arange(32, dtype=dtype), target=device)
    out = devices.as_array(np.zeros(64, dtype), target=device)
    flags = devices.as_array(np.ones(32, "uint8"), target=device)
    return x, out[::2], flags


def test_signature_of_a_kernel(probe):
    parameters = {p.name: p for p in probe.signature.parameters}
    assert (probe.name, probe.threads) == ("probe", 32)
    assert list(parameters) == ["x", "out", "flags", "geometry", "seed", "factor"]
    assert [p.kind for p in parameters.values()] == ["VECTOR", "STRIDED", "GLOBAL", "value", "value", "value"]
    assert [p.is_const for p in parameters.values()] == [True, False, True, True, True, True]
    assert parameters["x"].dtype == np.float64
    assert parameters["flags"].dtype == np.uint8
    assert parameters["seed"].dtype == np.uint32
    layout = parameters["geometry"].dtype
    assert {name: layout.fields[name][1] for name in layout.names} == {
        "sizes": 0,
        "rank": 8,
        "row": 12,
        "offset": 24,
        "scale": 32,
    }
    assert layout.itemsize == 40


@needs_compiler
def test_arguments_arrive(probe, device):
    x, out, flags = arrays(device)
    probe(1, x, out, flags, GEOMETRY, 2**32 - 1, 0.25)
    i = np.arange(32)
    expected = (i + 10) // 7 * 1000 + (i + 10) % 7 + 4 + 5 + 2.5 * i + 1 + (2**32 - 1) % 1000 + 0.25
    np.testing.assert_array_equal(out.get(), expected)
    probe(1, x, out, None, probe.struct("geometry", **GEOMETRY), np.int64(0), 0.25)
    np.testing.assert_array_equal(out.get(), expected - 0.5 - (2**32 - 1) % 1000)
    assert not device.not_emulated


def call(probe, device, **changes):
    x, out, flags = arrays(device)
    arguments = {"x": x, "out": out, "flags": flags, "geometry": GEOMETRY, "seed": 1, "factor": 1.0, **changes}
    grid, block = arguments.pop("grid", 1), arguments.pop("block", 0)
    probe(grid, *arguments.values(), block=block)


def test_wrong_arguments_are_refused(probe, device):
    wide = devices.as_array(np.zeros((4, 64)), target=device)
    for error, message, changes in [
        (TypeError, r"probe: x must be an array of float64. Received: float32", {"x": wide.astype("float32")}),
        (TypeError, r"probe: x must be an array of float64. Received: list", {"x": [1.0]}),
        (ValueError, r"probe: x must be contiguous. Received: shape \(4, 32\)", {"x": wide[:, ::2]}),
        (ValueError, r"probe: x must begin at a multiple of 16 bytes", {"x": wide[0, 1:33]}),
        (ValueError, r"arrays of one kind on one device.*numpy.ndarray", {"x": np.zeros(32)}),
        (TypeError, r"probe: seed must be an integer. Received: 1.5", {"seed": 1.5}),
        (ValueError, r"probe: seed must fit uint32, at most 4294967295. Received: -1", {"seed": -1}),
        (ValueError, r"geometry.rank must fit int32, at most 2147483647", {"geometry": {**GEOMETRY, "rank": 2**31}}),
        (ValueError, r"geometry.row must be a divisor", {"geometry": {**GEOMETRY, "row": 0}}),
        (ValueError, r"geometry.sizes must have the shape \(2,\)", {"geometry": {**GEOMETRY, "sizes": [1]}}),
        (TypeError, r"geometry must have the fields .* Received: \['rank'\]", {"geometry": {"rank": 1}}),
        (ValueError, r"at most 32 threads a block. Received: block=\(64, 1, 1\)", {"block": 64}),
        (ValueError, r"Received: grid=\(1, 65536, 1\)", {"grid": (1, 65536)}),
        (ValueError, r"Received: grid=\(0, 1, 1\)", {"grid": 0}),
    ]:
        with pytest.raises(error, match=message):
            call(probe, device, **changes)
    with pytest.raises(TypeError, match=r"probe expected the arguments \['x', .*Received: 1 arguments"):
        probe(1, wide)
    assert not device.launches


def test_arrays_of_the_host_are_refused(write_source):
    kernel = write_source('#include "common.cuh"\nKERNEL(1) f(GLOBAL(float) x) {}\n')["f"]
    with pytest.raises(TypeError, match=r"arrays of a GPU. Received: <class 'numpy.ndarray'>"):
        kernel(1, np.zeros(1, "float32"))


@pytest.mark.parametrize(
    "declaration", ["float* x", "GLOBAL(float* x", "GLOBAL(unknown) x", "Missing value", "GLOBAL(float) x[2]"]
)
def test_parameters_that_cannot_be_understood(declaration, write_source):
    with pytest.raises(ValueError, match="Received: "):
        write_source(f'#include "common.cuh"\nKERNEL(1) f({declaration}) {{}}\n').kernels()


@pytest.mark.parametrize("divisor", [1, 2, 3, 5, 7, 10, 127, 641, 65537, 2**30, 2**31 - 1])
def test_division_by_multiplication(divisor):
    _, magic, shift = fast_divisor(divisor)
    edges = np.arange(0, 40) * divisor
    n = np.concatenate([np.arange(100), edges - 1, edges, edges + 1, 2**31 - 1 - np.arange(100)])
    n = n[(n >= 0) & (n < 2**31)].astype(np.uint64)
    quotient = ((n * np.uint64(magic) >> np.uint64(32)) + n) >> np.uint64(shift)
    np.testing.assert_array_equal(quotient, n // np.uint64(divisor))
    assert magic < 2**32


def test_headers_are_inlined_once(write_source):
    text = write_source('#include "common.cuh"\n#include "common.cuh"\nint last;\n', TYPE="float").text()
    assert text.startswith("#define TYPE float\n")
    assert text.count("struct FastDiv") == 1
    assert '#line 3 "written0.cu"\nint last;' in text
    assert "#include" not in text


def test_constant_expressions():
    assert source.evaluate("(A / B) * 4 - 1", {"A": "B * 3", "B": "16"}) == 11
    with pytest.raises(ValueError, match="Received: 'A \\+ C'"):
        source.evaluate("A + C", {"A": "1"})


def test_families_list_what_they_launch():
    names = [specialisation.name for specialisation in all_specialisations()]
    assert len(names) == len(set(names)) <= 139
    assert "binary.cu TYPE=double" in names
    family = launcher._FAMILIES["binary.cu"]
    with pytest.raises(KeyError, match=r"no variant with these macros. Received: {'TYPE': 'int'}"):
        family(TYPE="int")
    with pytest.raises(KeyError, match=r"has the kernels \[.*'map_relu_grad'.*\]. Received: 'relu'"):
        family(TYPE="float")["relu"]
    with pytest.raises(ValueError, match=r"a family of binary.cu exists"):
        Family("binary.cu", TYPE=("float",))


def test_the_readme_has_a_row_for_every_source_and_names_its_kernels():
    readme = kernel_source("README.md")
    for specialisation in all_specialisations():
        assert f"| `{specialisation.file}` |" in readme
        for name in specialisation.kernels():
            generic = name.startswith(("map_", "cast_", "reduce_"))
            assert generic or name.replace("_large", "").replace("_long", "") in readme, name
