import { FormatError } from '#base/errors';

/**
 * Converts a 64-bit field that holds a size or an offset into an exact number.
 * @throws FormatError NUMBER_UNSAFE when it is negative or above 2^53 - 1
 */
export function safeNumber(value: bigint, what: string, offset = 0): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new FormatError('NUMBER_UNSAFE', `Cannot read ${what}: ${value} is not a safe size`, {
      offset,
      what,
      found: value.toString(),
    });
  }
  return Number(value);
}

/** The smallest multiple of `unit` that is at least `value`; exact for safe integers (no bit operators). */
export function roundUp(value: number, unit: number): number {
  const rest = value % unit;
  return rest === 0 ? value : value + (unit - rest);
}
