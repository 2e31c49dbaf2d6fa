import { setTimeout as sleep } from 'node:timers/promises';
import { byteStringFromText } from '#base/bytes';
import { TransportError } from '#base/errors';
import {
  encodeCall,
  MESSAGE_BYTES_MAX,
  MESSAGE_END,
  MessageSplitter,
  type Parameters,
  parseReply,
  type Reply,
} from '#formats/varlink';
import { hasErrno, openReadiness, type Readiness, startActivated, UnixSocket } from '#host';
import { type Connection, connectionOf } from '#work/sockets';
import type { VarlinkMethods } from './methods.ts';

/** A descriptor that came with a reply, or goes with a call. Disposing closes it. */
export interface PassedDescriptor extends Disposable {
  readonly fd: number;
  readonly label: string;
}

/** The name of a method: the known ones are typed, any other is allowed. */
export type VarlinkMethodName = keyof VarlinkMethods | (string & {});

/** The input of a method. */
export type VarlinkInput<Method> = Method extends keyof VarlinkMethods
  ? VarlinkMethods[Method]['input']
  : Readonly<Record<string, unknown>>;

/** The output of a method. */
export type VarlinkOutput<Method> = Method extends keyof VarlinkMethods
  ? VarlinkMethods[Method]['output']
  : Readonly<Record<string, unknown>>;

/** A reply. Disposing closes the descriptors that came with it. */
export interface VarlinkReply<Output> extends Disposable {
  readonly parameters: Output;
  readonly files: readonly PassedDescriptor[];
}

/** Options of a call. */
export interface VarlinkCallOptions {
  /** Descriptors to pass, such as pipes and directories. They stay open here. */
  readonly files?: readonly PassedDescriptor[] | undefined;
  /** Cancels the call by closing the connection, which ends the work of the service. The client is then closed. */
  readonly signal?: AbortSignal | undefined;
}

/** Maximum number of descriptors of one reply. Source: Linux scm.h SCM_MAX_FD. */
const REPLY_FILES_MAX = 253;
/** Pause before the next attempt while the queue of a service is full, in milliseconds. */
const QUEUE_FULL_MS = 20;

/**
 * A client of a varlink service over one connection. Calls that are made at once run one after the other. After an error of the connection, or a
 * cancelled call, every further call fails.
 */
