/** How the text of an option becomes the value of its key. */
export type Take =
  /** A switch; `--no-x` gives false. */
  | 'flag'
  | 'text'
  /** May be given several times. */
  | 'texts'
  /** A whole number from 0. */
  | 'number'
  /** A size in bytes, with an optional suffix such as k, M or GiB. */
  | 'size'
  /** A path, made absolute. */
  | 'path'
  /** Paths, made absolute; may be given several times. */
  | 'paths'
  | ((text: string, option: string) => unknown);

/** An option of a verb: its flags, its help, and the key of the request that it sets. */
export interface OptionGrammar {
  /** In the syntax of commander, for example `-l, --long` or `--depth <n>`. */
  readonly flags: string;
  /** What it does, for the help page: an imperative phrase without a full stop. */
  readonly says: string;
  readonly key: string;
  /** Default: `flag` for an option without a value, `text` for others. */
  readonly take?: Take;
  /** The value that the flag gives; true when absent. */
  readonly gives?: string;
  /** Converts a value to text, if `take` is a function whose inverse is not `String`. */
  readonly spell?: (value: unknown) => string;
  /** True when the option may be repeated and `take` converts one value. */
  readonly isRepeated?: boolean;
  /** All values that it can have. */
  readonly values?: readonly string[];
  /** Kind of the value, for completion. */
  readonly completes?: 'files' | 'names';
  /** Accepted, but omitted from the help page. */
  readonly isHidden?: boolean;
  /** Heading on the help page. */
  readonly heading?: string;
}

/** An operand of a verb. */
export interface OperandGrammar {
  /** In the syntax of commander: `<name>`, `[path]`, `<name...>`. */
  readonly usage: string;
  /** What it is, for the help page: a phrase without a full stop. */
  readonly says: string;
  readonly key: string;
  readonly take?: 'text' | 'path' | 'paths' | ((text: string) => Readonly<Record<string, unknown>>);
  /** Converts the request to text, if the operand sets several keys. */
  readonly spell?: (request: Readonly<Record<string, unknown>>) => string;
  readonly completes?: 'files' | 'names' | 'names:/' | 'commits';
}

/** An alias of a verb. */
export interface AliasGrammar {
  readonly name: string;
  /** Keys of the request that the alias sets. */
  readonly request?: Readonly<Record<string, unknown>>;
}

/** Syntax and help of a verb on the command line. */
export interface Grammar {
  readonly operands?: readonly OperandGrammar[];
  readonly options?: readonly OptionGrammar[];
  /** Text below the summary; an empty line ends a paragraph. */
  readonly help?: string;
  /** Meaning of exit status 3, for a verb that can have findings. */
  readonly finding?: string;
  /** Names of related verbs (default: the other verbs of the group). */
  readonly seeAlso?: readonly string[];
  readonly aliases?: readonly AliasGrammar[];
  /** Keys that environment variables set, if the command line does not. */
  readonly environment?: () => Readonly<Record<string, unknown>>;
  /** The question before a change that cannot be undone; `place` is the repository. */
  readonly question?: (
    request: Readonly<Record<string, unknown>>,
    place: string,
  ) => string | undefined;
}
