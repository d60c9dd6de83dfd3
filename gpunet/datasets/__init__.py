"""Small datasets as NumPy arrays, with the names and shapes of `keras.datasets`."""

from gpunet.datasets import cifar10, digits, fashion_mnist, mnist

__all__ = ["cifar10", "digits", "fashion_mnist", "mnist"]
