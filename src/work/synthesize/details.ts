import { BOOLEAN, STRING, type VariantDict, variantOf } from '#formats/gvariant';
import { newestMtime, type Tree } from '#formats/tree';
import type { OciImage } from '#work/image';

/** The fields of a commit beside its tree. */
export interface SynthesizedDetails {
  /** In stored order. */
  readonly metadata: VariantDict;
  readonly timestampSec: bigint;
}

/** The release of ostree-ext whose layout the classic route writes. */
export const IMPORTER = '0.15.3';
/** Manifest annotation with the creation time of the image. Source: image-spec annotations.md. */
const CREATED = 'org.opencontainers.image.created';

/**
 * The metadata that bootc, ostree-ext and rpm-ostree read from the commit of an image. Keys are in ascending order and documents are canonical
 * JSON: the same image has the same commit, for every user and at any time. Source: unified-storage notes 2.10.
 */
export function detailsOf(image: OciImage, tree: Tree): SynthesizedDetails {
  return {
    metadata: [
      ['ostree-ext.composefs-synthesized', variantOf(BOOLEAN, true)],
      ['ostree.bootable', variantOf(BOOLEAN, true)],
      ['ostree.container.image-config', jsonOf(image.configBytes)],
      ['ostree.manifest', jsonOf(image.manifestBytes)],
      ['ostree.manifest-digest', variantOf(STRING, image.manifestDigest)],
    ],
    timestampSec: timestampOf(image, tree),
  };
}

/** The same for the classic route, without the fields that mark a synthesized commit. Source: unified-storage notes 2.10. */
export function classicDetailsOf(image: OciImage, tree: Tree): SynthesizedDetails {
  return {
    metadata: [
      ['ostree.container.image-config', jsonOf(image.configBytes)],
      ['ostree.importer.version', variantOf(STRING, IMPORTER)],
      ['ostree.manifest', jsonOf(image.manifestBytes)],
      ['ostree.manifest-digest', variantOf(STRING, image.manifestDigest)],
    ],
    timestampSec: timestampOf(image, tree),
  };
}

function jsonOf(bytes: Uint8Array) {
  return variantOf(STRING, canonicalJson(JSON.parse(Buffer.from(bytes).toString('utf8'))));
}

function timestampOf(image: OciImage, tree: Tree): bigint {
  return BigInt.asUintN(64, timeOf(image) ?? newestMtime(tree).mtimeSec);
}

/** Creation time of the image in seconds: from the annotation of its manifest, otherwise from its config. */
export function timeOf({ manifest, config }: OciImage): bigint | undefined {
  return secondsOf(manifest.annotations.get(CREATED)) ?? secondsOf(config?.created);
}

/** Seconds of an RFC 3339 time, without fraction; undefined for an invalid time. */
function secondsOf(text: string | undefined): bigint | undefined {
  const known = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.exec(
    text ?? '',
  );
  if (known === null) return undefined;
  const [, date, time, zone] = known;
  const millis = Date.parse(`${date}T${time}${zone?.toUpperCase()}`);
  return Number.isNaN(millis) ? undefined : BigInt(millis / 1000);
}

/** JSON without white space, members in ascending order of their names. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, one]) => `${JSON.stringify(key)}:${canonicalJson(one)}`).join(',')}}`;
}
