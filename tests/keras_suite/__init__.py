"""The tests that the Keras wheel ships, run against gpunet, and against Keras, through an adapter of public names.

Nothing of them is in this repository: they are read where Keras is installed, and their imports of Keras's private
modules are answered with public names, of `gpunet` or of `keras` alike. `python -m tests.keras_suite --help` says more.
"""
