/**
 * The Nodes that hosts of the library bring, for the tests: npm's `node-linux-*`, in a folder of the user's cache and never in the manifest.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The oldest releases of Node 22 and 24 that `engines` allows, and a later release of each line. */
export const NODE_VERSIONS = ['22.21.1', '22.23.5', '24.11.1', '24.22.3'] as const;

const CACHE = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'onecopy-nodes');

/** Where the program of a version is, or would be. */
export function nodeProgram(version: string): string {
  return join(CACHE, version, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node');
}

/** Brings the missing ones. A failure is said and left to the tests that want them. */
export function ensureOlderNodes(): void {
  for (const version of NODE_VERSIONS) {
    if (existsSync(nodeProgram(version))) continue;
    process.stdout.write(`onecopy: bringing Node ${version} for the tests to ${CACHE}\n`);
    const folder = join(CACHE, version);
    mkdirSync(folder, { recursive: true });
    const name = `node-linux-${process.arch}@${version}`;
    const args = ['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund'];
    const done = spawnSync('npm', [...args, '--no-save', name], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    if (done.status !== 0)
      process.stdout.write(`onecopy: cannot bring Node ${version}; its tests fail\n`);
  }
}
