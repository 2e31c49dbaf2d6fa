/**
 * Connections of services and clients on this host, as faces see them: messages with descriptors, over sockets of the kernel.
 *
 *     listenAt (a path), takeActivated (a service manager) ─▶ Listener ─ accept ─▶ Connection
 */

export { type Activation, isActivated, takeActivated } from './activation.ts';
export { type Arrival, type Connection, connectionOf, type PassedFile } from './connection.ts';
export { type Listener, listenAt, type OwnConnection } from './listen.ts';
export {
  isWithoutReader,
  type KeepAlive,
  openKeepAlive,
  openPipeToClient,
  type PipeWriter,
  readPassed,
  type TransferOptions,
} from './pipe.ts';
