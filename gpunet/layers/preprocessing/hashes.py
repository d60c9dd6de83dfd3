"""The hashes of texts that Keras's layers use, so that a bin is the same one everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

_MASK = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
_CAT = 0xC6A4A7935BD1E995


def _fetch(data: bytes, place: int, size: int = 8) -> int:
    return int.from_bytes(data[place : place + size], "little")


def _rotate(x: int, bits: int) -> int:
    """The 64-bit x turned right."""
    x &= _MASK
    return (x >> bits | x << (64 - bits)) & _MASK


def _shift_mix(x: int) -> int:
    x &= _MASK
    return x ^ (x >> 47)


def _mix(u: int, v: int, factor: int) -> int:
    a = _shift_mix((u ^ v) * factor)
    b = _shift_mix(((v & _MASK) ^ a) * factor)
    return b * factor & _MASK


def fingerprint64(data: bytes) -> int:
    """FarmHash's Fingerprint64, as TensorFlow's `to_hash_bucket_fast` takes it (github.com/google/farmhash)."""
    n = len(data)
    if n <= 16:
        return _up_to_16(data, n)
    factor = (_K2 + 2 * n) & _MASK
    if n > 64:
        return _long(data, n)
    a, b = _fetch(data, 0) * (_K1 if n <= 32 else _K2), _fetch(data, 8)
    c, d = _fetch(data, n - 8) * factor, _fetch(data, n - 16) * _K2
    y = _rotate(a + b, 43) + _rotate(c, 30) + d
    z = _mix(y & _MASK, (a + _rotate(b + _K2, 18) + c) & _MASK, factor)
    if n <= 32:
        return z
    e, f = _fetch(data, 16) * factor, _fetch(data, 24)
    g, h = (y + _fetch(data, n - 32)) * factor, (z + _fetch(data, n - 24)) * factor
    ends = _rotate(e + f, 43) + _rotate(g, 30) + h, e + _rotate(f + a, 18) + g
    return _mix(ends[0] & _MASK, ends[1] & _MASK, factor)


def _up_to_16(data: bytes, n: int) -> int:
    factor = (_K2 + 2 * n) & _MASK
    if n >= 8:
        a, b = (_fetch(data, 0) + _K2) & _MASK, _fetch(data, n - 8)
        c, d = _rotate(b, 37) * factor + a, (_rotate(a, 25) + b) * factor
        return _mix(c & _MASK, d & _MASK, factor)
    if n >= 4:
        return _mix(n + (_fetch(data, 0, 4) << 3), _fetch(data, n - 4, 4), factor)
    if n:
        y, z = data[0] + (data[n >> 1] << 8), n + (data[n - 1] << 2)
        return _shift_mix((y * _K2 & _MASK) ^ (z * _K0 & _MASK)) * _K2 & _MASK
    return _K2


def _weak(data: bytes, place: int, a: int, b: int) -> tuple[int, int]:
    w, x, y, z = (_fetch(data, place + 8 * i) for i in range(4))
    a += w
    b = _rotate(b + a + z, 21)
    c = a
    a += x + y
    b += _rotate(a, 44)
    return (a + z) & _MASK, (b + c) & _MASK


def _long(data: bytes, n: int) -> int:
    x, y = 81, (81 * _K1 + 113) & _MASK
    z = _shift_mix(y * _K2 + 113) * _K2 & _MASK
    v, w = (0, 0), (0, 0)
    x = (x * _K2 + _fetch(data, 0)) & _MASK
    for s in range(0, (n - 1) // 64 * 64, 64):
        x, y, z, v, w = _block(data, s, x, y, z, v, w, _K1, 1)
    factor = (_K1 + ((z & 0xFF) << 1)) & _MASK
    first = w[0] + ((n - 1) & 63)
    v = ((v[0] + first) & _MASK, v[1])
    w = ((first + v[0]) & _MASK, w[1])
    x, y, z, v, w = _block(data, n - 64, x, y, z, v, w, factor, 9)
    one = _mix(v[0], w[0], factor) + _shift_mix(y) * _K0 + z
    return _mix(one & _MASK, (_mix(v[1], w[1], factor) + x) & _MASK, factor)


def _block(data, s, x, y, z, v, w, factor, weight):
    x = _rotate(x + y + v[0] + _fetch(data, s + 8), 37) * factor
    y = _rotate(y + v[1] + _fetch(data, s + 48), 42) * factor
    x = (x & _MASK) ^ (w[1] * weight & _MASK)
    y = (y + v[0] * weight + _fetch(data, s + 40)) & _MASK
    z = _rotate(z + w[0], 33) * factor & _MASK
    v = _weak(data, s, v[1] * factor, x + w[0])
    w = _weak(data, s + 32, z + w[1], y + _fetch(data, s + 16))
    return z, y, x, v, w


def fingerprint_cat64(first: int, second: int) -> int:
    """TensorFlow's combination of two fingerprints."""
    found = (first ^ _CAT) ^ (_shift_mix(second * _CAT) * _CAT & _MASK)
    return _shift_mix(_shift_mix(found * _CAT) * _CAT)


def siphash(data: bytes, key: tuple[int, int]) -> int:
    """SipHash-2-4 under a key of two 64-bit integers (Aumasson and Bernstein, 2012)."""
    k0, k1 = (k & _MASK for k in key)
    v = [0x736F6D6570736575 ^ k0, 0x646F72616E646F6D ^ k1, 0x6C7967656E657261 ^ k0, 0x7465646279746573 ^ k1]
    padded = data + bytes(-(len(data) + 1) % 8) + bytes([len(data) & 0xFF])
    for place in range(0, len(padded), 8):
        word = _fetch(padded, place)
        v[3] ^= word
        _sip_rounds(v, 2)
        v[0] ^= word
    v[2] ^= 0xFF
    _sip_rounds(v, 4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _sip_rounds(v: list[int], count: int) -> None:
    for _ in range(count):
        for a, b, left in ((0, 1, 13), (2, 3, 16)):
            v[a] = (v[a] + v[b]) & _MASK
            v[b] = _rotate(v[b], 64 - left) ^ v[a]
        v[0] = _rotate(v[0], 32)
        for a, b, left in ((2, 1, 17), (0, 3, 21)):
            v[a] = (v[a] + v[b]) & _MASK
            v[b] = _rotate(v[b], 64 - left) ^ v[a]
        v[2] = _rotate(v[2], 32)


def as_salt(salt: Any, layer: str) -> list[int] | None:
    """Two integers for SipHash, made of one or two, or None.

    Raises:
        ValueError: if it is something else.
    """
    if salt is None or (isinstance(salt, list | tuple) and len(salt) == 2):
        return None if salt is None else list(salt)
    if isinstance(salt, int):
        return [salt, salt]
    raise ValueError(
        f"The `salt` argument for `{layer}` can only be a tuple of 2 integers, or a single integer. "
        f"Received: salt={salt}."
    )


def hash_bins(texts: Iterable[Any], bins: int, salt: Sequence[int] | None) -> dict[Any, int]:
    """The bin of each text or integer: by FarmHash, or SipHash under a salt."""
    found = {}
    for text in texts:
        data = str(text).encode()
        found[text] = (fingerprint64(data) if salt is None else siphash(data, (salt[0], salt[1]))) % bins
    return found
