"""The alignment of tensors in memory, on which the last bits of a product may depend."""

from __future__ import annotations

from torch import Tensor

ALIGNMENT = 64
"""Bytes: the addresses that PyTorch gives on a CPU are multiples of it."""


def aligned(x: Tensor) -> Tensor:
    """Align a tensor as PyTorch's own are: a copy if it came from elsewhere and is aligned otherwise.

    Products of matrices and vectors, and float64 convolutions made of them, add in another order where their numbers
    begin at an address that is no multiple of 16 bytes; NumPy, files mapped into memory and slices give such.

    Args:
        x: any; left as it is.
    """
    return x if x.device.type != "cpu" or x.data_ptr() % ALIGNMENT == 0 else x.clone()
