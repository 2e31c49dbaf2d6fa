import { FormatError, UnsupportedError } from '#base/errors';
import { formatAlgorithmId, parseAlgorithmId, type VerityAlgorithm } from '#formats/fsverity';

/** Version of the composefs EROFS format; see the image writer for details. */
export type ErofsVersion = 0 | 1 | 2;

/** The EROFS versions in which a repository builds images. `extra` is sorted, without duplicates. */
export interface ErofsFormats {
  readonly default: ErofsVersion;
  readonly extra: readonly ErofsVersion[];
}

/** Feature flags. Unknown names are kept. */
export interface RepositoryFeatures {
  readonly compatible: readonly string[];
  readonly readOnlyCompatible: readonly string[];
  readonly incompatible: readonly string[];
}

/** The content of `meta.json`, with defaults; `formats` is undefined if the file has no such key. */
export interface RepositoryMeta {
  readonly version: number;
  readonly algorithm: VerityAlgorithm;
  readonly features: RepositoryFeatures;
  readonly formats: ErofsFormats | undefined;
}

/** Newest repository format this code understands. Source: composefs-rs 0.9 `RepoMetadata`. */
export const META_VERSION = 1;

/** The feature for EROFS V1 images by default. The only known feature. Source: composefs-rs 0.9. */
export const FEATURE_V1_EROFS = 'v1_erofs';

const NO_FEATURES: RepositoryFeatures = {
  compatible: [],
  readOnlyCompatible: [],
  incompatible: [],
};

/** The metadata of a new repository. */
export function createMeta(
  algorithm: VerityAlgorithm,
  formats: ErofsFormats = { default: 1, extra: [] },
): RepositoryMeta {
  const readOnlyCompatible = formats.default === 1 ? [FEATURE_V1_EROFS] : [];
  return {
    version: META_VERSION,
    algorithm,
    features: { ...NO_FEATURES, readOnlyCompatible },
    formats: { default: formats.default, extra: sortedVersions(formats.extra) },
  };
}

/** The exact bytes of meta.json: two-space JSON in fixed key order and a newline. */
export function encodeMeta(meta: RepositoryMeta): Uint8Array {
  const document = {
    version: meta.version,
    algorithm: formatAlgorithmId(meta.algorithm),
    features: {
      compatible: meta.features.compatible,
      'read-only-compatible': meta.features.readOnlyCompatible,
      incompatible: meta.features.incompatible,
    },
    ...(meta.formats === undefined ? {} : { erofs_formats: encodeFormats(meta.formats) }),
  };
  return Buffer.from(`${JSON.stringify(document, null, 2)}\n`, 'utf8');
}

/**
 * Parses meta.json. Unknown keys are ignored; a newer version is kept for `checkCompatibility`.
 * @throws FormatError REPO_METADATA_INVALID, FSVERITY_ALGORITHM_INVALID
 */
export function parseMeta(bytes: Uint8Array): RepositoryMeta {
  const document = asObject(parseJson(bytes), 'meta.json');
  const version = document['version'];
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 0) {
    return invalid('version', version, 'expected a whole number');
  }
  const algorithm = document['algorithm'];
  if (typeof algorithm !== 'string') {
    return invalid('algorithm', algorithm, 'expected a text');
  }
  return {
    version,
    algorithm: parseAlgorithmId(algorithm),
    features: parseFeatures(document['features']),
    formats: parseFormats(document['erofs_formats']),
  };
}

/** The allowed access: everything, or reading only, because of unknown read-only-compatible features. */
export interface Compatibility {
  readonly unknownReadOnly: readonly string[];
}

/**
 * Compares the metadata with the supported version, and then with the supported features.
 * @throws UnsupportedError REPO_VERSION_UNSUPPORTED, REPO_FEATURE_UNKNOWN
 */
