import { type OpenOptions, openRepository, type Repository } from '#work/repository';
import { HANDLES_MAX } from './limits.ts';

/** How a service opens repositories. */
export type RepositoryRules = Pick<OpenOptions, 'insecure' | 'requireVerity' | 'upgrade'>;

/** How a call uses a repository: briefly, for long and shared with others, or exclusively in this process. */
export type Use = 'short' | 'long' | 'alone';

/** A handle that a client holds. */
interface Held {
  readonly path: string;
  /** Position in the order of use: the handle that was used last has the largest value. */
  used: number;
}

/**
 * The repositories of all clients of a process, by handle. A handle is valid on every connection, and outlives the connection that opened it. A
 * handle keeps nothing open and locks nothing: each call opens the repository itself, so an idle handle never delays garbage collection. Handle
 * numbers are not reused.
 */
export class OpenRepositories {
  readonly #rules: RepositoryRules;
  readonly #held = new Map<number, Held>();
  readonly #gates = new Map<string, Gate>();
  #next = 1;
  #uses = 0;

  constructor(rules: RepositoryRules) {
    this.#rules = rules;
  }

  /**
   * Opens a repository once, and returns a handle for it. With too many handles, the least recently used one is closed.
   * @throws as `openRepository`
   */
  async open<T>(
    path: string,
    signal: AbortSignal,
    look: (repository: Repository) => T,
  ): Promise<{ handle: number; found: T }> {
    const found = await this.use(path, 'short', signal, async (repository) => look(repository));
    if (this.#held.size >= HANDLES_MAX) this.#reclaim();
    const handle = this.#next;
    this.#next += 1;
    this.#held.set(handle, { path, used: this.#stamp() });
    return { handle, found };
  }

  /** False for an unknown handle. */
  close(handle: number): boolean {
    return this.#held.delete(handle);
  }

  /** The path behind a handle; undefined for an unknown one. */
  pathOf(handle: number): string | undefined {
    const held = this.#held.get(handle);
    if (held === undefined) return undefined;
    held.used = this.#stamp();
    return held.path;
  }

  /**
   * Opens a repository for one call. An exclusive call gets its turn however many others there are: later calls wait for it.
   */
  async use<T>(
    path: string,
    use: Use,
    signal: AbortSignal,
    work: (repository: Repository) => Promise<T>,
  ): Promise<T> {
    using _passed = await this.gate(path, use, signal);
    using repository = await openRepository(path, { ...this.#rules, signal });
    return await work(repository);
  }

  /** Opens a repository for a call that does not hold the lock while it waits for its client. The caller disposes it. @throws as `openRepository` */
  async openUngated(path: string, signal: AbortSignal): Promise<Repository> {
    return await openRepository(path, { ...this.#rules, signal });
  }

  /** Waits until this process may use a repository in this way; disposing the result ends the use. @throws the reason of the signal */
  async gate(path: string, use: Use, signal: AbortSignal): Promise<Disposable> {
    const gate = this.#gates.get(path) ?? new Gate();
    this.#gates.set(path, gate);
    gate.users += 1;
    const leave = () => {
      gate.users -= 1;
      if (gate.users === 0) this.#gates.delete(path);
    };
    try {
      const pass = await gate.enter(use, signal);
      return {
        [Symbol.dispose]: () => {
          pass();
          leave();
        },
      };
    } catch (error) {
      leave();
      throw error;
    }
  }

  #stamp(): number {
    this.#uses += 1;
    return this.#uses;
  }

  #reclaim(): void {
    let oldest: number | undefined;
    let used = Number.POSITIVE_INFINITY;
    for (const [handle, held] of this.#held) {
      if (held.used >= used) continue;
      oldest = handle;
      used = held.used;
    }
    if (oldest !== undefined) this.#held.delete(oldest);
  }
}

/** Admits users in order of arrival; while a long user is inside, short users pass the waiting ones. */
class Gate {
  /** Number of users inside or waiting. */
  users = 0;
  readonly #inside: Record<Use, number> = { short: 0, long: 0, alone: 0 };
  readonly #queue: { readonly use: Use; readonly go: () => void }[] = [];

  async enter(use: Use, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const entry = { use, go: resolve };
    const stop = () => {
      const at = this.#queue.indexOf(entry);
      if (at < 0) return;
      this.#queue.splice(at, 1);
      this.#admit();
      reject(signal.reason);
    };
    this.#queue.push(entry);
    signal.addEventListener('abort', stop, { once: true });
    this.#admit();
    await promise.finally(() => signal.removeEventListener('abort', stop));
    return () => {
      this.#inside[use] -= 1;
      this.#admit();
    };
  }

  #admit(): void {
    for (let at = 0; at < this.#queue.length; ) {
      const entry = this.#queue[at];
      if (entry !== undefined && this.#mayEnter(entry.use, at)) {
        this.#queue.splice(at, 1);
        this.#inside[entry.use] += 1;
        entry.go();
      } else at += 1;
    }
  }

  #mayEnter(use: Use, at: number): boolean {
    const { short, long, alone } = this.#inside;
    if (alone > 0) return false;
    if (use === 'alone') return at === 0 && short + long === 0;
    const isFirst = !this.#queue.slice(0, at).some((before) => before.use === 'alone');
    return isFirst || (use === 'short' && long > 0);
  }
}
