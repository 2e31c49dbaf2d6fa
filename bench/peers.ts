/**
 * Installs the peer that no Debian package brings: `cfsctl`, from the Rust package registry as `composefs-ctl`, into
 * `.cache/peers`. Needs cargo; without it the benches leave this peer out and say so.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PEERS = fileURLToPath(new URL('../.cache/peers', import.meta.url));

/** Path of a program on PATH or among the installed peers; undefined when there is none. */
export function findProgram(name: string): string | undefined {
  const folders = [join(PEERS, 'bin'), ...(process.env['PATH'] ?? '').split(delimiter)];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

if (import.meta.main) {
  const done = spawnSync('cargo', ['install', 'composefs-ctl', '--root', PEERS], {
    stdio: 'inherit',
  });
  if (done.error) process.stderr.write('onecopy: Cannot install cfsctl: cargo is not on PATH\n');
  process.exitCode = done.status ?? 1;
}
