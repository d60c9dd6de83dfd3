"""Names that older scripts use for helpers of `gpunet.utils`, as `keras.preprocessing` has them."""

from gpunet.preprocessing import image, sequence
from gpunet.utils.images import image_dataset_from_directory
from gpunet.utils.sequences import timeseries_dataset_from_array
from gpunet.utils.texts import text_dataset_from_directory

__all__ = [
    "image",
    "image_dataset_from_directory",
    "sequence",
    "text_dataset_from_directory",
    "timeseries_dataset_from_array",
]
