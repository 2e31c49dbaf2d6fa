import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Path of the object behind the first stream (by name) whose name starts with `prefix`. */
export function objectOfStream(repository: string, prefix: string): string {
  const streams = join(repository, 'streams');
  return resolve(streams, readlinkSync(join(streams, firstName(streams, prefix))));
}

/** Path of the object behind the first image. */
export function objectOfImage(repository: string): string {
  const images = join(repository, 'images');
  return resolve(images, readlinkSync(join(images, firstName(images, ''))));
}

/** First name in a directory, in byte order, that starts with `prefix`. */
export function firstName(directory: string, prefix: string): string {
  const name = readdirSync(directory)
    .sort()
    .find((entry) => entry.startsWith(prefix) && entry !== 'refs');
  if (name === undefined) throw new Error(`nothing in ${directory} starts with "${prefix}"`);
  return name;
}

/** Path of the first object with exactly this size. */
export function objectOfSize(repository: string, sizeBytes: number): string {
  const objects = join(repository, 'objects');
  const path = readdirSync(objects, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .find((file) => readFileSync(file).length === sizeBytes);
  if (path === undefined) throw new Error(`no object has ${sizeBytes} bytes`);
  return path;
}

/** Inverts one byte of a file in place. */
export function flipByte(path: string, offset: number): void {
  const bytes = readFileSync(path);
  bytes.writeUInt8((bytes[offset] ?? 0) ^ 0xff, offset);
  writeFileSync(path, bytes);
}

/** Rewrites meta.json. */
export function editMeta(repository: string, edit: (meta: Meta) => void): void {
  const path = join(repository, 'meta.json');
  const meta = JSON.parse(readFileSync(path, 'utf8')) as Meta;
  edit(meta);
  writeFileSync(path, `${JSON.stringify(meta, null, 2)}\n`);
}

/** The parts of meta.json that damage is done to. */
export interface Meta {
  version: number;
  algorithm: string;
  features: { compatible: string[]; 'read-only-compatible': string[]; incompatible: string[] };
  erofs_formats: { default: number; extra?: number[] };
  [key: string]: unknown;
}
