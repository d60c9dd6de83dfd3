"""One module per section, each with `run(gpu, findings)`."""
