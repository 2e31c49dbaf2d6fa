import { formatSize } from '../units.ts';
import type { Speaker } from './text.ts';

/** The keys of a report that the text of a checkout uses. */
interface Checkout {
  readonly leftOut: readonly { readonly path: string; readonly reason: string }[];
}

/** Prints what could not be restored. */
export function noteLeftOut({ leftOut }: Checkout, note: Speaker['note']): void {
  for (const { path, reason } of leftOut) note(`skipped ${path}: ${reason}`);
}

/** `1 file`, `2 files`. */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Prints how much was shared and copied. */
export function sharesText(report: {
  readonly reflinkedBytes: number;
  readonly copiedBytes: number;
  readonly inlineBytes: number;
}): string {
  const copied = report.copiedBytes + report.inlineBytes;
  return `${formatSize(report.reflinkedBytes)} shared, ${formatSize(copied)} copied`;
}
