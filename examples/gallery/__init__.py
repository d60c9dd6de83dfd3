"""Scripts as people write them for Keras: `python -m examples.gallery --help` runs them with gpunet, Keras or both."""
