import { FormatError } from '#base/errors';
import { ALGORITHMS, VERITY_BLOCK_BITS, type VerityAlgorithm } from './layout.ts';

const PREFIX = 'fsverity-';

/** Why a text is not an algorithm id, in the order the checks run. */
export type AlgorithmIdReason =
  | 'missing prefix'
  | 'missing separator'
  | 'invalid block size'
  | 'unsupported block size'
  | 'unknown hash';

function fail(text: string, reason: AlgorithmIdReason): never {
  const shown = text.slice(0, 200);
  throw new FormatError(
    'FSVERITY_ALGORITHM_INVALID',
    `Cannot parse fs-verity algorithm "${shown}": ${reason}, expected fsverity-sha256-12 or fsverity-sha512-12`,
    { offset: 0, what: 'fs-verity algorithm', found: shown, reason },
  );
}

/**
 * Parses the text id of a repository's algorithm, such as `fsverity-sha512-12`.
 * @throws FormatError FSVERITY_ALGORITHM_INVALID; `details.reason` is an AlgorithmIdReason
 */
export function parseAlgorithmId(text: string): VerityAlgorithm {
  if (!text.startsWith(PREFIX)) fail(text, 'missing prefix');
  const rest = text.slice(PREFIX.length);
  const dash = rest.lastIndexOf('-');
  if (dash < 0) fail(text, 'missing separator');
  const bits = rest.slice(dash + 1);
  if (!/^\+?[0-9]+$/.test(bits) || Number(bits) > 255) fail(text, 'invalid block size');
  if (Number(bits) !== VERITY_BLOCK_BITS) fail(text, 'unsupported block size');
  const name = rest.slice(0, dash);
  if (name !== 'sha256' && name !== 'sha512') fail(text, 'unknown hash');
  return name;
}

/** The text id of an algorithm, such as `fsverity-sha256-12`. */
export function formatAlgorithmId(algorithm: VerityAlgorithm): string {
  return ALGORITHMS[algorithm].id;
}

/** The algorithm with this number in the kernel interface, or undefined. */
export function algorithmOfKernelId(kernelId: number): VerityAlgorithm | undefined {
  if (kernelId === ALGORITHMS.sha256.kernelId) return 'sha256';
  return kernelId === ALGORITHMS.sha512.kernelId ? 'sha512' : undefined;
}
