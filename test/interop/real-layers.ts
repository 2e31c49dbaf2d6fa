/**
 * Makes the layers of a realistic image as files on a disk, packs them with GNU tar, and applies them to one directory with GNU tar
 * again: what the kernel shows of the pulled image must be that directory. Needs root.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ByteString } from '#base/bytes';
import { Dir, OPEN, setXattr, writeAll } from '#host';

/** Files in the first layer; the others add a third of that. */
const FOLDERS = 110;
const FILES_IN_FOLDER = 140;
/** Linux capability.h: revision 2, effective; CAP_NET_RAW. */
const NET_RAW = Buffer.from('0100000200200000000000000000000000000000', 'hex');
const DEVICE_1_3 = (1 << 8) | 3;
/** Linux: high bits of minor and major go elsewhere (makedev(3)); 259:70000. */
const DEVICE_259_70000 = (70_000 & 0xff) | (259 << 8) | ((70_000 & 0xfff00) << 12);

/** One layer: where its files are, and its tar. */
export interface RealLayer {
  readonly folder: string;
  readonly tar: string;
}

/** Stages four layers below `top` and packs them. */
export function makeRealLayers(top: string): RealLayer[] {
  const stages = [stageBase, stageChanges, stageOdd, stageTop].map((stage, index) => {
    const folder = join(top, `stage-${index + 1}`);
    mkdirSync(join(folder, 'usr/share'), { recursive: true });
    stage(folder);
    return folder;
  });
  return stages.map((folder, index) => {
    const tar = join(top, `${index + 1}.tar`);
    packLayer(folder, tar);
    // A hard link to a file of a lower layer: only the link is in the tar.
    if (index === 1) execFileSync('tar', ['--delete', '-f', tar, './usr/bin/linked']);
    return { folder, tar };
  });
}

function packLayer(folder: string, tar: string): void {
  const options = ['--xattrs', '--xattrs-include=*', '--numeric-owner', '--format=posix'];
  execFileSync('tar', [...options, '--sort=name', '-C', folder, '-cf', tar, '.']);
}

function stageFiles(folder: string, folders: number, salt: string): void {
  for (let at = 0; at < folders; at += 1) {
    const path = join(folder, 'usr/share', `${salt}-${at}`);
    mkdirSync(path);
    for (let index = 0; index < FILES_IN_FOLDER; index += 1) {
      const file = join(path, `file-${index}`);
      // From empty over inline (64 bytes at most) to a few blocks.
      writeFileSync(file, `${salt} ${at} ${index}\n`.repeat((index * 7 + at) % 53));
      if (index % 10 === 3) chownSync(file, 1000 + (at % 7), 70_000 + index);
      if (index % 12 === 5) chmodSync(file, 0o400 + (index % 64));
      if (index % 25 === 7) symlinkSync(`../${salt}-${at}/file-${index}`, `${file}-link`);
      if (index % 30 === 9) linkSync(file, `${file}-twin`);
    }
  }
}

function stageBase(folder: string): void {
  stageFiles(folder, FOLDERS, 'base');
  for (const name of [
    'usr/bin',
    'run',
    'run/lock',
    'etc',
    'etc/gone',
    'etc/opaque',
    'var',
    'dev',
  ]) {
    mkdirSync(join(folder, name));
  }
  writeFileSync(join(folder, 'run/lock/left'), 'never in an image');
  writeFileSync(join(folder, 'usr/bin/linked'), 'linked from the next layer '.repeat(200));
  writeFileSync(join(folder, 'usr/bin/su'), 'setuid '.repeat(30));
  chmodSync(join(folder, 'usr/bin/su'), 0o4755);
  writeFileSync(join(folder, 'usr/bin/mail'), 'setgid '.repeat(30));
  chownSync(join(folder, 'usr/bin/mail'), 0, 8);
  chmodSync(join(folder, 'usr/bin/mail'), 0o2755);
  writeFileSync(join(folder, 'usr/bin/ping'), 'capable '.repeat(30));
  for (const name of ['etc/gone/a', 'etc/opaque/a', 'etc/opaque/b', 'etc/removed', 'etc/kept']) {
    writeFileSync(join(folder, name), `${name} `.repeat(40));
  }
  mkdirSync(join(folder, 'var/tmp'));
  chmodSync(join(folder, 'var/tmp'), 0o1777);
  utimesSync(join(folder, 'usr'), 1_600_000_000, 1_600_000_000);
  chmodSync(join(folder, 'usr'), 0o711);
  using dir = Dir.open(folder);
  setXattr({ dir, name: 'usr/bin/ping' }, 'security.capability', NET_RAW);
  setXattr({ dir, name: 'usr/bin/su' }, 'user.note', Buffer.from('is left out'));
  dir.makeNode('dev/null', 'character', 0o666, DEVICE_1_3);
  dir.makeNode('dev/disk', 'block', 0o660, DEVICE_259_70000);
  dir.makeNode('dev/pipe', 'fifo', 0o600);
  dir.lchown('dev/disk', 0, 6);
}

