import { FormatError } from '#base/errors';
import { joinRecords } from '#formats/containers-storage';
import { fdatasync, fsync, OPEN, randomName, writeAll } from '#host';
import { RECORDS, type RecordKind } from '../layout.ts';
import type { RecordsLock } from '../locks.ts';
import type { StorageRoot } from '../root.ts';

/** A record to write: the unchanged text of an existing one, or a new value. */
export type WrittenRecord = string | Readonly<Record<string, unknown>>;

/** A record of a file with its value. A caller changes some records and keeps the texts of the others. */
export interface EditableRecord {
  readonly text: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/**
 * Reads the records of a file that will be rewritten. A damaged file is refused, because rewriting it would lose unreadable records.
 * @throws FormatError CONTAINERS_RECORDS_INVALID; HostError
 */
export function readForWriting(root: StorageRoot, kind: RecordKind): readonly EditableRecord[] {
  const { records, problem } = root.readRecords(kind);
  const path = root.dir.displayPath(root.pathOf(kind, RECORDS[kind].file));
  if (problem !== undefined) throw damaged(path, problem);
  return records.map(({ text, value }, at) => {
    if (value === undefined) throw damaged(path, `record ${at} is no JSON object`);
    return { text, value };
  });
}

/**
 * Replaces the records of a file atomically and durably. Other processes detect it by the stamp, which is written first.
 * @param lock held for writing
 * @throws HostError SYSCALL_FAILED, NO_SPACE
 */
export function writeRecords(
  root: StorageRoot,
  kind: RecordKind,
  lock: RecordsLock,
  records: readonly WrittenRecord[],
): void {
  lock.stamp();
  const texts = records.map((record) =>
    typeof record === 'string' ? record : JSON.stringify(record),
  );
  writeFile(root, root.pathOf(kind, ''), RECORDS[kind].file, joinRecords(texts));
}

/** Writes a file below a folder (`name/`), atomically and durably. @throws HostError */
export function writeFile(
  root: StorageRoot,
  folder: string,
  name: string,
  bytes: Uint8Array,
): void {
  const temporary = `${folder}.tmp-${name}${randomName()}`;
  try {
    using file = root.dir.openFile(temporary, OPEN.create | OPEN.exclusive | OPEN.write, 0o600);
    writeAll(file, bytes);
    fdatasync(file);
    root.dir.rename(temporary, `${folder}${name}`);
  } catch (error) {
    root.dir.unlink(temporary);
    throw error;
  }
  using directory = root.dir.openDir(folder.replace(/\/$/, ''));
  fsync(directory);
}

/** Removes files that killed writers left beside records; the caller holds the lock, so no process is writing. */
export function removeLeftovers(root: StorageRoot, kind: RecordKind): void {
  const folder = root.pathOf(kind, '');
  using directory = root.dir.openDir(folder.replace(/\/$/, ''));
  const prefix = `.tmp-${RECORDS[kind].file}`;
  for (const { name } of directory.readEntries()) {
    if (name.startsWith(prefix)) directory.unlink(name);
  }
}

function damaged(path: string, found: string): FormatError {
  return new FormatError(
    'CONTAINERS_RECORDS_INVALID',
    `Cannot change "${path}": expected records that can be read, found that ${found}`,
    { offset: 0, what: path, expected: 'records', found },
    { hint: 'Nothing was changed: podman system check --repair may put the store in order' },
  );
}

/** The texts of a member that is a list; other elements are left out. */
export function stringsOf(value: unknown): string[] {
  return Array.isArray(value)
    ? value.filter((item): item is string => typeof item === 'string')
    : [];
}
