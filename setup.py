"""What pyproject.toml cannot say: every package of the tree, and cuda_kernels/ as the package gpunet.cuda_kernels."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["gpunet", "gpunet.*"]), "gpunet.cuda_kernels"],
    package_dir={"gpunet": "gpunet", "gpunet.cuda_kernels": "cuda_kernels"},
)
