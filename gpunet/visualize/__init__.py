"""Pictures of data and predictions; needs matplotlib, `pip install 'gpunet[viz]'`."""

from gpunet.visualize.predictions import save_predictions

__all__ = ["save_predictions"]
