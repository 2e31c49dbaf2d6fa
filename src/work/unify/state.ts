import type { ByteString } from '#base/bytes';
import {
  encodeStateFile,
  parseStateFile,
  STATE_FILE_BYTES_MAX,
  type StorageMode,
} from '#formats/bootc';
import { keyBoolean } from '#formats/ostree';
import { type Dir, fsync, fsyncParent, OPEN, randomName, readAll, writeAll } from '#host';
import type { OstreeRepo } from '#stores/ostree';
import type { Sysroot } from './sysroot.ts';

/** Where the mode is kept. Source: bootc, bootc.json. */
const STATE_FILE = 'composefs/bootc.json';
/** The flag in the config of the OSTree repository: its commits are made from composefs. Source: bootc. */
const FLAG = { group: 'composefs', key: 'unified' } as const;

/** How far a host is bound: not at all, its commits are made from composefs, or its images are also in containers-storage. */
export type Binding = 'disabled' | 'bound-only' | 'unified';

/** The state of unified storage of a sysroot. */
export interface StorageState {
  /** Of `bootc.json`; undefined when there is none. */
  readonly mode: StorageMode | undefined;
  /** Of the config of the OSTree repository. */
  readonly isFlagged: boolean;
  readonly binding: Binding;
}

/**
 * Reads the state. A host whose mode was set before the flag existed counts as flagged.
 * @throws FormatError BOOTC_STATE_INVALID; UnsupportedError BOOTC_STATE_VERSION; as `Sysroot.openOstree`
 */
export function readState(sysroot: Sysroot): StorageState {
  const mode = readMode(sysroot);
  using repo = sysroot.openOstree();
  const isFlagged = repo !== undefined && isBound(repo);
  return { mode, isFlagged, binding: bindingOf(mode, isFlagged) };
}

/** Classifies a host. Source: unified-storage notes 1.6. */
export function bindingOf(mode: StorageMode | undefined, isFlagged: boolean): Binding {
  const isInStorage = mode !== undefined && mode !== 'disabled';
  if (isInStorage) return 'unified';
  return isFlagged ? 'bound-only' : 'disabled';
}

function readMode({ root }: Sysroot): StorageMode | undefined {
  using file = root.tryOpenFile(STATE_FILE, OPEN.read | OPEN.noFollow | OPEN.nonBlock);
  if (file === undefined) return undefined;
  return parseStateFile(readAll(file, STATE_FILE_BYTES_MAX), file.label);
}

/** Sets the mode, atomic and durable: after a crash it is the old or the new one. It comes last in every operation. */
export function writeMode({ root }: Sysroot, mode: StorageMode): void {
  const temporary = `${STATE_FILE}.tmp-${randomName()}` as ByteString;
  try {
    {
      using file = root.openFile(temporary, OPEN.write | OPEN.create | OPEN.exclusive, 0o644);
      writeAll(file, encodeStateFile(mode));
      fsync(file);
    }
    root.rename(temporary, STATE_FILE);
    fsyncParent(root, STATE_FILE);
  } catch (error) {
    removeQuietly(root, temporary);
    throw error;
  }
}

function removeQuietly(root: Dir, name: ByteString): void {
  if (root.lstat(name) !== undefined) root.unlink(name);
}

/** True if the config says that commits are made from composefs. */
export function isBound(repo: OstreeRepo): boolean {
  return keyBoolean(repo.config.file, FLAG.group, FLAG.key) === true;
}

/** Says in the config that commits are made from composefs; false if it said so already. */
export function bind(repo: OstreeRepo): boolean {
  return repo.setBoolean(FLAG.group, FLAG.key, true);
}
