import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Time between two looks whether a server listens, in milliseconds. */
const LOOK_MS = 25;

/** A port of 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const exit = once(server, 'close');
  server.close();
  await exit;
  if (typeof address !== 'object' || address === null) throw new Error('the socket has no port');
  return address.port;
}

/** Waits until something listens on a port of 127.0.0.1. @param isGone true when it never will */
export async function untilAccepts(
  port: number,
  limitMs: number,
  isGone: () => boolean,
): Promise<boolean> {
  for (const endMs = Date.now() + limitMs; !(await accepts(port)); await sleep(LOOK_MS)) {
    if (isGone() || Date.now() > endMs) return false;
  }
  return true;
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
