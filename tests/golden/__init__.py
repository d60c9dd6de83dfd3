"""Values of other libraries in files, written by `make_torch.py` and `make_keras.py`, which the tests compare with."""
