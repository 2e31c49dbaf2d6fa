/** Exit status of a run that a signal ended: 128 + signal number, as in shells. The state that the run leaves can be resumed. */
const EXIT_BY_SIGNAL = { SIGINT: 130, SIGTERM: 143 } as const;
type Ending = keyof typeof EXIT_BY_SIGNAL;

/**
 * Ctrl-C and SIGTERM while a verb runs: the first cancels the work at its next boundary, which cleans up; the second leaves at once.
 * Both are safe for the repository.
 */
export class Interruption implements Disposable {
  readonly #abort = new AbortController();
  readonly #handlers = new Map<Ending, () => void>();
  #leave: () => void = () => {};
  #afterwards = 'repeat the command to start again';
  #ended: Ending | undefined;

  /** Begins to listen. Until then a signal ends the process, as it does any other program. */
  listen(): void {
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      const handler = () => this.#receive(name);
      this.#handlers.set(name, handler);
      process.on(name, handler);
    }
  }

  /** Cancels what runs. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** The exit status that the signal asks for; undefined when none came. */
  get exitStatus(): number | undefined {
    return this.#ended === undefined ? undefined : EXIT_BY_SIGNAL[this.#ended];
  }

  /** Cleanup before an immediate exit, for example showing the cursor again. */
  onLeave(leave: () => void): void {
    this.#leave = leave;
  }

  /** Text for a cancelled run: how to go on. */
  sayAfterwards(afterwards: string): void {
    this.#afterwards = afterwards;
  }

  #receive(name: Ending): void {
    if (this.#ended !== undefined) {
      this.#leave();
      process.exit(EXIT_BY_SIGNAL[name]);
    }
    this.#ended = name;
    this.#abort.abort(new Error(`Interrupted; ${this.#afterwards}`));
  }

  [Symbol.dispose](): void {
    for (const [name, handler] of this.#handlers) process.removeListener(name, handler);
  }
}
