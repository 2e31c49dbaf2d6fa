import type { MethodCall } from './service.ts';

/** Sends the progress of a running call, as replies that others follow. For a slow client, only the last unsent frame of each key is kept. */
export class Frames {
  readonly #call: Pick<MethodCall, 'more' | 'send'>;
  readonly #waiting = new Map<string, Readonly<Record<string, unknown>>>();
  #sending: Promise<void> | undefined;
  #failure: unknown;

  constructor(call: Pick<MethodCall, 'more' | 'send'>) {
    this.#call = call;
  }

  /** Adds a frame; replaces an unsent frame of the same key. */
  add(key: string, parameters: Readonly<Record<string, unknown>>): void {
    if (!this.#call.more) return;
    this.#waiting.delete(key);
    this.#waiting.set(key, parameters);
    this.#sending ??= this.#send().catch((error: unknown) => {
      this.#failure = error;
    });
  }

  async #send(): Promise<void> {
    for (let next = this.#shift(); next !== undefined; next = this.#shift()) {
      await this.#call.send({ parameters: next });
    }
    this.#sending = undefined;
  }

  #shift(): Readonly<Record<string, unknown>> | undefined {
    const [first] = this.#waiting;
    if (first === undefined) return undefined;
    this.#waiting.delete(first[0]);
    return first[1];
  }

  /** Waits until all frames were sent. @throws what sending threw */
  async flush(): Promise<void> {
    while (this.#sending !== undefined && this.#failure === undefined) await this.#sending;
    if (this.#failure !== undefined) throw this.#failure;
  }
}
