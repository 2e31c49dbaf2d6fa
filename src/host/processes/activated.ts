import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { HostError } from '#base/errors';
import { UnixSocket } from '../sockets/socket.ts';

/** Runs the program in place of the shell, whose process id the protocol of systemd requires. Source: sd_listen_fds(3). */
const SCRIPT =
  'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=varlink; export LISTEN_PID LISTEN_FDS LISTEN_FDNAMES; exec "$0" "$@"';
/** Time that a program has to end by itself after its connection was closed, in milliseconds. */
const END_MS = 2000;

/** A program that serves one connection. */
export interface ActivatedProgram {
  readonly socket: UnixSocket;
  /** Ends the program: to be called after the socket was closed. It is killed if it goes on for two seconds. */
  end(): Promise<void>;
}

/**
 * Starts a program with a connected socket as descriptor 3, as systemd passes sockets. Its standard error is that of this process.
 * @throws HostError SYSCALL_FAILED when the shell cannot be started
 */
export async function startActivated(
  command: string,
  args: readonly string[],
): Promise<ActivatedProgram> {
  const [socket, passed] = UnixSocket.pair();
  try {
    const child = spawn('/bin/sh', ['-c', SCRIPT, command, ...args], {
      stdio: ['ignore', 'ignore', 'inherit', passed.fd],
    });
    const ended = once(child, 'exit').catch(() => undefined);
    await once(child, 'spawn');
    const end = async () => {
      const late = setTimeout(() => child.kill('SIGKILL'), END_MS);
      await ended;
      clearTimeout(late);
    };
    return { socket, end };
  } catch (error) {
    socket[Symbol.dispose]();
    const { code = 'EIO' } = error as NodeJS.ErrnoException;
    throw new HostError(
      'SYSCALL_FAILED',
      `Cannot start "${command}": ${String(error)}`,
      { errno: code, syscall: 'spawn', target: command },
      { cause: error },
    );
  } finally {
    passed[Symbol.dispose]();
  }
}