export function checkCompatibility(meta: RepositoryMeta): Compatibility {
  if (meta.version > META_VERSION) {
    throw new UnsupportedError(
      'REPO_VERSION_UNSUPPORTED',
      `Cannot open repository: expected format version ${META_VERSION} or older, found ${meta.version}`,
      { expected: META_VERSION, found: meta.version },
      { hint: 'Open this repository with a newer version of onecopy' },
    );
  }
  const features = [...meta.features.incompatible];
  if (features.length > 0) {
    throw new UnsupportedError(
      'REPO_FEATURE_UNKNOWN',
      `Cannot open repository: it requires unknown incompatible features ${JSON.stringify(features)}`,
      { features },
      { hint: 'Open this repository with a newer version of onecopy' },
    );
  }
  const known: readonly string[] = [FEATURE_V1_EROFS];
  return { unknownReadOnly: meta.features.readOnlyCompatible.filter((f) => !known.includes(f)) };
}

/**
 * The effective formats. An explicit plain `{default: 2}` counts as absent, so that it means V1 with the feature `v1_erofs`. Source:
 * composefs-rs 0.9 `RepoMetadata::format_config`.
 */
export function effectiveFormats(meta: RepositoryMeta): ErofsFormats {
  const { formats } = meta;
  if (formats !== undefined && !(formats.default === 2 && formats.extra.length === 0)) {
    return formats;
  }
  const isV1 = meta.features.readOnlyCompatible.includes(FEATURE_V1_EROFS);
  return { default: isV1 ? 1 : 2, extra: [] };
}

/** The versions in which an image is built: the default first, then the extra ones in ascending order. */
export function versionsOf(formats: ErofsFormats): readonly ErofsVersion[] {
  return [formats.default, ...formats.extra.filter((version) => version !== formats.default)];
}

/** True if all fields are equal. */
export function equalMeta(a: RepositoryMeta, b: RepositoryMeta): boolean {
  return Buffer.compare(encodeMeta(a), encodeMeta(b)) === 0;
}

function encodeFormats(formats: ErofsFormats): { default: number; extra?: readonly number[] } {
  return formats.extra.length === 0
    ? { default: formats.default }
    : { default: formats.default, extra: formats.extra };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new FormatError(
      'REPO_METADATA_INVALID',
      'Cannot parse meta.json: expected JSON in UTF-8',
      { offset: 0, what: 'meta.json' },
      { cause: error },
    );
  }
}

function parseFeatures(value: unknown): RepositoryFeatures {
  if (value === undefined) return NO_FEATURES;
  const features = asObject(value, 'features');
  return {
    compatible: asTexts(features['compatible'], 'features.compatible'),
    readOnlyCompatible: asTexts(features['read-only-compatible'], 'features.read-only-compatible'),
    incompatible: asTexts(features['incompatible'], 'features.incompatible'),
  };
}

function parseFormats(value: unknown): ErofsFormats | undefined {
  if (value === undefined || value === null) return undefined;
  const formats = asObject(value, 'erofs_formats');
  const extra = formats['extra'] ?? [];
  if (!Array.isArray(extra)) return invalid('erofs_formats.extra', extra, 'expected a list');
  return {
    default: asVersion(formats['default'], 'erofs_formats.default'),
    extra: sortedVersions(extra.map((entry) => asVersion(entry, 'erofs_formats.extra'))),
  };
}

function sortedVersions(versions: readonly ErofsVersion[]): readonly ErofsVersion[] {
  return [...new Set(versions)].sort((a, b) => a - b);
}

function asVersion(value: unknown, what: string): ErofsVersion {
  if (value === 0 || value === 1 || value === 2) return value;
  return invalid(what, value, 'expected 0, 1 or 2');
}

function asObject(value: unknown, what: string): { readonly [key: string]: unknown } {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as { readonly [key: string]: unknown };
  }
  return invalid(what, value, 'expected an object');
}

function asTexts(value: unknown, what: string): readonly string[] {
  if (value === undefined) return [];
  if (Array.isArray(value) && value.every((entry) => typeof entry === 'string')) return value;
  return invalid(what, value, 'expected a list of texts');
}

function invalid(what: string, found: unknown, reason: string): never {
  const shown = JSON.stringify(found)?.slice(0, 80) ?? 'nothing';
  throw new FormatError(
    'REPO_METADATA_INVALID',
    `Cannot parse ${what} of meta.json: ${reason}, found ${shown}`,
    { offset: 0, what, found: shown },
  );
}
