import { byteStringFromText } from '#base/bytes';
import { type Descriptor, openReadiness, type Readiness, UnixSocket } from '#host';

/** One reply as it came. */
export interface RawReply {
  readonly text: string;
  readonly files: readonly (Disposable & { readonly fd: number; readonly label: string })[];
}

/** A client that sends what it is given and checks nothing. */
export class RawClient implements AsyncDisposable {
  readonly #readiness: Readiness = openReadiness();
  readonly socket: UnixSocket;

  constructor(socket: UnixSocket) {
    this.socket = socket;
  }

  /** Connects to a socket file, as soon as a service listens there. */
  static async open(path: string): Promise<RawClient> {
    for (let tries = 0; ; tries += 1) {
      try {
        const socket = UnixSocket.connect(byteStringFromText(path));
        if (socket !== undefined) return new RawClient(socket);
      } catch (error) {
        if (tries > 1500) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async send(bytes: Uint8Array, files: readonly Descriptor[] = []): Promise<void> {
    let passed = files;
    for (let at = 0; at < bytes.length; ) {
      const count = this.socket.send(bytes.subarray(at), passed);
      at += count;
      if (count > 0) passed = [];
      else await this.#readiness.wait(this.socket, 'write');
    }
  }

  /** The next reply; undefined at the end of the connection. */
  async receive(): Promise<RawReply | undefined> {
    const pieces: Buffer[] = [];
    const files: RawReply['files'][number][] = [];
    for (;;) {
      const arrival = this.socket.receive(0);
      if (arrival === undefined) {
        await this.#readiness.wait(this.socket, 'read');
        continue;
      }
      if (arrival.bytes.length === 0) return undefined;
      pieces.push(arrival.bytes);
      files.push(...arrival.files);
      if (arrival.bytes.at(-1) !== 0) continue;
      return { text: Buffer.concat(pieces).subarray(0, -1).toString(), files };
    }
  }

  /** Sends a message and receives its replies, to the one that no other follows. */
  async call(message: object, files: readonly Descriptor[] = []): Promise<RawReply[]> {
    await this.send(Buffer.from(`${JSON.stringify(message)}\0`), files);
    const replies: RawReply[] = [];
    for (;;) {
      const reply = await this.receive();
      if (reply === undefined) return replies;
      replies.push(reply);
      if (JSON.parse(reply.text).continues !== true) return replies;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#readiness[Symbol.asyncDispose]();
    this.socket[Symbol.dispose]();
  }
}
