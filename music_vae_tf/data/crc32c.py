"""The checksum of TFRecord files: CRC-32C, in a few array operations."""

import functools

import numpy as np

BLOCK = 256  # bytes taken at once
POLYNOMIAL = 0x82F63B78  # Castagnoli's, lowest bit first
# Four bytes that bring the register from zero to all ones, where CRC-32C starts.
PREAMBLE = np.frombuffer(bytes.fromhex("54641f64"), np.uint8)
MASK_DELTA = 0xA282EAD8


def crc32c(data: bytes) -> int:
    """CRC-32C (RFC 3720) of bytes.

    The register after a block is, bit by bit, the sum modulo 2 of what each byte
    contributes; the register before it counts as added to the block's first bytes.
    """
    blocks = _padded_blocks(data)
    contributions = _contributions()
    registers = np.bitwise_xor.reduce(
        contributions[np.arange(BLOCK), blocks], axis=1
    ).tolist()
    first, second, third, fourth = contributions[:4].tolist()
    register = 0
    for block_register in registers:
        register = (
            block_register
            ^ first[register & 255]
            ^ second[register >> 8 & 255]
            ^ third[register >> 16 & 255]
            ^ fourth[register >> 24]
        )
    return register ^ 0xFFFFFFFF


def masked_crc32c(data: bytes) -> int:
    """The checksum as TFRecord stores it: rotated by 15 bits, plus a constant."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + MASK_DELTA) & 0xFFFFFFFF


def _padded_blocks(data):
    """Bytes `[blocks, BLOCK]`; zeros in front do not change a register of zero."""
    message = np.concatenate([PREAMBLE, np.frombuffer(data, np.uint8)])
    zeros = np.zeros(-len(message) % BLOCK, np.uint8)
    return np.concatenate([zeros, message]).reshape(-1, BLOCK)


@functools.cache
def _contributions():
    """uint32 `[BLOCK, 256]`: what a byte at a place leaves after the whole block."""
    registers = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        registers = registers >> 1 ^ np.where(registers & 1, POLYNOMIAL, 0).astype(
            np.uint32
        )
    one_byte = registers
    table = np.empty([BLOCK, 256], np.uint32)
    for place in reversed(range(BLOCK)):
        table[place] = registers
        registers = registers >> 8 ^ one_byte[registers & 255]
    return table
