"""Functions of images, with the names and signatures of `keras.ops.image`.

Images are (batch, height, width, channels) or one image without the batch, or channels first where `data_format` says
so. Elements of images may be integers, which are computed in floats and rounded.
"""

from gpunet.ops.image.color import hsv_to_rgb, rgb_to_grayscale, rgb_to_hsv
from gpunet.ops.image.cutting import crop_images, extract_patches, extract_patches_3d, pad_images
from gpunet.ops.image.filtering import gaussian_blur, sobel_edges, ssim
from gpunet.ops.image.resizing import resize, scale_and_translate
from gpunet.ops.image.sampling import affine_transform, map_coordinates, perspective_transform

__all__ = [
    "affine_transform",
    "crop_images",
    "extract_patches",
    "extract_patches_3d",
    "gaussian_blur",
    "hsv_to_rgb",
    "map_coordinates",
    "pad_images",
    "perspective_transform",
    "resize",
    "rgb_to_grayscale",
    "rgb_to_hsv",
    "scale_and_translate",
    "sobel_edges",
    "ssim",
]