function stageChanges(folder: string): void {
  stageFiles(folder, FOLDERS / 3, 'more');
  mkdirSync(join(folder, 'usr/bin'));
  mkdirSync(join(folder, 'etc/opaque'), { recursive: true });
  // The very content and metadata of the base, only to have something to link to.
  writeFileSync(join(folder, 'usr/bin/linked'), 'not in the tar');
  linkSync(join(folder, 'usr/bin/linked'), join(folder, 'usr/bin/twin'));
  for (const name of ['etc/.wh.gone', 'etc/.wh.removed', 'etc/opaque/.wh..wh..opq']) {
    writeFileSync(join(folder, name), '');
  }
  writeFileSync(join(folder, 'etc/opaque/c'), 'the only one '.repeat(20));
  for (let index = 0; index < FILES_IN_FOLDER; index += 3) {
    mkdirSync(join(folder, 'usr/share/base-1'), { recursive: true });
    writeFileSync(join(folder, `usr/share/base-1/.wh.file-${index}`), '');
  }
}

function stageOdd(folder: string): void {
  using dir = Dir.open(folder);
  dir.mkdir('odd');
  stageTimes(dir, [
    ['after-2038', 4_000_000_000n, 123_456_789],
    ['epoch', 0n, 0],
  ]);
  for (const name of ['\xff\xfe', 'caf\xe9', 'new\nline', 'tab\there', ' space ', '\\134', 'ü']) {
    using file = dir.openFile(`odd/${name}` as ByteString, OPEN.write | OPEN.create, 0o644);
    writeAll(file, Buffer.from(`content of ${JSON.stringify(name)} `.repeat(9)));
  }
  dir.symlink('t\xe4rget' as ByteString, 'odd/l\xefnk' as ByteString);
  dir.symlink('x'.repeat(1000), 'odd/long-link');
  writeFileSync(join(folder, 'odd', 'n'.repeat(250)), 'a long name');
  mkdirSync(join(folder, 'odd', ...Array.from({ length: 12 }, () => 'deep'.repeat(12))), {
    recursive: true,
  });
  writeFileSync(join(folder, 'odd/large'), Buffer.alloc(6_000_000, 'large and repetitive '));
}

function stageTimes(dir: Dir, times: readonly (readonly [string, bigint, number])[]): void {
  for (const [name, sec, nsec] of times) {
    using file = dir.openFile(`odd/${name}`, OPEN.write | OPEN.create, 0o644);
    writeAll(file, Buffer.from(`${name} `.repeat(20)));
    dir.lutimens(`odd/${name}`, { sec, nsec }, { sec, nsec });
  }
}

function stageTop(folder: string): void {
  stageFiles(folder, 6, 'base');
  using dir = Dir.open(folder);
  dir.mkdir('odd');
  // composefs-rs 0.9 refuses times before 1970, so they are in the layer that its ids are compared without.
  stageTimes(dir, [
    ['before-1970', -1n, 0],
    ['almost-1970', -1n, 1],
    ['long-ago', -1_500_000_000n, 500_000_000],
  ]);
  writeFileSync(join(folder, 'odd/.wh.epoch'), '');
  chmodSync(join(folder, 'usr'), 0o751);
  utimesSync(join(folder, 'usr'), 1_700_000_000.5, 1_700_000_000.5);
}

/** Applies the layers in order to a new directory, as a person with tar and rm would; then what every pull does to an image. */
export function applyLayers(layers: readonly RealLayer[], into: string): void {
  mkdirSync(into);
  for (const { folder, tar } of layers) {
    for (const { parent, hidden } of whiteoutsIn(folder, '')) {
      const below = join(into, parent);
      if (hidden !== undefined) rmSync(join(below, hidden), { recursive: true });
      else for (const name of readdirSync(below)) rmSync(join(below, name), { recursive: true });
    }
    const keep = ['--xattrs', '--xattrs-include=*', '--numeric-owner', '--preserve-permissions'];
    const leave = ['--exclude=.wh.*', '--warning=no-timestamp'];
    execFileSync('tar', [...keep, ...leave, '-C', into, '-xf', tar]);
  }
  transform(into);
}

/** Names that a layer hides, and the folders that it makes opaque (`hidden` is undefined). */
function* whiteoutsIn(
  folder: string,
  parent: string,
): Generator<{ readonly parent: string; readonly hidden: string | undefined }> {
  for (const entry of readdirSync(join(folder, parent), { withFileTypes: true })) {
    if (entry.name === '.wh..wh..opq') yield { parent, hidden: undefined };
    else if (entry.name.startsWith('.wh.')) yield { parent, hidden: entry.name.slice(4) };
    else if (entry.isDirectory()) yield* whiteoutsIn(folder, join(parent, entry.name));
  }
}

/** The root looks like /usr, /run is empty and as old as /usr; xattrs are compared without those that are left out. */
function transform(root: string): void {
  for (const name of readdirSync(join(root, 'run'))) {
    rmSync(join(root, 'run', name), { recursive: true });
  }
  const usr = lstatSync(join(root, 'usr'));
  chmodSync(root, usr.mode & 0o7777);
  chownSync(root, usr.uid, usr.gid);
  for (const path of [join(root, 'run'), root]) {
    execFileSync('touch', ['--no-dereference', `--reference=${join(root, 'usr')}`, path]);
  }
}
