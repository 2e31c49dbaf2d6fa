import { ConflictError, HostError } from '#base/errors';
import type { Repository } from '#stores/composefs';
import type { DiskNeed } from './disk-need.ts';

/** @throws ConflictError PULL_OVER_BUDGET when more would be fetched than allowed */
export function requireBudget(fetchBytes: number, maxBytes: number | undefined): void {
  if (maxBytes === undefined || fetchBytes <= maxBytes) return;
  throw new ConflictError(
    'PULL_OVER_BUDGET',
    `Cannot pull: expected at most ${maxBytes} bytes to fetch, found ${fetchBytes}`,
    { expected: maxBytes, found: fetchBytes },
    { hint: 'See with --dry-run what each layer costs, or allow more with --max-bytes' },
  );
}

/**
 * Requires room for what a pull adds to the disk. Refuses only a pull that cannot fit even if every stored
 * byte is reused.
 * @throws HostError SPACE_INSUFFICIENT
 */
export function requireSpace(
  repository: Repository,
  { leastBytes }: Pick<DiskNeed, 'leastBytes'>,
): void {
  const { availableBytes } = repository.readSpace();
  if (leastBytes <= availableBytes) return;
  const target = repository.root.label;
  throw new HostError(
    'SPACE_INSUFFICIENT',
    `Cannot pull into "${target}": expected ${leastBytes} bytes free at least, found ${availableBytes}`,
    { target, expected: leastBytes, found: availableBytes },
    { hint: 'Remove images with `onecopy rm` and then `onecopy gc`, or use a larger filesystem' },
  );
}
