import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** What a forwarder does to what comes back from its server. */
export interface ForwarderFaults {
  /** Breaks a connection whenever this number of bytes has come in all. */
  readonly cutEveryBytes?: number;
  /** After this number of bytes in all, breaks all connections and takes no more. */
  readonly diesAtBytes?: number;
}

/** A port of 127.0.0.1 that leads to another address of this host, and counts bytes. */
export class Forwarder implements AsyncDisposable {
  /** Bytes that clients got, and that they sent. */
  receivedBytes = 0;
  sentBytes = 0;
  isDead = false;
  readonly #server = createServer((client) => this.#forward(client));
  readonly #sockets = new Set<Socket>();
  readonly #to: { readonly host: string; readonly port: number };
  readonly #faults: ForwarderFaults;
  #cuts = 0;

  private constructor(to: string, faults: ForwarderFaults) {
    const [host = '', port] = to.split(':');
    this.#to = { host, port: Number(port) };
    this.#faults = faults;
  }

  /** @param to `HOST:PORT` */
  static async start(to: string, faults: ForwarderFaults = {}): Promise<Forwarder> {
    const forwarder = new Forwarder(to, faults);
    forwarder.#server.listen(0, '127.0.0.1');
    await once(forwarder.#server, 'listening');
    return forwarder;
  }

  /** `127.0.0.1:PORT`. */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #forward(client: Socket): void {
    const server = connect(this.#to);
    const both = [client, server];
    for (const socket of both) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => {
        this.#sockets.delete(socket);
        for (const one of both) one.destroy();
      });
    }
    client.on('data', (piece) => {
      this.sentBytes += piece.length;
    });
    client.pipe(server);
    server.on('data', (piece: Buffer) => {
      this.receivedBytes += piece.length;
      const { cutEveryBytes = Number.POSITIVE_INFINITY, diesAtBytes } = this.#faults;
      if (diesAtBytes !== undefined && this.receivedBytes >= diesAtBytes) return this.#die();
      const cuts = Math.floor(this.receivedBytes / cutEveryBytes);
      if (cuts === this.#cuts) return void client.write(piece);
      this.#cuts = cuts;
      // Half of the piece arrives.
      client.end(piece.subarray(0, piece.length / 2));
      server.destroy();
    });
    server.once('end', () => client.end());
  }

  #die(): void {
    this.isDead = true;
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#die();
  }
}
