import type { ByteString } from '#base/bytes';
import { inTurns, type OperationOptions, type Steps } from '#base/flow';
import { type InodeType, type Labeler, POLICY_FILE_MAX_BYTES } from '#formats/selinux';
import {
  Dir,
  type FileStat,
  type FileType,
  getXattr,
  hasErrno,
  OPEN,
  readAll,
  setXattr,
  statFd,
} from '#host';
import { loadPolicy, type PolicyFiles } from '#work/labels';
import { lookupNameOf } from './lookup-name.ts';

/** Policy of a sysroot. */
export interface RelabelOptions extends OperationOptions {
  /** Path of a directory with the policy in `etc/selinux` or `usr/etc/selinux`; default: the newest deployment of the sysroot. */
  readonly policyRoot?: string | undefined;
  /** Sets no label; the report counts what would be labelled. */
  readonly isPlan?: boolean | undefined;
}

/** Report of labelling. An inode counts once for each of its names. */
export interface RelabelReport {
  /** False: no policy was found, and nothing was changed. */
  readonly hasPolicy: boolean;
  readonly labelled: number;
  /** Inodes that already had a label. */
  readonly present: number;
  /** Inodes for which the policy has no label. */
  readonly without: number;
  /** Deployments, which were skipped with their contents. */
  readonly deployments: number;
  /** Mount points, which were not entered. */
  readonly mounts: number;
}

const XATTR = 'security.selinux' as ByteString;
/** Label that a kernel with SELinux shows for an inode without a label. */
const UNLABELLED = ':unlabeled_t:';
/** Content object of a commit: its label is part of its checksum. */
const CONTENT_OBJECT = /^\/ostree\/repo\/objects\/[0-9a-f]{2}\/[0-9a-f]{62}\.file$/;
const DEPLOYMENT = /^[0-9a-f]{64}\.\d+$/;
const DEPLOYMENTS = 'ostree/deploy';
/** Entries in one step. */
const STEP_ENTRIES = 64;
const PROGRESS_ID = 'relabel';
const LETTERS: Readonly<Record<Exclude<FileType, 'unknown'>, InodeType>> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  character: 'c',
  block: 'b',
  fifo: 'p',
  socket: 's',
};

/**
 * Labels every inode in a sysroot that has no label, in one filesystem. Deployments are skipped: they have the labels of their commits, and their
 * directories are immutable. They are identified by device and inode, so they are also skipped under other paths. Contents of commits are skipped
 * too. A second run changes nothing.
 * @param path the physical root, which holds `ostree/`
 * @throws FormatError SELINUX_POLICY_INVALID, SELINUX_POLICY_TOO_COSTLY; HostError SYSCALL_FAILED; the reason of `signal`
 */
export async function relabelSysroot(
  path: string,
  options: RelabelOptions = {},
): Promise<RelabelReport> {
  using root = Dir.open(path);
  const deployments = findDeployments(root);
  const labeler = await readLabels(root, deployments, options.policyRoot);
  const walk = new Relabelling(root, labeler, deployments, options);
  if (labeler !== undefined) await inTurns(walk.all(), options);
  return walk.report;
}

/** A deployment and its inode. */
interface Deployment {
  readonly path: string;
  readonly key: string;
  readonly modifiedSec: number;
}

function keyOf({ dev, ino }: FileStat): string {
  return `${dev}:${ino}`;
}

function findDeployments(root: Dir): readonly Deployment[] {
  const found: Deployment[] = [];
  for (const os of namesIn(root, DEPLOYMENTS)) {
    const folder = `${DEPLOYMENTS}/${os}/deploy`;
    for (const name of namesIn(root, folder)) {
      const path = `${folder}/${name}`;
      const stat = DEPLOYMENT.test(name) ? root.lstat(path) : undefined;
      if (stat?.type !== 'directory') continue;
      found.push({ path, key: keyOf(stat), modifiedSec: stat.ctimeSec });
    }
  }
  return found.sort((a, b) => b.modifiedSec - a.modifiedSec);
}

