import * as v from 'valibot';
import { parsePlatform } from '#work/pull-image';
import { policyKeys, registryKeys, registryOptions } from './registry-keys.ts';
import { count, flag, list, maybeText, orNull, text } from './schemas.ts';
import { trustReport } from './trust-report.ts';
import { defineVerb, type VerbContext } from './verb.ts';

const { tlsVerify, authfile, certDir, creds, registriesConf } = registryKeys;
const request = v.strictObject({
  /** `docker://`, `oci:`, `oci-archive:`, `docker-archive:` or `dir:`. */
  from: text,
  /** `docker://`, `oci:`, `oci-archive:` or `dir:`. */
  to: text,
  platform: maybeText,
  /** Copy an index with all images that it names. */
  all: flag,
  /** Copy signatures and whatever else refers to the image, too. */
  withReferrers: flag,
  ...policyKeys,
  authfile,
  registriesConf,
  srcTlsVerify: tlsVerify,
  srcCertDir: certDir,
  srcCreds: creds,
  destTlsVerify: tlsVerify,
  destCertDir: certDir,
  destCreds: creds,
});
type CopyRequest = v.InferOutput<typeof request>;

const blob = { digest: text, sizeBytes: count, mediaType: text };
const facts = {
  from: text,
  to: text,
  manifestDigest: text,
  mediaType: text,
  /** Manifests that an index names. */
  manifests: list(text),
  referrers: list(v.object({ digest: text, subject: text, artifactType: v.nullable(text) })),
  /** What accepted the image. */
  trust: trustReport,
};
const planned = v.object({
  dryRun: v.literal(true),
  ...facts,
  blobs: list(v.object(blob)),
  /** Bytes of all blobs; the target may have some. */
  wantedBytes: count,
});
const copied = v.object({
  dryRun: v.literal(false),
  ...facts,
  tag: v.nullable(text),
  blobs: list(
    v.object({ ...blob, method: v.picklist(['present', 'mounted', 'reflinked', 'copied']) }),
  ),
  /** Sizes of the blobs by how they came; `fetched` is what was read over a network. */
  bytes: v.object({
    present: count,
    mounted: count,
    reflinked: count,
    copied: count,
    fetched: count,
  }),
});
const report = v.union([planned, copied]);
export type CopyReport = v.InferOutput<typeof report>;

/** `copy`: an image from one place to another, as it is, without a repository. */
export const copy = defineVerb({
  request,
  report,
  examples: [
    {
      request: { from: 'oci:layout:latest', to: 'oci:copy:v1' },
      says: 'Copy an image between layouts',
    },
    {
      request: { from: 'docker://localhost:5000/ns/app:1', to: 'dir:app', all: true },
      says: 'Copy all platforms of an image out of a registry',
    },
  ],
  async plan(context, asked) {
    const { previewCopy } = await import('#work/copy-image');
    const { digest, tag: _, ...found } = await previewCopy(asked.from, optionsOf(context, asked));
    const { from, to } = asked;
    const wantedBytes = found.blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const referrers = referrersOf(found);
    return {
      dryRun: true as const,
      from,
      to,
      manifestDigest: digest,
      ...found,
      referrers,
      wantedBytes,
    };
  },
  async run(context, asked) {
    // Loaded only here: a registry client costs every other verb its start-up time.
    const { copyImage } = await import('#work/copy-image');
    const { from, to } = asked;
    const { digest, tag, ...done } = await copyImage(from, to, optionsOf(context, asked));
    const referrers = referrersOf(done);
    return {
      dryRun: false as const,
      from,
      to,
      manifestDigest: digest,
      ...done,
      referrers,
      tag: orNull(tag),
    };
  },
});

function referrersOf({
  referrers,
}: {
  readonly referrers: readonly {
    readonly digest: string;
    readonly subject: string;
    readonly artifactType: string | undefined;
  }[];
}) {
  return referrers.map((one) => ({ ...one, artifactType: orNull(one.artifactType) }));
}

function optionsOf({ signal, onProgress, warn }: VerbContext, asked: CopyRequest) {
  const { platform, all, withReferrers, authfile: file, registriesConf: conf } = asked;
  const { signaturePolicy, requirePolicy, registriesD, acceptReferrers } = asked;
  const { srcTlsVerify, srcCertDir, srcCreds, destTlsVerify, destCertDir, destCreds } = asked;
  return {
    signal,
    onProgress,
    onWarning: warn,
    platform: platform === undefined ? undefined : parsePlatform(platform),
    all,
    withReferrers,
    from: registryOptions({
      tlsVerify: srcTlsVerify,
      certDir: srcCertDir,
      creds: srcCreds,
      authfile: file,
      registriesConf: conf,
      signaturePolicy,
      requirePolicy,
      registriesD,
      acceptReferrers,
    }),
    to: registryOptions({
      tlsVerify: destTlsVerify,
      certDir: destCertDir,
      creds: destCreds,
      authfile: file,
      registriesConf: conf,
    }),
  };
}
