"""SHA-0, which SoftEther keeps its administrator's password with and which no library has any more."""

import struct

MASK = 0xFFFFFFFF
START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)


def sha0(data: bytes) -> bytes:
    """20 bytes. SHA-1 as it was before its message schedule got a rotation (FIPS 180, 1993)."""
    padded = data + b"\x80" + bytes((55 - len(data)) % 64) + struct.pack(">Q", 8 * len(data))
    state = START
    for at in range(0, len(padded), 64):
        state = _mixed(state, padded[at : at + 64])
    return struct.pack(">5I", *state)


def _mixed(state: tuple[int, ...], block: bytes) -> tuple[int, ...]:
    words = list(struct.unpack(">16I", block))
    for i in range(16, 80):
        words.append(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16])
    a, b, c, d, e = state
    for i, word in enumerate(words):
        f, k = _round(i // 20, b, c, d)
        a, b, c, d, e = (_turned(a, 5) + f + e + k + word) & MASK, a, _turned(b, 30), c, d
    return tuple((old + new) & MASK for old, new in zip(state, (a, b, c, d, e), strict=True))


def _round(number: int, b: int, c: int, d: int) -> tuple[int, int]:
    if number == 0:
        return (b & c) | (~b & MASK & d), 0x5A827999
    if number == 2:
        return (b & c) | (b & d) | (c & d), 0x8F1BBCDC
    return b ^ c ^ d, 0x6ED9EBA1 if number == 1 else 0xCA62C1D6


def _turned(word: int, bits: int) -> int:
    return ((word << bits) | (word >> (32 - bits))) & MASK
