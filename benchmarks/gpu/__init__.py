"""The acceptance of the GPU path on a real GPU: `python -m benchmarks.gpu` (`make gpu`), under ten minutes."""
