import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { OstreeChecksum } from '#base/digest';
import { parseCommit, parseDirtree } from '#formats/ostree';
import type { Repository } from '#stores/composefs';
import type { OstreeRepo } from '#stores/ostree';
import { parseReference } from '#work/export';
import { pullImage } from '#work/pull-image';

/** Images, and what upstream made of them. */
export const CASES = new URL('../golden/unified/cases/', import.meta.url);

/** What upstream made of an image. */
export interface Expected {
  readonly ok: boolean;
  readonly commit?: string;
  readonly timestamp: number | string;
  readonly dirtree: string;
  readonly dirmeta: string;
  readonly refs: readonly string[];
}

/** A path of a listing. */
export interface Row {
  readonly path: string;
  readonly file?: string;
  readonly dirtree?: string;
  readonly dirmeta?: string;
}

/** What upstream made of a case, by both routes. */
export function expectedOf(name: string): {
  readonly classic: Expected;
  readonly synth: Expected;
  readonly synthFilteredXattrs?: Expected;
} {
  return JSON.parse(readFileSync(new URL(`${name}/expected.json`, CASES), 'utf8'));
}

/** A listing of a case; undefined if there is none. */
export function rowsOf(name: string, listing: string): Row[] | undefined {
  const file = new URL(`${name}/${listing}.tree.jsonl`, CASES);
  const packed = new URL(`${file.href}.gz`);
  if (!existsSync(file) && !existsSync(packed)) return undefined;
  const text = existsSync(file) ? readFileSync(file) : gunzipSync(readFileSync(packed));
  return text
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

/** Path and ids of everything in a commit, by paths. */
export function listOf(repo: OstreeRepo, commit: OstreeChecksum): Row[] {
  const rows: Row[] = [];
  const add = (path: string, dirtree: OstreeChecksum, dirmeta: OstreeChecksum): void => {
    rows.push({ path: path === '' ? '/' : path, dirtree, dirmeta });
    const { files, directories } = parseDirtree(
      repo.readMetadata('dirtree', dirtree) as Uint8Array,
    );
    for (const { name, checksum } of files) {
      rows.push({ path: `${path}/${Buffer.from(name, 'latin1')}`, file: checksum });
    }
    for (const { name, tree, meta } of directories) {
      add(`${path}/${Buffer.from(name, 'latin1')}`, tree, meta);
    }
  };
  const { rootTree, rootMeta } = parseCommit(repo.readMetadata('commit', commit) as Uint8Array);
  add('', rootTree, rootMeta);
  return rows.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Path and ids as text, sorted. */
export function idsIn(rows: readonly Row[]): string[] {
  return rows
    .map(({ path, file, dirtree, dirmeta }) => `${path} ${file ?? `${dirtree} ${dirmeta}`}`)
    .sort();
}

/** Pulls the image of a case under its name. */
export async function pullCase(repository: Repository, name: string): Promise<void> {
  const layout = fileURLToPath(new URL(`${name}/oci`, CASES));
  const reference = parseReference(`oci:${layout}:latest`);
  assert.ok(reference.transport === 'oci');
  await pullImage(repository, reference, { name });
}
