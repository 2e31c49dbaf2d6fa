import { ConflictError, UnsupportedError } from '#base/errors';
import type { ErofsVersion, Repository, RepositoryChoice } from '#work/repository';
import { locateRepository, openRepository } from '#work/repository';
import type { Given } from './arguments/spec.ts';

/** Where a run reads and says things. */
export interface Surroundings {
  /** Waits for a slow reader. */
  readonly write: (piece: string | Uint8Array) => Promise<void>;
  /** Text for people. */
  readonly warn: (text: string) => void;
  /** Everything on standard input. */
  readonly readInput: () => AsyncIterable<Uint8Array>;
  readonly isTerminal: boolean;
  readonly signal: AbortSignal;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** What a command works with. */
export class Setting {
  /** For example `oci pull`. */
  readonly command: string;
  readonly globals: Given;
  readonly given: Given;
  readonly #around: Surroundings;

  constructor(command: string, globals: Given, given: Given, around: Surroundings) {
    this.command = command;
    this.globals = globals;
    this.given = given;
    this.#around = around;
  }

  get signal(): AbortSignal {
    return this.#around.signal;
  }

  get isTerminal(): boolean {
    return this.#around.isTerminal;
  }

  readInput(): AsyncIterable<Uint8Array> {
    return this.#around.readInput();
  }

  write(piece: string | Uint8Array): Promise<void> {
    return this.#around.write(piece);
  }

  /** Lines for standard output. */
  print(...lines: readonly string[]): Promise<void> {
    return this.#around.write(lines.map((line) => `${line}\n`).join(''));
  }

  /** Bytes are not for a terminal. @throws ConflictError IMAGE_OUTPUT_IS_TERMINAL */
  refuseTerminal(what: string): void {
    if (!this.#around.isTerminal) return;
    throw new ConflictError(
      'IMAGE_OUTPUT_IS_TERMINAL',
      `Cannot write ${what}: standard output is a terminal`,
      {},
    );
  }

  warn(text: string): void {
    this.#around.warn(text);
  }

  /** Which repository the options mean. */
  get choice(): RepositoryChoice {
    const { globals } = this;
    return {
      path: globals.value('repo'),
      user: globals.has('user'),
      system: globals.has('system'),
    };
  }

  get repositoryPath(): string {
    return locateRepository(this.choice);
  }

  /** The algorithm of `--hash`. */
  get algorithm(): 'sha256' | 'sha512' | undefined {
    return this.globals.value('hash') as 'sha256' | 'sha512' | undefined;
  }

  /** The version of `--erofs-version`. */
  get erofsVersion(): ErofsVersion | undefined {
    const text = this.globals.value('erofs-version');
    return text === undefined ? undefined : (Number(text) as ErofsVersion);
  }

  /** Opens the repository of the options, for the time of this command. @throws as `openRepository` */
  async open(): Promise<Repository> {
    const { globals } = this;
    if (globals.has('no-repo')) {
      throw new UnsupportedError(
        'COMMAND_NEEDS_REPOSITORY',
        '--no-repo is only supported for compute-id, compute-karg and create-dumpfile',
        { command: this.command },
      );
    }
    return await openRepository(this.repositoryPath, {
      algorithm: this.algorithm,
      erofsVersion: this.erofsVersion,
      insecure: globals.has('insecure'),
      requireVerity: globals.has('require-verity'),
      upgrade: !globals.has('no-upgrade'),
      requireMeta: globals.has('no-upgrade'),
      signal: this.signal,
    });
  }
}

/** Carries out a command that was parsed; returns its exit status where that is not 0. */
export type Handler = (setting: Setting) => Promise<number | undefined>;
