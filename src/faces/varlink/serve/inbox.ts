import { MESSAGE_BYTES_MAX, MessageSplitter } from '#formats/varlink';
import type { Connection, PassedFile } from '#work/sockets';
import { type Budget, MESSAGE_FILES_MAX } from './limits.ts';

/** A complete message with its descriptors, which the receiver disposes. */
export interface Message {
  readonly bytes: Uint8Array;
  readonly files: readonly PassedFile[];
}

/** Why a connection cannot continue: the end of its messages cannot be found any more, or descriptors are missing. */
export class InboxError extends Error {}

/** Budgets shared by all connections of a service. */
export interface Budgets {
  readonly bytes: Budget;
  readonly files: Budget;
}

/** Receives the messages of a connection, one at a time: reads nothing beyond the current message. */
export class Inbox implements Disposable {
  readonly #connection: Connection;
  readonly #budgets: Budgets;
  readonly #splitter = new MessageSplitter();
  #files: PassedFile[] = [];
  #takenBytes = 0;

  constructor(connection: Connection, budgets: Budgets) {
    this.#connection = connection;
    this.#budgets = budgets;
  }

  /** Receives the next message; undefined at the end of the stream. @throws InboxError; the reason of the signal */
  async next(signal: AbortSignal): Promise<Message | undefined> {
    for (;;) {
      const arrival = await this.#connection.receive(signal);
      if (arrival === undefined) return undefined;
      if (arrival.files.length > 0) this.#keep(arrival.files);
      if (arrival.lostFiles) throw new InboxError('descriptors');
      // One arrival ends at most one message.
      for (const bytes of this.#splitter.push(arrival.bytes)) {
        this.#budgets.bytes.give(this.#takenBytes);
        this.#takenBytes = 0;
        const files = this.#files;
        this.#files = [];
        this.#budgets.files.give(files.length);
        return { bytes, files };
      }
      this.#account();
    }
  }

  #keep(files: readonly PassedFile[]): void {
    const isTooMany = this.#files.length + files.length > MESSAGE_FILES_MAX;
    if (isTooMany || !this.#budgets.files.take(files.length)) {
      for (const file of files) file[Symbol.dispose]();
      throw new InboxError('descriptors');
    }
    this.#files.push(...files);
  }

  #account(): void {
    const { pendingBytes } = this.#splitter;
    const more = pendingBytes - this.#takenBytes;
    if (pendingBytes > MESSAGE_BYTES_MAX || !this.#budgets.bytes.take(more)) {
      throw new InboxError('message');
    }
    this.#takenBytes = pendingBytes;
  }

  /** Closes the descriptors of an incomplete message. */
  [Symbol.dispose](): void {
    for (const file of this.#files) file[Symbol.dispose]();
    this.#budgets.files.give(this.#files.length);
    this.#budgets.bytes.give(this.#takenBytes);
    this.#files = [];
    this.#takenBytes = 0;
  }
}
