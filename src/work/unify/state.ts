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

/** File of the storage mode. Source: bootc, bootc.json. */
const STATE_FILE = 'composefs/bootc.json';
/** Flag in the config of the OSTree repository: its commits are made from composefs. Source: bootc. */
const FLAG = { group: 'composefs', key: 'unified' } as const;

/** Binding of a host: none, commits made from composefs, or images also in containers-storage. */
export type Binding = 'disabled' | 'bound-only' | 'unified';

/** The state of unified storage of a sysroot. */
export interface StorageState {
  /** From `bootc.json`; undefined without that file. */
  readonly mode: StorageMode | undefined;
  /** From the config of the OSTree repository. */
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

/** Sets the mode, atomically and durably: after a crash the mode is the old or the new one. It is the last step of every operation. */
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

/** True if the config records that commits are made from composefs. */
export function isBound(repo: OstreeRepo): boolean {
  return keyBoolean(repo.config.file, FLAG.group, FLAG.key) === true;
}

/** Records in the config that commits are made from composefs; false if the config already did. */
export function bind(repo: OstreeRepo): boolean {
  return repo.setBoolean(FLAG.group, FLAG.key, true);
}

/** Records in the config that commits are not made from composefs; false if the config already did. */
export function unbind(repo: OstreeRepo): boolean {
  return isBound(repo) && repo.setBoolean(FLAG.group, FLAG.key, false);
}
