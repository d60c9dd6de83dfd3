"""Random models that travel between Keras and gpunet as files, both ways; `python -m tests.saving.exchange --help`."""
