import { isOnecopyError, type OnecopyError } from './classes.ts';

/** Longest cause chain that is printed; a longer (or circular) chain is truncated. */
const CAUSES_MAX = 8;

/** JSON form of an error, as `--json` prints it under the key `error`. */
export interface ErrorDocument {
  readonly code: string;
  readonly message: string;
  readonly details: { readonly [key: string]: unknown };
  readonly causes: readonly string[];
  readonly hint: string | null;
}

function causesOf(error: Error): Error[] {
  const causes: Error[] = [];
  let next = error.cause;
  while (next instanceof Error && causes.length < CAUSES_MAX) {
    causes.push(next);
    next = next.cause;
  }
  return causes;
}

function hintOf(error: Error): string | undefined {
  return [error, ...causesOf(error)].find(
    (e): e is OnecopyError => isOnecopyError(e) && e.hint !== undefined,
  )?.hint;
}

/** The error as lines for people: message, `  cause: …` lines, then `  hint: …`; no trailing newline. */
export function renderErrorText(error: Error): string {
  const lines = [error.message, ...causesOf(error).map((cause) => `  cause: ${cause.message}`)];
  const hint = hintOf(error);
  if (hint !== undefined) lines.push(`  hint: ${hint}`);
  return lines.map(onOneLine).join('\n');
}

/** A message may quote a server or a file: the quoted text must not look like a line of this program. */
function onOneLine(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, ' ');
}

/** The error as a JSON-safe document. Errors of other libraries get the code `INTERNAL`. */
export function renderErrorDocument(error: Error): ErrorDocument {
  return {
    code: isOnecopyError(error) ? error.code : 'INTERNAL',
    message: error.message,
    details: isOnecopyError(error) ? error.details : {},
    causes: causesOf(error).map((cause) => cause.message),
    hint: hintOf(error) ?? null,
  };
}
