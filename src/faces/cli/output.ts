import { styleText } from 'node:util';
import { plainJson, plainLine } from '#base/bytes';
import type { JsonValue } from '#base/errors';
import { isOnecopyError, renderErrorDocument, renderErrorText } from '#base/errors';
import { stderr, stdout } from '#faces/terminal';

/** Version of every JSON document; keys are only ever added. */
const SCHEMA_VERSION = 1;

/** Exit status of a wrong command line. */
export const EXIT_USAGE = 2;
/** Exit status of a run that is done but has findings. */
export const EXIT_FINDINGS = 3;

/** One cell row of a table for people. */
export type Row = readonly string[];

/** Output of a run: data on stdout, everything else on stderr. */
export interface Output {
  readonly json: boolean;
  /** Prints the one JSON document of the run. */
  document(value: { readonly [key: string]: unknown }): void;
  /** Prints a line of data as text; nothing with `--json`. Line feeds in the text are escaped. */
  line(text: string): void;
  /** Prints raw bytes of data. */
  bytes(piece: Uint8Array): Promise<void>;
  /** True once raw bytes were printed. */
  readonly hasGivenContents: boolean;
  /** Prints a table for people; columns named in `right` are right-aligned. */
  table(head: Row, rows: readonly Row[], right?: readonly string[]): Promise<void>;
  /** Prints a note on stderr, unless `--quiet` or `--json` is given. */
  note(text: string): void;
  /** Prints a warning on stderr, also with `--quiet`; with `--json` it is part of the document. */
  warn(text: string): void;
  /** The warnings that belong to the document. */
  readonly warnings: readonly string[];
  /** Prints a detail on stderr, with `--verbose` only. */
  detail(text: string): void;
}

/** Creates the output of a run. */
export function createOutput(options: {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
}): Output {
  const { json, quiet, verbose } = options;
  const say = (text: string) => stderr.write(`onecopy: ${plainLine(text)}\n`);
  const warnings: string[] = [];
  let hasGivenContents = false;
  return {
    json,
    get hasGivenContents() {
      return hasGivenContents;
    },
    document(value) {
      const document = { schemaVersion: SCHEMA_VERSION, ...value, ...listed(warnings) };
      stdout.write(`${plainJson(JSON.stringify(document, toJson, 2))}\n`);
    },
    line(text) {
      if (!json) stdout.write(`${plainLine(text)}\n`);
    },
    async bytes(piece) {
      hasGivenContents = true;
      if (stdout.stream.write(piece)) return;
      await new Promise((resolve) => stdout.stream.once('drain', resolve));
    },
    async table(head, rows, right = []) {
      if (json) return;
      const { formatTable } = await import('./columns.ts');
      const [names = '', ...lines] = await formatTable(head, rows, right);
      stdout.writeStyled(`${[bold(names), ...lines].join('\n')}\n`);
    },
    note(text) {
      if (!quiet && !json) say(text);
    },
    warnings,
    warn(text) {
      if (json) warnings.push(text);
      else say(`warning: ${text}`);
    },
    detail(text) {
      if (verbose) say(text);
    },
  };
}

/** The member of a document that lists the warnings of the run; absent without any. */
function listed(warnings: readonly string[]): { readonly warnings?: readonly string[] } {
  return warnings.length === 0 ? {} : { warnings };
}

function bold(text: string): string {
  return styleText('bold', text, { stream: stdout.stream });
}

function toJson(_key: string, value: unknown): JsonValue | undefined {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Map) return Object.fromEntries(value) as JsonValue;
  if (value instanceof Set) return [...value] as JsonValue;
  return value as JsonValue | undefined;
}

/** How an error is reported. */
export interface ReportOptions {
  readonly json: boolean;
  /** Also shows the stack of an unexpected cause. */
  readonly verbose: boolean;
  /** Exit status that a signal asks for, when the run was interrupted. */
  readonly interrupted: number | undefined;
  /** Warnings that were not printed, because the document lists them. */
  readonly warnings?: readonly string[];
}

/** An error as one line of JSON. */
export function errorLine(
  error: Error,
  code: { readonly code?: string } = {},
  warnings: readonly string[] = [],
): string {
  const document = {
    schemaVersion: SCHEMA_VERSION,
    error: { ...renderErrorDocument(error), ...code },
    ...listed(warnings),
  };
  return plainJson(JSON.stringify(document, toJson));
}

/** Prints an error on stderr in the wanted form and returns the exit status of the run. */
export function reportError(error: unknown, options: ReportOptions): number {
  const shown = error instanceof Error ? error : new Error(String(error));
  const isInterrupted = options.interrupted !== undefined && !isOnecopyError(shown);
  if (options.json) {
    const code = isInterrupted ? { code: 'INTERRUPTED' } : {};
    stderr.write(`${errorLine(shown, code, options.warnings)}\n`);
  } else {
    stderr.write(`onecopy: ${renderErrorText(shown)}\n`);
    const isBug = !isInterrupted && !isOnecopyError(shown);
    if ((isBug || options.verbose) && shown.stack) stderr.write(`${shown.stack}\n`);
  }
  if (options.interrupted !== undefined) return options.interrupted;
  return isOnecopyError(shown) ? shown.exitCode : 1;
}
