import { NotFoundError } from '#base/errors';
import { MESSAGE_END } from '#formats/varlink';
import { isActivated, type Listener, listenAt, takeActivated } from '#work/sockets';
import { type Conversation, converse } from './conversation.ts';
import { Dispatcher } from './dispatch.ts';
import {
  Budget,
  CONNECTIONS_MAX,
  LONG_CALLS_MAX,
  PENDING_BYTES_MAX,
  PENDING_FILES_MAX,
  Turns,
} from './limits.ts';
import type { Service } from './service.ts';

/** Options of serving. */
export interface ServeOptions {
  /** Path of the socket file to create. A socket passed by a service manager takes precedence. */
  readonly address: string | undefined;
  readonly signal: AbortSignal;
  /** Called for a connection that ended by a bug of this program. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * Serves until the signal; on a passed connected socket, until its client disconnects. The socket file is removed at the end.
 * @throws NotFoundError SOCKET_NOT_FOUND with neither an address nor a passed socket; HostError SYSCALL_FAILED
 */
export async function serve(service: Service, options: ServeOptions): Promise<void> {
  const { address, signal, onFailure } = options;
  await using background = new Background(signal, onFailure);
  const conversation: Conversation = {
    dispatcher: new Dispatcher(service, new Turns(LONG_CALLS_MAX)),
    budgets: { bytes: new Budget(PENDING_BYTES_MAX), files: new Budget(PENDING_FILES_MAX) },
    signal,
    background: (work) => background.start(work),
  };
  if (isActivated()) {
    const passed = takeActivated(MESSAGE_END);
    if (passed.kind === 'listener') {
      await serveAll(passed.listener, conversation, options);
      return;
    }
    await using own = passed.own;
    await converse(own.connection, conversation);
    return;
  }
  if (address === undefined) {
    throw new NotFoundError(
      'SOCKET_NOT_FOUND',
      'Cannot serve: expected --address, or a socket from a service manager, found neither',
      {},
      { hint: 'Pass --address=PATH' },
    );
  }
  await serveAll(listenAt(address, MESSAGE_END), conversation, options);
}

/** Work that goes on after its call. Disposing waits for its end. */
class Background implements AsyncDisposable {
  readonly #signal: AbortSignal;
  readonly #onFailure: (error: unknown) => void;
  readonly #running = new Set<Promise<void>>();

  constructor(signal: AbortSignal, onFailure: (error: unknown) => void) {
    this.#signal = signal;
    this.#onFailure = onFailure;
  }

  start(work: (signal: AbortSignal) => Promise<void>): void {
    const one = work(this.#signal)
      .catch((error: unknown) => {
        if (!this.#signal.aborted) this.#onFailure(error);
      })
      .finally(() => this.#running.delete(one));
    this.#running.add(one);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#running);
  }
}

/** Accepts connections until the signal, then waits until all work for them has stopped. */
async function serveAll(
  listener: Listener,
  conversation: Conversation,
  { onFailure }: ServeOptions,
): Promise<void> {
  const { signal } = conversation;
  const places = new Turns(CONNECTIONS_MAX);
  const running = new Set<Promise<void>>();
  try {
    for (;;) {
      const place = await places.take(signal);
      const connection = await listener.accept(signal);
      const one = converse(connection, conversation)
        .catch(onFailure)
        .finally(() => {
          connection[Symbol.dispose]();
          place[Symbol.dispose]();
          running.delete(one);
        });
      running.add(one);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await Promise.all(running);
    await listener[Symbol.asyncDispose]();
  }
}
