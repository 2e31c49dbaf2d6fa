import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { byteStringFromText } from '#base/bytes';
import type { TarMemberSource } from '#formats/tar';
import { writeSampleImage } from '../../tools/sample-image.ts';
import { runCli } from './run-cli.ts';

/** A run of a verb over very many entries, or why the verb has none. */
export type Scenario =
  | { readonly args: readonly string[]; readonly prepare?: () => void }
  | { readonly short: string };

const NAMES = 'it reads or writes a few names';
const SERVER = 'it waits for a server, which a signal ends at once';

/** Entries of one directory. */
const FAN = 500;
/** One file in so many is an object, the others lie in the image. */
const OBJECT_EVERY = 8;

function* members(count: number): Generator<TarMemberSource> {
  for (let at = 0; at < count; at += 1) {
    const content = Buffer.from(`${at} `.repeat(at % OBJECT_EVERY === 0 ? 20 : 1));
    const path = byteStringFromText(`/usr/share/d${Math.floor(at / FAN)}/f${at}`);
    const size = { sizeBytes: content.length };
    yield {
      member: { type: 'file', path, mode: 0o644, mtimeSec: 0n, ...size },
      content: [content],
    };
  }
}

function must(args: readonly string[], repo: string): void {
  const { status, stderr } = runCli(args, { repo });
  if (status !== 0) throw new Error(`onecopy ${args.join(' ')} failed: ${stderr}`);
}

/**
 * Makes a repository with an image and a commit of very many tiny files, and says how to run each verb over them.
 * @returns scenarios by the name of the verb
 */
export async function makeScenarios(
  folder: string,
  entries: number,
): Promise<Readonly<Record<string, Scenario>>> {
  const at = (name: string) => join(folder, name);
  const repo = at('repo');
  await writeSampleImage(at('layout'), 'big', [{ members: members(entries), compression: 'none' }]);
  const reference = `oci:${at('layout')}:big`;
  must(['init', '--insecure'], repo);
  must(['pull', reference, 'big'], repo);
  must(['ostree', 'commit', 'big', '--reference', 'os'], repo);
  must(['ostree', 'export', 'os', at('ostree'), '--reference', 'os', '--mode', 'archive'], repo);
  const on = (...args: readonly string[]) => ['--repo', repo, '-q', ...args];
  const fresh = (name: string) => () => rmSync(at(name), { recursive: true, force: true });
  const [image = ''] = readdirSync(join(repo, 'images')).filter((name) => name !== 'refs');
  const imageFile = join(repo, 'images', image);
  return {
    'unified status': { short: NAMES },
    'unified enable': { short: 'it does what unified pull does' },
    'unified images': { short: NAMES },
    'unified fsck': { short: 'it does what fsck does, and reads what unified pull wrote' },
    'unified prune': { short: 'it does what gc does' },
    'unified relabel': { short: 'it yields between entries, as dedup does' },
    'unified sync': { short: 'it does what unified pull does' },
    'unified pull': {
      args: ['--sysroot', at('s'), '-q', 'unified', 'pull', reference, '--mode=enabled-with-copy'],
      prepare: () => {
        fresh('s')();
        mkdirSync(at('s'));
      },
    },
    pull: { args: ['--repo', at('p'), '-q', 'pull', reference, 'big'], prepare: fresh('p') },
    export: { args: on('export', 'big', at('x')), prepare: fresh('x') },
    push: { short: SERVER },
    copy: { short: SERVER },
    images: { short: NAMES },
    inspect: { short: NAMES },
    history: { short: NAMES },
    tag: { short: NAMES },
    untag: { short: NAMES },
    rm: { short: NAMES },
    tags: { short: SERVER },
    referrers: { short: SERVER },
    login: { short: SERVER },
    logout: { short: NAMES },
    ls: { args: on('ls', '-l', '--recursive', 'big') },
    tree: { args: on('tree', 'big') },
    cat: { short: 'it writes one file after the other, and waits for its reader' },
    stat: { short: 'it reads the blocks on the way to a path' },
    find: { args: on('find', 'big') },
    cp: { args: on('cp', 'big:/usr', at('c')), prepare: fresh('c') },
    diff: { args: on('diff', 'big', 'os') },
    mount: { short: 'the kernel mounts' },
    umount: { short: 'the kernel unmounts' },
    'image dump': { args: on('image', 'dump', 'big') },
    'image id': { args: on('image', 'id', 'big') },
    'image create': {
      args: on('image', 'create', 'big'),
      prepare: () => rmSync(imageFile, { force: true }),
    },
    'ostree pull': {
      args: ['--repo', at('o'), '-q', 'ostree', 'pull', `ostree-local:${at('ostree')}:os`],
      prepare: fresh('o'),
    },
    'ostree list-refs': { short: SERVER },
    'ostree show': { short: NAMES },
    'ostree commit': {
      args: on('ostree', 'commit', 'big', '--subject', 'again'),
      prepare: () => must(['image', 'create', 'big'], repo),
    },
    'ostree export': {
      args: on('ostree', 'export', 'os', at('e'), '--mode', 'archive'),
      prepare: fresh('e'),
    },
    'ostree apply-delta': { short: 'its parts are applied one by one' },
    init: { short: NAMES },
    gc: { args: on('gc', '-n') },
    df: { args: on('df') },
    why: { args: on('why', 'big', '/usr', '--store', repo) },
    dedup: { args: on('dedup', '-n', repo, at('ostree')) },
    adopt: {
      args: ['--repo', at('o'), '-q', 'adopt', `ostree-local:${at('ostree')}`],
      prepare: fresh('o'),
    },
    fsck: { args: on('fsck') },
    'inspect-format': { args: on('inspect-format', imageFile) },
    doctor: { short: 'it asks the kernel' },
  };
}
