/** What a shell may complete a value to: paths, or names in the repository. */
export type ValueKind =
  | 'directory'
  | 'file'
  | 'path'
  | 'oci'
  | 'oci-tag'
  | 'oci-digest'
  | 'stream'
  | 'image'
  | 'commit';

/** An option of `cfsctl`, global or of one command. */
export interface OptionSpec {
  /** Without the dashes. */
  readonly name: string;
  readonly short?: string;
  /** What its value is called; a flag without one. */
  readonly value?: string;
  /** May be given several times. */
  readonly isRepeatable?: boolean;
  /** All values that it takes. */
  readonly choices?: readonly string[];
  /** What a shell completes its value to. */
  readonly completes?: ValueKind;
  /** Says what is wrong with a value; undefined when nothing is. */
  readonly refuse?: (value: string) => string | undefined;
  /** Options that it cannot stand beside. */
  readonly excludes?: readonly string[];
  /** Options that it needs. */
  readonly requires?: readonly string[];
  /** The command cannot do without it. */
  readonly isRequired?: boolean;
  /** Not shown in help. */
  readonly isHidden?: boolean;
  /** For help. */
  readonly summary: string;
}

/** An operand. */
export interface OperandSpec {
  readonly name: string;
  readonly isOptional?: boolean;
  /** Takes all that are left. */
  readonly isRepeatable?: boolean;
  readonly completes?: ValueKind;
  readonly refuse?: (value: string) => string | undefined;
}

/** A command: its names, what its command line has, and what carries it out. */
export interface CommandSpec<Handler> {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly operands?: readonly OperandSpec[];
  readonly options?: readonly OptionSpec[];
  readonly load: () => Promise<Handler>;
}

/** Commands below one name. */
export interface GroupSpec<Handler> {
  readonly name: string;
  readonly summary: string;
  readonly commands: readonly CommandSpec<Handler>[];
}

/** A whole program. */
export interface ProgramSpec<Handler> {
  readonly name: string;
  readonly version: string;
  readonly options: readonly OptionSpec[];
  readonly commands: readonly (CommandSpec<Handler> | GroupSpec<Handler>)[];
}

/** Options and operands as they were given. */
export class Given {
  readonly flags = new Set<string>();
  readonly values = new Map<string, string[]>();
  readonly operands: string[] = [];

  has(name: string): boolean {
    return this.flags.has(name) || this.values.has(name);
  }

  value(name: string): string | undefined {
    return this.values.get(name)?.[0];
  }

  list(name: string): readonly string[] {
    return this.values.get(name) ?? [];
  }

  /** An operand that the grammar demands. */
  operand(index: number): string {
    return this.operands[index] as string;
  }
}

/** True for a group of commands. */
export function isGroup<Handler>(
  spec: CommandSpec<Handler> | GroupSpec<Handler>,
): spec is GroupSpec<Handler> {
  return 'commands' in spec;
}
