/** How the text of an option becomes the value of its key. */
export type Take =
  /** Given or not; `--no-x` gives false. */
  | 'flag'
  | 'text'
  /** May be given several times. */
  | 'texts'
  /** A whole number from 0. */
  | 'number'
  /** A path, made absolute. */
  | 'path'
  /** Paths, made absolute; may be given several times. */
  | 'paths'
  | ((text: string, option: string) => unknown);

/** An option of a verb: its spelling, its words, and the key of the request that it gives. */
export interface OptionGrammar {
  /** As commander reads them, for example `-l, --long` or `--depth <n>`. */
  readonly flags: string;
  /** What it does, for the help page: an imperative phrase without a full stop. */
  readonly says: string;
  readonly key: string;
  /** `flag` for an option without a value, else `text`, unless it says otherwise. */
  readonly take?: Take;
  /** The value that the flag gives; true when absent. */
  readonly gives?: string;
  /** How a value is spelled where `take` is a function whose opposite is not `String`. */
  readonly spell?: (value: unknown) => string;
  /** True when it may be given several times and `take` reads one. */
  readonly isRepeated?: boolean;
  /** All values that it can have. */
  readonly values?: readonly string[];
  /** What its value is, for completion. */
  readonly completes?: 'files' | 'names';
  /** Understood and left out of the help page. */
  readonly isHidden?: boolean;
  /** Heading on the help page. */
  readonly heading?: string;
}

/** An operand of a verb. */
export interface OperandGrammar {
  /** As commander reads it: `<name>`, `[path]`, `<name...>`. */
  readonly usage: string;
  /** What it is, for the help page: a phrase without a full stop. */
  readonly says: string;
  readonly key: string;
  readonly take?: 'text' | 'path' | 'paths' | ((text: string) => Readonly<Record<string, unknown>>);
  /** How it is spelled, where it gives several keys. */
  readonly spell?: (request: Readonly<Record<string, unknown>>) => string;
  readonly completes?: 'files' | 'names' | 'names:/' | 'commits';
}

/** Another spelling of a verb that is still understood. */
export interface AliasGrammar {
  readonly name: string;
  /** What it asks for beside what is given. */
  readonly request?: Readonly<Record<string, unknown>>;
}

/** How a verb is spelled on a command line. */
export interface Grammar {
  readonly operands?: readonly OperandGrammar[];
  readonly options?: readonly OptionGrammar[];
  /** Text below the summary; an empty line ends a paragraph. */
  readonly help?: string;
  /** What exit status 3 means, where the verb can have findings. */
  readonly finding?: string;
  /** Names of verbs to read about next; without it the others of the group. */
  readonly seeAlso?: readonly string[];
  readonly aliases?: readonly AliasGrammar[];
  /** Keys that the environment gives where the command line does not. */
  readonly environment?: () => Readonly<Record<string, unknown>>;
  /** A question that is asked before something that cannot be undone; `place` is the repository. */
  readonly question?: (
    request: Readonly<Record<string, unknown>>,
    place: string,
  ) => string | undefined;
}
