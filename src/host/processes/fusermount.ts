import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { UnsupportedError } from '#base/errors';
import type { HostFile } from '../files/file.ts';
import { UnixSocket } from '../sockets/socket.ts';

const PROGRAM = 'fusermount3';
/** Most of what the program says that is kept, in bytes. */
const SAID_BYTES_MAX = 4096;
/** The descriptor at which the program finds the socket for the answer. */
const SOCKET_FD = 3;

interface Ended {
  readonly status: number | null;
  readonly said: string;
}

/**
 * Mounts by `fusermount3`, which may mount for a user who may not. Source: fusermount3(1), and the variable _FUSE_COMMFD of libfuse.
 * @param options as after `-o`; a comma or backslash within a value has a backslash before it
 * @returns the open connection
 * @throws UnsupportedError MOUNT_UNSUPPORTED when the program is missing or refuses
 */
export async function mountByHelper(target: string, options: string): Promise<HostFile> {
  const [ours, theirs] = UnixSocket.pair();
  using mine = ours;
  let ended: Ended;
  {
    using other = theirs;
    ended = await run(['-o', options, '--', target], target, other.fd);
  }
  const [file] = ended.status === 0 ? (mine.receive()?.files ?? []) : [];
  if (file === undefined) throw refused(target, ended);
  return file;
}

/** Unmounts by `fusermount3` what this user mounted by it. @throws UnsupportedError MOUNT_UNSUPPORTED */
export async function unmountByHelper(target: string): Promise<void> {
  const ended = await run(['-u', '--', target], target);
  if (ended.status !== 0) throw refused(target, ended);
}

async function run(args: readonly string[], target: string, socket?: number): Promise<Ended> {
  const child = spawn(PROGRAM, [...args], {
    env: { ...process.env, ...(socket === undefined ? {} : { _FUSE_COMMFD: String(SOCKET_FD) }) },
    stdio: ['ignore', 'ignore', 'pipe', ...(socket === undefined ? [] : [socket])],
  });
  let said = '';
  child.stderr?.on('data', (piece: Buffer) => {
    said = (said + piece.toString()).slice(0, SAID_BYTES_MAX);
  });
  try {
    const [status] = (await once(child, 'close')) as [number | null];
    return { status, said: said.trim() };
  } catch (error) {
    throw refused(target, { status: null, said: 'it is not installed' }, error);
  }
}

/** What to do when the program refuses. Its texts are those of libfuse, which does not translate them. */
function hintFor(said: string, isMissing: boolean): string {
  if (isMissing) return 'Install the package fuse3';
  if (said.includes('/dev/fuse')) {
    return /no such (?:file|device)|not found/i.test(said)
      ? 'Load the kernel module: modprobe fuse'
      : 'Your user may not open /dev/fuse: ask an administrator for access (chmod 666 /dev/fuse), or read the image with ls, cat, find and cp';
  }
  if (/not owned|no write access|owner/i.test(said)) {
    return 'Use a directory that belongs to you, and that you can write to';
  }
  return 'Use an empty directory that belongs to you, or read the image with ls, cat, find and cp';
}

function refused(target: string, { status, said }: Ended, cause?: unknown): UnsupportedError {
  return new UnsupportedError(
    'MOUNT_UNSUPPORTED',
    `Cannot mount or unmount "${target}" by ${PROGRAM}: ${said || `status ${status}`}`,
    { image: target, errno: said },
    {
      hint: hintFor(said, status === null),
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
