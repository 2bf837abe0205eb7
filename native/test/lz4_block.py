"""Blocks of LZ4, by the library itself: what the wire's packed contents are."""
import ctypes

_lz4 = ctypes.CDLL('liblz4.so.1')


def pack(data):
    out = ctypes.create_string_buffer(_lz4.LZ4_compressBound(len(data)))
    size = _lz4.LZ4_compress_default(data, out, len(data), len(out))
    return out.raw[:size]


def unpack(block, length):
    out = ctypes.create_string_buffer(length)
    got = _lz4.LZ4_decompress_safe(block, out, len(block), length)
    assert got == length, (got, length)
    return out.raw
