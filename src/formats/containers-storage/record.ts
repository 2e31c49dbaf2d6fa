import { type ContentDigest, type DiffId, isContentDigest } from '#base/digest';
import { isStorageId } from './names.ts';
import type { RawRecord } from './raw-records.ts';

/** The fields of a `layers.json` record that are read. */
export interface LayerRecord {
  readonly id: string;
  readonly parent: string | undefined;
  readonly names: readonly string[];
  /** The diff id; absent while a layer is being created, and if the layer is identified by its TOC. */
  readonly diffId: DiffId | undefined;
  /** For a layer identified by its TOC: the diff id in the config, which was never verified. */
  readonly statedDiffId: DiffId | undefined;
  /** Size of the tar in bytes; undefined if the record does not state it. */
  readonly diffSizeBytes: number | undefined;
  readonly tocDigest: ContentDigest | undefined;
  /** Being created, or left by a crash: the layer is ignored. */
  readonly isIncomplete: boolean;
  readonly bigDataNames: readonly string[];
}

/** The fields of an `images.json` record that are read. */
export interface ImageRecord {
  readonly id: string;
  /** The digest by which the image was pulled: of its manifest, of an index, or of the manifest before a conversion. */
  readonly digest: ContentDigest | undefined;
  readonly names: readonly string[];
  /** The top layer; absent for a manifest list, and for an image without layers. */
  readonly layer: string | undefined;
  readonly bigDataNames: readonly string[];
  readonly bigDataDigests: ReadonlyMap<string, ContentDigest>;
  readonly created: string | undefined;
}

/** The fields of a `containers.json` record that are read. */
export interface ContainerRecord {
  readonly id: string;
  readonly names: readonly string[];
  /** The image from which it was made; absent for a container without an image. */
  readonly image: string | undefined;
  /** Its own layer, on top of those of the image. */
  readonly layer: string | undefined;
}

/** A parsed record, or why it is invalid. */
export type Parsed<T> =
  | { readonly record: T; readonly problem?: undefined }
  | { readonly record?: undefined; readonly problem: string };

/** Reads a layer record; a damaged record is returned as a value, because it must not hide the others. */
export function parseLayerRecord(raw: RawRecord): Parsed<LayerRecord> {
  const fields = new Fields(raw.value);
  const flags = new Fields(fields.object('flags'));
  const record = {
    id: fields.id('id') ?? '',
    parent: fields.id('parent'),
    names: fields.strings('names'),
    diffId: fields.digest('diff-digest') as DiffId | undefined,
    statedDiffId: flags.digest('expected-layer-diffid') as DiffId | undefined,
    diffSizeBytes: fields.size('diff-size'),
    tocDigest: fields.digest('toc-digest'),
    isIncomplete: flags.isTrue('incomplete'),
    bigDataNames: fields.strings('big-data-names'),
  };
  return settle(record, [fields, flags]);
}

/** Reads an image record; a damaged record is returned as a value, because it must not hide the others. */
export function parseImageRecord(raw: RawRecord): Parsed<ImageRecord> {
  const fields = new Fields(raw.value);
  const digests = new Fields(fields.object('big-data-digests'));
  const record = {
    id: fields.id('id') ?? '',
    digest: fields.digest('digest'),
    names: fields.strings('names'),
    layer: fields.id('layer'),
    bigDataNames: fields.strings('big-data-names'),
    bigDataDigests: new Map(
      digests.keys().flatMap((key) => {
        const digest = digests.digest(key);
        return digest === undefined ? [] : [[key, digest] as const];
      }),
    ),
    created: fields.string('created'),
  };
  return settle(record, [fields, digests]);
}

/** Reads a container record; a damaged record is returned as a value, because it must not hide the others. */
export function parseContainerRecord(raw: RawRecord): Parsed<ContainerRecord> {
  const fields = new Fields(raw.value);
  const record = {
    id: fields.id('id') ?? '',
    names: fields.strings('names'),
    image: fields.string('image'),
    layer: fields.id('layer'),
  };
  return settle(record, [fields]);
}

function settle<T extends { readonly id: string }>(
  record: T,
  readers: readonly Fields[],
): Parsed<T> {
  const problem = readers.map((fields) => fields.problem).find((found) => found !== undefined);
  if (problem !== undefined) return { problem };
  return record.id === '' ? { problem: 'it has no id' } : { record };
}

/** A walk over the members of one object that keeps the first error. Absent, empty and null are equivalent. */
class Fields {
  problem: string | undefined;
  readonly #value: Readonly<Record<string, unknown>>;

  constructor(value: Readonly<Record<string, unknown>> | undefined) {
    if (value === undefined) this.problem = 'it is no JSON object';
    this.#value = value ?? {};
  }

  keys(): string[] {
    return Object.keys(this.#value);
  }

  string(key: string): string | undefined {
    const value = this.#get(key);
    if (value === undefined || value === '') return undefined;
    return typeof value === 'string' ? value : this.#wrong(key, 'a string');
  }

  id(key: string): string | undefined {
    const text = this.string(key);
    if (text === undefined || isStorageId(text)) return text;
    return this.#wrong(key, 'an id');
  }

  digest(key: string): ContentDigest | undefined {
    const text = this.string(key);
    if (text === undefined || isContentDigest(text)) return text;
    return this.#wrong(key, 'a digest');
  }

  /** A size; negative if unknown. */
  size(key: string): number | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isSafeInteger(value)) {
      return value < 0 ? undefined : value;
    }
    return this.#wrong(key, 'a size');
  }

  strings(key: string): readonly string[] {
    const value = this.#get(key);
    if (value === undefined) return [];
    const isList = Array.isArray(value) && value.every((item) => typeof item === 'string');
    return isList ? (value as string[]) : (this.#wrong(key, 'a list of strings') ?? []);
  }

  object(key: string): Readonly<Record<string, unknown>> {
    const value = this.#get(key);
    if (value === undefined) return {};
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : (this.#wrong(key, 'an object') ?? {});
  }

  isTrue(key: string): boolean {
    return this.#get(key) === true;
  }

  #get(key: string): unknown {
    const value = Object.hasOwn(this.#value, key) ? this.#value[key] : undefined;
    return value === null ? undefined : value;
  }

  #wrong(key: string, expected: string): undefined {
    this.problem ??= `"${key}" is not ${expected}`;
  }
}
