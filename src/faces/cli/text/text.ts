import type { Output } from '../output.ts';

/** What the text of a report is written with. */
export interface Speaker extends Pick<Output, 'line' | 'note' | 'detail' | 'table' | 'document'> {
  /** Digests stay whole. */
  readonly noTrunc: boolean;
  /** A list is its ids alone. */
  readonly quiet: boolean;
}

/** The text of a report for people. It gets the request too, which says how much is to be shown. */
export type Text<Report> = (
  report: Report,
  speaker: Speaker,
  request: Readonly<Record<string, unknown>>,
) => Promise<void> | void;
