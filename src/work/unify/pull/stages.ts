import type { OperationOptions, ProgressEvent, ProgressListener } from '#base/flow';

/** Names of the stages of an operation on three stores, as reported in its progress. */
export type StageName = 'composefs' | 'containers-storage' | 'ostree';

const WHOLE = 'unified';

/**
 * Combines the progress of all stages. The component `unified` counts the stages; components of a stage have its name as prefix, such as
 * `ostree:synthesize`.
 */
export class Stages {
  readonly #onProgress: ProgressListener | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #started = performance.now();
  readonly #ms = new Map<StageName, number>();
  #done = 0;

  constructor({ onProgress, signal }: OperationOptions, total: number) {
    this.#onProgress = onProgress;
    this.#signal = signal;
    onProgress?.({ type: 'started', id: WHOLE, unit: 'items', total });
  }

  /** Runs one stage with its own options. */
  async run<Result>(
    name: StageName,
    work: (options: OperationOptions) => Promise<Result>,
  ): Promise<Result> {
    this.#signal?.throwIfAborted();
    const began = performance.now();
    const result = await work({ signal: this.#signal, onProgress: this.#within(name) });
    this.#ms.set(name, (this.#ms.get(name) ?? 0) + Math.round(performance.now() - began));
    this.#done += 1;
    this.#onProgress?.({ type: 'advanced', id: WHOLE, done: this.#done });
    return result;
  }

  /** Ends the progress; returns the wall time in milliseconds. */
  finish() {
    this.#onProgress?.({ type: 'done', id: WHOLE, transferred: this.#done });
    return {
      composefs: this.#ms.get('composefs') ?? 0,
      containersStorage: this.#ms.get('containers-storage') ?? 0,
      ostree: this.#ms.get('ostree') ?? 0,
      total: Math.round(performance.now() - this.#started),
    };
  }

  #within(name: StageName): ProgressListener | undefined {
    const listen = this.#onProgress;
    if (listen === undefined) return undefined;
    return (event: ProgressEvent) => {
      listen(event.type === 'note' ? event : { ...event, id: `${name}:${event.id}` });
    };
  }
}
