import { deepEqual } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { type Extent, readExtents } from '#host';
import { openSysroot, type Sysroot } from '#work/unify';
import { VERBS, type VerbContext } from '#work/verbs';
import type { FilesystemType } from './capability.ts';
import { type LoopFilesystem, mountLoopFilesystem } from './loop-fs.ts';
import { testTar } from './tar-archive.ts';
import { noise, type TestLayout, writeTestLayout } from './test-layout.ts';

/** An image of the golden cases with a policy, hard links, capabilities and all kinds of entries: `oci:…:latest`. */
export function goldenCase(name: string): string {
  return `oci:${fileURLToPath(new URL(`../golden/unified/cases/${name}/oci`, import.meta.url))}:latest`;
}

/** A filesystem with a sysroot on it. */
export interface UnifiedPlace extends AsyncDisposable {
  readonly filesystem: LoopFilesystem;
  /** Of the sysroot. */
  readonly path: string;
  readonly sysroot: Sysroot;
  /** Runs a verb on the sysroot; its report must be all that its schema says. */
  ask(name: string, request?: unknown): Promise<Json>;
  /** What a verb would do. */
  plan(name: string, request?: unknown): Promise<Json>;
}

/** A report as JSON. */
// biome-ignore lint/suspicious/noExplicitAny: tests read reports of any shape.
type Json = any;

/** Needs root: ask `needs(t, type, 'root')` first. */
export async function makeUnifiedPlace(
  type: FilesystemType,
  options: Parameters<typeof mountLoopFilesystem>[1] = {},
): Promise<UnifiedPlace> {
  const filesystem = await mountLoopFilesystem(type, options);
  const path = join(filesystem.path, 'sysroot');
  mkdirSync(path);
  const sysroot = openSysroot(path);
  const run = async (step: 'plan' | 'run', name: string, request: unknown): Promise<Json> => {
    const verb = await VERBS.find((row) => row.name === name)?.load();
    const act = verb?.[step]?.bind(verb);
    if (verb === undefined || act === undefined)
      throw new Error(`no verb ${name} that can ${step}`);
    const report = JSON.parse(
      JSON.stringify(await act(contextOf(path), verb.parse(request) as never)),
    );
    deepEqual(v.parse(verb.report, report), report);
    return {
      ...report,
      hasFindings: verb.hasFindings?.(report as never, request as never) === true,
    };
  };
  return {
    filesystem,
    path,
    sysroot,
    ask: (name, request = {}) => run('run', name, request),
    plan: (name, request = {}) => run('plan', name, request),
    async [Symbol.asyncDispose]() {
      sysroot[Symbol.dispose]();
      await filesystem[Symbol.asyncDispose]();
    },
  };
}

function contextOf(sysroot: string): VerbContext {
  return {
    repository: { path: join(sysroot, 'composefs') },
    sysroot,
    signal: new AbortController().signal,
    onProgress: () => {},
    jobs: 1,
    mayInit: true,
    requireVerity: false,
    warn: () => {},
    detail: () => {},
    write: async () => {},
  };
}

/** An image of one or two layers with files of all sizes around the limits; the same seed gives the same image. */
export function writeUnifiedImage(
  path: string,
  seed: number,
  more: readonly TestMember[] = [],
): TestLayout {
  const sizes = [0, 1, 64, 65, 4096, 4097, 300_000];
  const base = [
    { name: 'usr/', flag: '5', mode: 0o755 },
    { name: 'usr/lib/', flag: '5', mode: 0o755 },
    ...sizes.map((size) => ({ name: `usr/lib/${size}`, content: noise(size, seed * 1000 + size) })),
    { name: 'usr/lib/setuid', content: noise(500, seed * 1000 + 1), mode: 0o4755 },
    { name: 'usr/lib/link', flag: '2', link: '300000' },
    { name: 'etc/', flag: '5', mode: 0o755 },
    { name: 'etc/hosts', content: noise(200, seed * 1000 + 2) },
  ];
  const top = [
    { name: 'usr/lib/', flag: '5', mode: 0o750 },
    { name: 'usr/lib/.wh.4096', content: '' },
    { name: 'usr/lib/own', content: noise(5000, seed * 1000 + 3) },
    ...more,
  ];
  return writeTestLayout(path, [{ tar: testTar(base) }, { tar: testTar(top) }]);
}

type TestMember = Parameters<typeof testTar>[0][number];

/** Extents of a file that have a place of their own on the device. */
export function extentsOf(path: string): Extent[] {
  const fd = openSync(path, 'r');
  try {
    return readExtents(fd).filter(({ exact }) => exact);
  } finally {
    closeSync(fd);
  }
}

/** Makes a deployment by hand: its directory, its origin, and a boot entry of this version where one is given. */
export function deployByHand(
  sysroot: string,
  commit: string,
  { imageReference, version }: { readonly imageReference?: string; readonly version?: number },
): string {
  const folder = join(sysroot, 'ostree/deploy/os/deploy');
  const path = join(folder, `${commit}.0`);
  mkdirSync(join(path, 'usr'), { recursive: true });
  if (imageReference !== undefined) {
    const value = `ostree-unverified-image:${imageReference}`;
    writeFileSync(`${path}.origin`, `[origin]\ncontainer-image-reference=${value}\n`);
  }
  if (version === undefined) return path;
  const link = `ostree/boot.1/os/${commit.slice(0, 8)}/0`;
  mkdirSync(join(sysroot, dirname(link)), { recursive: true });
  symlinkSync(`../../../deploy/os/deploy/${commit}.0`, join(sysroot, link));
  const entries = join(sysroot, 'boot/loader/entries');
  mkdirSync(entries, { recursive: true });
  const lines = [`title os`, `version ${version}`, `options root=LABEL=x ostree=/${link}`];
  writeFileSync(join(entries, `ostree-${version}.conf`), `${lines.join('\n')}\n`);
  return path;
}

/** Everything below a directory: kinds, modes, sizes, times and contents, for comparing before and after. */
export function treeState(path: string): string {
  const lines: string[] = [];
  const walk = (folder: string) => {
    for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) =>
      a.name < b.name ? -1 : 1,
    )) {
      const full = join(folder, entry.name);
      if (entry.isDirectory()) walk(full);
      lines.push(`${full} ${describe(full)}`);
    }
  };
  walk(path);
  return lines.join('\n');
}

function describe(path: string): string {
  const { mode, uid, gid, size, mtimeMs, nlink } = lstatSync(path);
  const isFile = (mode & 0o170000) === 0o100000;
  const hash = isFile ? createHash('sha256').update(readFileSync(path)).digest('hex') : '';
  return [mode, uid, gid, isFile ? size : '', mtimeMs, nlink, hash].join(' ');
}
