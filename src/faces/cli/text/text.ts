import type { Output } from '../output.ts';

/** The output functions for the text of a report. */
export interface Speaker extends Pick<Output, 'line' | 'note' | 'detail' | 'table' | 'document'> {
  /** Digests stay whole. */
  readonly noTrunc: boolean;
  /** A list is its ids alone. */
  readonly quiet: boolean;
}

/** Prints a report as text. The request decides how much is printed. */
export type Text<Report> = (
  report: Report,
  speaker: Speaker,
  request: Readonly<Record<string, unknown>>,
) => Promise<void> | void;
