/** A 32-bit number with its bytes reversed; OSTree stores big-endian fields inside little-endian GVariants. */
export function swap32(value: number): number {
  const low = value % 0x10000;
  const high = (value - low) / 0x10000;
  return swap16(low) * 0x10000 + swap16(high);
}

/** A 64-bit number with its bytes reversed. */
export function swap64(value: bigint): bigint {
  const low = swap32(Number(value & 0xffffffffn));
  const high = swap32(Number(value >> 32n));
  return BigInt(low) * 0x100000000n + BigInt(high);
}

function swap16(value: number): number {
  return (value % 0x100) * 0x100 + Math.floor(value / 0x100);
}