function namesIn(root: Dir, path: string): string[] {
  try {
    using dir = root.tryOpenDir(path, { noFollow: true });
    return dir === undefined ? [] : dir.readEntries().map(({ name }) => name);
  } catch (error) {
    if (hasErrno(error, 'ENOTDIR') || hasErrno(error, 'ELOOP')) return [];
    throw error;
  }
}

async function readLabels(
  root: Dir,
  [newest]: readonly Deployment[],
  policyRoot: string | undefined,
): Promise<Labeler | undefined> {
  if (policyRoot === undefined && newest === undefined) return undefined;
  using holder = policyRoot === undefined ? root.openDir(newest?.path ?? '') : Dir.open(policyRoot);
  const inEtc = await loadPolicy(new FilesBelow(holder, ''), 'libselinux');
  return inEtc ?? (await loadPolicy(new FilesBelow(holder, 'usr/'), 'libselinux'));
}

class FilesBelow implements PolicyFiles {
  readonly #dir: Dir;
  readonly #prefix: string;

  constructor(dir: Dir, prefix: string) {
    this.#dir = dir;
    this.#prefix = prefix;
  }

  read(path: string): Uint8Array | undefined {
    const name = `${this.#prefix}${path}`;
    const flags = OPEN.read | OPEN.nonBlock | OPEN.noFollow;
    using file = this.#dir.tryOpenFile(name, flags);
    if (file === undefined || statFd(file).type !== 'file') return undefined;
    return readAll(file, POLICY_FILE_MAX_BYTES);
  }
}

class Relabelling {
  readonly #root: Dir;
  readonly #device: number;
  readonly #labeler: Labeler | undefined;
  readonly #deployments: ReadonlySet<string>;
  readonly #options: RelabelOptions;
  readonly #counts = { labelled: 0, present: 0, without: 0, deployments: 0, mounts: 0 };
  #seen = 0;

  constructor(
    root: Dir,
    labeler: Labeler | undefined,
    deployments: readonly Deployment[],
    options: RelabelOptions,
  ) {
    this.#root = root;
    this.#device = root.statSelf().dev;
    this.#labeler = labeler;
    this.#deployments = new Set(deployments.map(({ key }) => key));
    this.#options = options;
  }

  get report(): RelabelReport {
    return { hasPolicy: this.#labeler !== undefined, ...this.#counts };
  }

  *all(): Steps<void> {
    const { onProgress } = this.#options;
    onProgress?.({ type: 'started', id: PROGRESS_ID, unit: 'items' });
    this.#label({ dir: this.#root, name: '.' }, '/', 'directory');
    yield* this.#below(this.#root, '');
    onProgress?.({ type: 'done', id: PROGRESS_ID, transferred: this.#seen });
  }

  *#below(dir: Dir, path: string): Steps<void> {
    for (const { name } of dir.readEntries()) {
      this.#seen += 1;
      if (this.#seen % STEP_ENTRIES === 0) {
        this.#options.onProgress?.({ type: 'advanced', id: PROGRESS_ID, done: this.#seen });
        yield;
      }
      const stat = dir.lstat(name);
      const below = `${path}/${name}`;
      if (stat === undefined || CONTENT_OBJECT.test(below)) continue;
      if (stat.dev !== this.#device) this.#counts.mounts += 1;
      else if (this.#deployments.has(keyOf(stat))) this.#counts.deployments += 1;
      else {
        this.#label({ dir, name }, below, stat.type);
        if (stat.type !== 'directory') continue;
        using inside = dir.openDir(name, { noFollow: true });
        if (inside.statSelf().ino === stat.ino) yield* this.#below(inside, below);
      }
    }
  }

  #label(at: { readonly dir: Dir; readonly name: string }, path: string, type: FileType): void {
    if (type === 'unknown') return;
    const old = getXattr(at, XATTR);
    if (old !== undefined && !old.includes(UNLABELLED)) {
      this.#counts.present += 1;
      return;
    }
    const label = this.#labeler?.labelOf(lookupNameOf(path), LETTERS[type]);
    if (label === undefined) {
      this.#counts.without += 1;
      return;
    }
    if (this.#options.isPlan !== true) {
      setXattr(at, XATTR, Buffer.from(`${label}\0`, 'latin1'));
    }
    this.#counts.labelled += 1;
  }
}
