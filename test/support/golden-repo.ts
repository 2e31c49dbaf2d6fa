import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';

/** One step of a transcript of the real tool, see test/golden/cfsctl/README.md. */
export interface GoldenStep {
  readonly cmd?: readonly string[];
  readonly rc?: number;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly [key: string]: unknown;
}

const GOLDEN = new URL('../golden/cfsctl/', import.meta.url);

/**
 * Unpacks a repository that the real tool wrote, right after its first pull; returns its path.
 * @param name case and form, such as `whiteouts/repo-sha256-v1`
 * @param into directory for it
 */
export function unpackGoldenRepository(name: string, into: string): string {
  const archive = zstdDecompressSync(readFileSync(new URL(`oci/${name}.tar.zst`, GOLDEN)));
  const run = spawnSync('tar', ['xpf', '-', '-C', into], { input: archive });
  if (run.status !== 0) throw new Error(`tar failed: ${run.stderr}`);
  return join(into, 'repo');
}

/** Reads a JSON file below test/golden/cfsctl. */
export function readGolden<T>(path: string): T {
  return JSON.parse(readFileSync(new URL(path, GOLDEN), 'utf8')) as T;
}
