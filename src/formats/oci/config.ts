import { type ContentDigest, computeContentDigest, type DiffId } from '#base/digest';
import { readDigest } from './descriptor.ts';
import { type JsonField, parseDocument } from './json.ts';
import { CONFIG_MAX_BYTES, LAYERS_MAX } from './layout.ts';
import type { Platform } from './platform.ts';

/** One build step of an image. Source: image-spec config.md, `history`. */
export interface HistoryEntry {
  readonly created?: string;
  readonly createdBy?: string;
  readonly author?: string;
  readonly comment?: string;
  /** True when the step made no layer. */
  readonly emptyLayer: boolean;
}

/** The fields of an image config that this library uses, with the exact bytes that its digest names. */
export interface ImageConfig {
  readonly bytes: Uint8Array;
  readonly digest: ContentDigest;
  /** Undefined when the config states neither os nor architecture, as in hand-made images. */
  readonly platform?: Platform;
  /** Digests of the uncompressed layers, bottom first. */
  readonly diffIds: readonly DiffId[];
  readonly labels: ReadonlyMap<string, string>;
  readonly history: readonly HistoryEntry[];
  readonly created?: string;
  readonly author?: string;
}

/**
 * Parses an image config, OCI or Docker (they share these fields).
 * Source: image-spec config.md; Docker image specification v1.2.
 * @throws FormatError OCI_DOCUMENT_TOO_LARGE, OCI_DOCUMENT_INVALID
 */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const document = parseDocument(bytes, 'image config', CONFIG_MAX_BYTES);
  const rootfs = document.get('rootfs');
  const kind = rootfs.get('type');
  if (kind.string() !== 'layers') kind.fail('"layers"');
  const settings = document.get('config');
  const platform = readConfigPlatform(document);
  return {
    bytes,
    digest: computeContentDigest(bytes),
    diffIds: rootfs
      .get('diff_ids')
      .list(LAYERS_MAX)
      .map((field) => readDigest(field) as string as DiffId),
    labels: settings.isAbsent ? new Map() : settings.get('Labels').stringMap(),
    history: document.get('history').list(LAYERS_MAX).map(readHistory),
    ...(platform === undefined ? {} : { platform }),
    ...optional('created', document.get('created')),
    ...optional('author', document.get('author')),
  };
}

function readConfigPlatform(document: JsonField): Platform | undefined {
  const os = document.get('os').optionalString() ?? '';
  const architecture = document.get('architecture').optionalString() ?? '';
  const variant = document.get('variant').optionalString() ?? '';
  if (os === '' && architecture === '') return undefined;
  return variant === '' ? { os, architecture } : { os, architecture, variant };
}

function readHistory(field: JsonField): HistoryEntry {
  return {
    emptyLayer: field.get('empty_layer').isTrue,
    ...optional('created', field.get('created')),
    ...optional('createdBy', field.get('created_by')),
    ...optional('author', field.get('author')),
    ...optional('comment', field.get('comment')),
  };
}

function optional<K extends string>(key: K, field: JsonField): { readonly [P in K]?: string } {
  const value = field.optionalString();
  return (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: string };
}
