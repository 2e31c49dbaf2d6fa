import * as v from 'valibot';
import { bytesOf, displayText, isUtf8, plainName } from '#base/bytes';
import type { ImageView, ViewEntry } from '#work/browse';
import { count, list, text } from './schemas.ts';

/** A file of an image. */
export const entrySchema = v.object({
  path: text,
  /** The bytes of the path, when it is not UTF-8. */
  pathHex: v.optional(text),
  kind: v.picklist(['file', 'directory', 'symlink', 'chr', 'blk', 'fifo', 'socket']),
  /** Permissions, four octal digits. */
  mode: text,
  uid: count,
  gid: count,
  sizeBytes: count,
  /** RFC 3339, with nanoseconds if they are not zero. */
  mtime: text,
  linkCount: count,
  target: v.nullable(text),
  /** The bytes of the target, when it is not UTF-8. */
  targetHex: v.optional(text),
  /** The kernel's 32-bit device number. */
  rdev: count,
  objectId: v.nullable(text),
});
export type Entry = v.InferOutput<typeof entrySchema>;

/** Entries of a listing. */
export const entriesReport = v.object({ entries: list(entrySchema) });

/** An entry in the form of a report. A name that is not UTF-8 is also given as hex, so that nothing is lost. */
export function entryOf(entry: ViewEntry): Entry {
  const { target } = entry;
  return {
    path: displayText(entry.path),
    ...(isUtf8(entry.path) ? {} : { pathHex: bytesOf(entry.path).toString('hex') }),
    kind: entry.kind,
    mode: entry.mode.toString(8).padStart(4, '0'),
    uid: entry.uid,
    gid: entry.gid,
    sizeBytes: entry.sizeBytes,
    mtime: timeText(entry.mtimeSec, entry.mtimeNsec),
    linkCount: entry.linkCount,
    target: target === undefined ? null : displayText(target),
    ...(target === undefined || isUtf8(target)
      ? {}
      : { targetHex: bytesOf(target).toString('hex') }),
    rdev: entry.rdev,
    objectId: entry.objectId ?? null,
  };
}

/** Xattrs by name, values in base64. */
export const xattrsSchema = v.record(text, text);

/** The xattrs of an entry in the form of a report. */
export function xattrsOf(view: ImageView, entry: ViewEntry): Record<string, string> {
  return Object.fromEntries(
    [...view.xattrs(entry)].map(([key, value]) => [
      plainName(key),
      Buffer.from(value).toString('base64'),
    ]),
  );
}

/** A time as RFC 3339 in UTC; seconds and nanoseconds if the date is out of range. */
function timeText(seconds: bigint, nanoseconds: number): string {
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return `${seconds}.${`${nanoseconds}`.padStart(9, '0')}`;
  const fraction = nanoseconds === 0 ? '' : `.${`${nanoseconds}`.padStart(9, '0')}`;
  return date.toISOString().replace(/\.\d+Z$/, `${fraction}Z`);
}
