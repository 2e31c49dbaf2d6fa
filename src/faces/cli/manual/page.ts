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

/** A part of a page under a heading. What it lacks is not drawn. */
export interface Section {
  readonly heading: string;
  readonly paragraphs?: readonly string[];
  readonly entries?: readonly Entry[];
  readonly examples?: readonly CommandExample[];
}

/** A page of the manual, before it is drawn on a terminal, as a man page or in Markdown. */
export interface Page {
  /** What the page is about, for example `onecopy image dump`. */
  readonly title: string;
  /** An imperative phrase without a full stop. */
  readonly summary: string;
  /** The command line in short; undefined on a page that explains no command. */
  readonly usage: string | undefined;
  readonly sections: readonly Section[];
}

/** The phrase as a sentence. */
export function sentence(phrase: string): string {
  return `${phrase.charAt(0).toUpperCase()}${phrase.slice(1)}.`;
}
