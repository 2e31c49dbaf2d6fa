/** A term and its explanation, for example an option. */
export interface Entry {
  readonly term: string;
  /** A phrase without a full stop. */
  readonly says: string;
}

/** A command line with what it does. */
export interface CommandExample {
  readonly says: string;
  readonly command: string;
}

/** A section of a page. Absent parts are omitted. */
export interface Section {
  readonly heading: string;
  readonly paragraphs?: readonly string[];
  readonly entries?: readonly Entry[];
  readonly examples?: readonly CommandExample[];
}

/** A page of the manual, independent of its output format (terminal, man page, Markdown). */
export interface Page {
  /** What the page is about, for example `onecopy image dump`. */
  readonly title: string;
  /** Section of the manual; 1 when absent. */
  readonly chapter?: number;
  /** An imperative phrase without a full stop. */
  readonly summary: string;
  /** The synopsis; undefined on a page that does not explain a command. */
  readonly usage: string | undefined;
  readonly sections: readonly Section[];
}

/** The phrase as a sentence. */
export function sentence(phrase: string): string {
  return `${phrase.charAt(0).toUpperCase()}${phrase.slice(1)}.`;
}