export class VarlinkClient implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #readiness: Readiness;
  readonly #end: () => Promise<void>;
  readonly #address: string;
  readonly #splitter = new MessageSplitter();
  #files: PassedDescriptor[] = [];
  #turn: Promise<void> = Promise.resolve();
  #isClosed = false;

  /** @internal */
  constructor(socket: UnixSocket, address: string, end: () => Promise<void>) {
    this.#readiness = openReadiness();
    this.#connection = connectionOf(socket, this.#readiness, MESSAGE_END);
    this.#address = address;
    this.#end = end;
  }

  /**
   * Calls a method that has one reply.
   * @throws TransportError VARLINK_CALL_FAILED for an error that the service returns, CONNECTION_LOST; FormatError VARLINK_MESSAGE_INVALID; the
   *   reason of the signal
   */
  async call<Method extends VarlinkMethodName>(
    method: Method,
    parameters: VarlinkInput<Method>,
    options: VarlinkCallOptions = {},
  ): Promise<VarlinkReply<VarlinkOutput<Method>>> {
    let last: VarlinkReply<VarlinkOutput<Method>> | undefined;
    for await (const reply of this.#run(method, parameters, options, false)) last = reply;
    if (last === undefined) throw this.#lost();
    return last;
  }

  /**
   * Calls a method with several replies ("more"), and yields all of them. The caller disposes each. Leaving the loop early closes the connection.
   * @throws as `call`
   */
  callMore<Method extends VarlinkMethodName>(
    method: Method,
    parameters: VarlinkInput<Method>,
    options: VarlinkCallOptions = {},
  ): AsyncGenerator<VarlinkReply<VarlinkOutput<Method>>> {
    return this.#run(method, parameters, options, true);
  }

  async *#run<Method extends VarlinkMethodName>(
    method: Method,
    parameters: VarlinkInput<Method>,
    { files = [], signal }: VarlinkCallOptions,
    more: boolean,
  ): AsyncGenerator<VarlinkReply<VarlinkOutput<Method>>> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = this.#turn;
    this.#turn = before.then(() => promise);
    let isDone = false;
    try {
      await before;
      signal?.throwIfAborted();
      if (this.#isClosed) throw this.#lost();
      const call = { method, parameters: parameters as Parameters, more, oneway: false };
      await this.#send(encodeCall(call), files, signal);
      while (!isDone) {
        const { reply, passed } = await this.#receive(signal);
        isDone = !reply.continues;
        if (reply.error !== undefined) {
          for (const file of passed) file[Symbol.dispose]();
          throw refused(method, reply);
        }
        yield {
          parameters: reply.parameters as VarlinkOutput<Method>,
          files: passed,
          [Symbol.dispose]: () => {
            for (const file of passed) file[Symbol.dispose]();
          },
        };
      }
    } finally {
      // Other replies would be taken for those of the next call.
      if (!isDone) this.#close();
      resolve();
    }
  }

  async #send(
    bytes: Uint8Array,
    files: readonly PassedDescriptor[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    try {
      await this.#connection.send(bytes, files as never, signal);
    } catch (error) {
      if (!hasErrno(error, 'EPIPE') && !hasErrno(error, 'ECONNRESET')) throw error;
      throw this.#lost(error);
    }
  }

  async #receive(
    signal: AbortSignal | undefined,
  ): Promise<{ readonly reply: Reply; readonly passed: readonly PassedDescriptor[] }> {
    for (;;) {
      const arrival = await this.#connection.receive(signal);
      if (arrival === undefined) throw this.#lost();
      this.#files.push(...arrival.files);
      if (arrival.lostFiles || this.#files.length > REPLY_FILES_MAX) throw this.#lost();
      for (const bytes of this.#splitter.push(arrival.bytes)) {
        const passed = this.#files;
        this.#files = [];
        return { reply: parseReply(bytes), passed };
      }
      if (this.#splitter.pendingBytes > MESSAGE_BYTES_MAX) throw this.#lost();
    }
  }

  #lost(cause?: unknown): TransportError {
    return new TransportError(
      'CONNECTION_LOST',
      `Cannot call the service at "${this.#address}": the connection has ended`,
      { url: this.#address, retryable: true },
      cause === undefined ? {} : { cause },
    );
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const file of this.#files) file[Symbol.dispose]();
    this.#files = [];
    this.#connection[Symbol.dispose]();
  }

  /** Closes the connection, which cancels a running call. A program that this client started has ended afterwards. */
  async [Symbol.asyncDispose](): Promise<void> {
    // Rejects what still waits for the connection, before its descriptor is closed.
    await this.#readiness[Symbol.asyncDispose]();
    this.#close();
    await this.#end();
  }
}

function refused(method: string, { error = '', parameters }: Reply): TransportError {
  const { message } = parameters;
  const said = typeof message === 'string' ? message : JSON.stringify(parameters);
  return new TransportError('VARLINK_CALL_FAILED', `Cannot call ${method}: ${error}: ${said}`, {
    method,
    error,
    parameters: parameters as never,
    retryable: false,
  });
}

/**
 * Connects to the socket of a service.
 * @param address a path, also as `unix:PATH`
 * @throws HostError SYSCALL_FAILED (ENOENT; ECONNREFUSED where nobody listens); the reason of the signal
 */
export async function connectVarlink(
  address: string,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<VarlinkClient> {
  const path = byteStringFromText(address.replace(/^unix:/, ''));
  for (;;) {
    signal?.throwIfAborted();
    const socket = UnixSocket.connect(path);
    if (socket !== undefined) return new VarlinkClient(socket, address, async () => undefined);
    await sleep(QUEUE_FULL_MS);
  }
}

/**
 * Starts a program that serves one connection, as systemd starts it by its socket: `startVarlink('onecopy', ['varlink'])`.
 * @throws HostError SYSCALL_FAILED; a program that cannot be started ends the connection of the first call
 */
export async function startVarlink(
  command: string,
  args: readonly string[] = [],
): Promise<VarlinkClient> {
  const { socket, end } = await startActivated(command, args);
  return new VarlinkClient(socket, [command, ...args].join(' '), end);
}
