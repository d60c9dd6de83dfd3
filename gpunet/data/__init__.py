"""Feeding models: arrays, generators and datasets as epochs of batches."""

from gpunet.data.adapter import Batches, make_batches
from gpunet.data.arrays import split_validation
from gpunet.data.batch import pack_batch, unpack_batch
from gpunet.data.py_dataset import PyDataset

__all__ = ["Batches", "PyDataset", "make_batches", "pack_batch", "split_validation", "unpack_batch"]
