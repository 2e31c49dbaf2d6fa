import { FormatError } from '#base/errors';

/** A configuration file that the caller has read: its path for messages, and its text. */
export interface ConfigFile {
  readonly name: string;
  readonly text: string;
}

/** Position and reason of an error in a file. */
export interface ConfigFault {
  readonly expected: string;
  readonly found: string;
  /** From 1; set by parsers only. */
  readonly line?: number;
  readonly cause?: unknown;
  readonly hint?: string;
  /** Why images are refused because of the error, for reports. */
  readonly class?: string;
}

/** The error of every configuration file: CONFIG_INVALID with the file, and the line if known. */
export function configInvalid(file: string, fault: ConfigFault): FormatError {
  const { expected, line, cause, hint, class: kind } = fault;
  const found = fault.found.slice(0, 200);
  const place = line === undefined ? '' : ` line ${line}`;
  return new FormatError(
    'CONFIG_INVALID',
    `Cannot read "${file}"${place}: expected ${expected}, found ${found}`,
    {
      offset: 0,
      what: file,
      expected,
      found,
      ...(line === undefined ? {} : { line }),
      ...(kind === undefined ? {} : { class: kind }),
    },
    { ...(cause === undefined ? {} : { cause }), ...(hint === undefined ? {} : { hint }) },
  );
}

/** Describes a value of a parsed file in messages. */
export function describeValue(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object') return value instanceof Date ? 'a date' : 'a table';
  return JSON.stringify(value)?.slice(0, 100) ?? typeof value;
}
