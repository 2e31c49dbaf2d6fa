import { NotFoundError, UnsupportedError } from '#base/errors';
import { type RawRecords, RECORDS_BYTES_MAX, splitRecords } from '#formats/containers-storage';
import { Dir, hasErrno, pathOf, readAll } from '#host';
import { DRIVERS, type Driver, RECORDS, type RecordKind } from './layout.ts';

/** Role of a graph root in its store. */
export type RootRole = 'primary' | 'image-store' | 'additional';

/** One graph root of one driver: a folder with layers, images and their records. */
export class StorageRoot implements Disposable {
  readonly dir: Dir;
  readonly driver: Driver;
  readonly role: RootRole;

  constructor(dir: Dir, driver: Driver, role: RootRole) {
    this.dir = dir;
    this.driver = driver;
    this.role = role;
  }

  [Symbol.dispose](): void {
    this.dir[Symbol.dispose]();
  }

  /** Path of a file beside the records of a kind. */
  pathOf(kind: RecordKind, name: string): string {
    return `${this.driver}-${RECORDS[kind].folder}/${name}`;
  }

  /** Reads the records of a file; empty if the file is missing. @throws FormatError CONTAINERS_RECORDS_INVALID; HostError */
  readRecords(kind: RecordKind, name: string = RECORDS[kind].file): RawRecords {
    const path = this.pathOf(kind, name);
    using file = this.dir.tryOpenFile(path);
    if (file === undefined) return { records: [], problem: undefined };
    return splitRecords(readAll(file, RECORDS_BYTES_MAX), file.label);
  }
}

/**
 * Opens a graph root with the given driver, else with the driver whose folders exist.
 * @throws NotFoundError IMAGE_SOURCE_NOT_FOUND; UnsupportedError STORE_DRIVER_UNSUPPORTED; HostError
 */
export function openRoot(path: string, role: RootRole, driver: string | undefined): StorageRoot {
  if (driver !== undefined) requireDriver(driver, path);
  const dir = tryOpen(path);
  if (dir === undefined) throw missing(path);
  try {
    return new StorageRoot(
      dir,
      driver === undefined ? findDriver(dir) : requireDriver(driver, path),
      role,
    );
  } catch (error) {
    dir[Symbol.dispose]();
    throw error;
  }
}

/** As `openRoot`; undefined if the folder is missing. */
export function tryOpenRoot(
  path: string,
  role: RootRole,
  driver: string | undefined,
): StorageRoot | undefined {
  const dir = tryOpen(path);
  if (dir === undefined) return undefined;
  dir[Symbol.dispose]();
  return openRoot(path, role, driver);
}

function tryOpen(path: string): Dir | undefined {
  try {
    return Dir.openPath(pathOf(path));
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** Detects the driver of a graph root with records; `overlay` for an empty one. */
function findDriver(dir: Dir): Driver {
  const found = DRIVERS.find((driver) => dir.stat(`${driver}-layers`)?.type === 'directory');
  if (found !== undefined) return found;
  const other = dir.readEntries().find(({ name }) => name.endsWith('-layers'));
  if (other !== undefined) return requireDriver(other.name.slice(0, -'-layers'.length), dir.label);
  return 'overlay';
}

function requireDriver(driver: string, path: string): Driver {
  // `overlay2` is the old name of the same driver.
  const name = driver === 'overlay2' ? 'overlay' : driver;
  const known = DRIVERS.find((one) => one === name);
  if (known !== undefined) return known;
  throw new UnsupportedError(
    'STORE_DRIVER_UNSUPPORTED',
    `Cannot read the store "${path}": expected the driver ${DRIVERS.join(' or ')}, found "${driver.slice(0, 100)}"`,
    { driver: driver.slice(0, 100), path },
    { hint: 'Copy the image with: skopeo copy containers-storage:NAME oci:DIRECTORY:TAG' },
  );
}

function missing(path: string): NotFoundError {
  return new NotFoundError(
    'IMAGE_SOURCE_NOT_FOUND',
    `Cannot open containers-storage "${path}": expected its graph root, found nothing`,
    { path },
    { hint: 'podman info --format "{{.Store.GraphRoot}}" prints the graph root of this user' },
  );
}
