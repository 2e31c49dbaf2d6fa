import * as v from 'valibot';
import { registryKeys, registryOptions } from './registry-keys.ts';
import { parseRegistryReference } from './registry-reference.ts';
import { count, list, maybeText, orNull, text } from './schemas.ts';
import { defineVerb } from './verb.ts';

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
    const reference = parseRegistryReference(asked.reference);
    const { manifestOf, openRegistryPlace } = await import('#work/registry-image');
    await using place = await openRegistryPlace(reference, registryOptions(asked));
    for (const warning of place.warnings) context.warn(warning);
    const { signal } = context;
    const { digest } = await place.repository.requireManifest(manifestOf(reference), { signal });
    const found = await place.repository.listReferrers(digest, { signal });
    const wanted = found.filter(
      (one) => artifactType === undefined || one.artifactType === artifactType,
    );
    return {
      subject: digest,
      referrers: wanted.map((one) => ({
        digest: one.digest,
        mediaType: one.mediaType,
        artifactType: orNull(one.artifactType),
        sizeBytes: one.sizeBytes,
        annotations: Object.fromEntries(one.annotations),
      })),
    };
  },
});
