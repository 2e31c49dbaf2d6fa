import * as v from 'valibot';
import { UsageError } from '#base/errors';
import { findWhole } from '#work/catalog';
import { listStoredReferrers, openOciImage } from '#work/image';
import {
  isRegistryReference,
  refuseRegistryKeys,
  registryKeys,
  registryOptions,
} from './registry-keys.ts';
import { parseRegistryReference } from './registry-reference.ts';
import { openSelected } from './repository.ts';
import { count, list, maybeText, orNull, text } from './schemas.ts';
import { defineVerb, type VerbContext } from './verb.ts';

const report = v.object({
  /** Digest of the subject manifest or index. */
  subject: text,
  referrers: list(
    v.object({
      digest: text,
      mediaType: text,
      artifactType: v.nullable(text),
      sizeBytes: count,
      annotations: v.record(text, text),
    }),
  ),
});
export type ReferrersReport = v.InferOutput<typeof report>;

/** `referrers`: lists signatures, SBOMs and other artifacts that a registry stores for an image. */
export const referrers = defineVerb({
  request: v.strictObject({ reference: text, artifactType: maybeText, ...registryKeys }),
  report,
  examples: [
    {
      request: { reference: 'docker://localhost:5000/ns/app:1' },
      says: 'List the referrers of an image',
    },
  ],
  async run(context, { artifactType, ...asked }) {
    const matches = (one: { readonly artifactType?: string | undefined }) =>
      artifactType === undefined || one.artifactType === artifactType;
    if (!isRegistryReference(asked.reference)) {
      refuseRegistryKeys(asked, `list the referrers of "${asked.reference}"`);
      const stored = await storedReferrers(context, asked.reference);
      return { ...stored, referrers: stored.referrers.filter(matches).map(rowOf) };
    }
    const reference = parseRegistryReference(asked.reference);
    const { manifestOf, openRegistryPlace } = await import('#work/registry-image');
    await using place = await openRegistryPlace(reference, registryOptions(asked));
    for (const warning of place.warnings) context.warn(warning);
    const { signal } = context;
    const { digest } = await place.repository.requireManifest(manifestOf(reference), { signal });
    const found = await place.repository.listReferrers(digest, { signal });
    return { subject: digest, referrers: found.filter(matches).map(rowOf) };
  },
});

/** What is said of one referrer. */
interface Referrer {
  readonly digest: string;
  readonly mediaType: string;
  readonly artifactType?: string | undefined;
  readonly sizeBytes: number;
  readonly annotations: ReadonlyMap<string, string>;
}

function rowOf({ artifactType, annotations, digest, mediaType, sizeBytes }: Referrer) {
  return {
    digest,
    mediaType,
    artifactType: orNull(artifactType),
    sizeBytes,
    annotations: Object.fromEntries(annotations),
  };
}

/** The artifacts of the repository that refer to a stored image. @throws UsageError for what is no image; as `findNamed` */
async function storedReferrers(context: VerbContext, name: string) {
  using repository = await openSelected(context);
  const named = findWhole(repository, name);
  if (named.kind !== 'image' && named.kind !== 'index') {
    throw new UsageError(
      `Cannot list the referrers of "${name}": expected an image or docker://HOST/NAME, found a ${named.kind}`,
    );
  }
  const subject = named.kind === 'index' ? named.indexDigest : named.manifestDigest;
  const referrers = listStoredReferrers(repository, subject).map((digest): Referrer => {
    const { manifest } = openOciImage(repository, `@${digest}`);
    const { mediaType, bytes, annotations, artifactType = manifest.config.mediaType } = manifest;
    return { digest, mediaType, artifactType, sizeBytes: bytes.length, annotations };
  });
  return { subject, referrers };
}
