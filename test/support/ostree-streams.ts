import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { OstreeChecksum } from '#base/digest';
import { computeVerity, type VerityAlgorithm } from '#formats/fsverity';
import {
  CommitStreamBuilder,
  inflateContent,
  inlineMaxBytes,
  isLinkMode,
  parseFilez,
  walkCommit,
} from '#formats/ostree';
import { readTarFolder } from './tar-fixture.ts';

/** What composefs-ostree made of one commit in a repository of one hash kind. */
export interface ExpectedStream {
  /** fs-verity digest of the splitstream without and with the image as named ref. */
  readonly stream_before: string;
  readonly stream_after: string;
  /** Image with the stray NUL in xattr names; `image_fixed` without, where that makes a difference (sha256 only). */
  readonly image: string;
  readonly image_fixed?: string;
  readonly logical_len: number;
  readonly logical_sha256: string;
  readonly external_objects: number;
}

type ExpectedCommit = { readonly commit: OstreeChecksum } & Record<VerityAlgorithm, ExpectedStream>;

/** test/golden/ostree/extra/expected.json: `repository:ref` → what the real tool made of it. */
export const EXPECTED_STREAMS = JSON.parse(
  readFileSync(new URL('../golden/ostree/extra/expected.json', import.meta.url), 'utf8'),
) as Record<string, ExpectedCommit>;

/** The files of the archive repository of a key of EXPECTED_STREAMS: `r-names:names`, `mini/r-archive:test/v1`. */
export function repositoryOf(key: string): ReadonlyMap<string, { readonly bytes: Uint8Array }> {
  const name = key.slice(0, key.indexOf(':'));
  return name.startsWith('mini/')
    ? readTarFolder('ostree/mini.tar.gz', `fxmini/${name.slice(5)}`)
    : readTarFolder('ostree/extra/repos.tar.gz', name);
}

/** Fills a stream builder as a pull from an archive repository does. */
export function buildStream(
  repository: ReadonlyMap<string, { readonly bytes: Uint8Array }>,
  commit: OstreeChecksum,
  algorithm: VerityAlgorithm,
): CommitStreamBuilder {
  const object = (checksum: string, extension: string): Uint8Array | undefined =>
    repository.get(`objects/${checksum.slice(0, 2)}/${checksum.slice(2)}.${extension}`)?.bytes;
  const builder = new CommitStreamBuilder();
  for (const { kind, checksum, isMissing } of walkCommit(commit, object, { verify: true })) {
    assert.equal(isMissing, false, `${checksum}.${kind}`);
    if (kind !== 'file') {
      builder.addMetadata(checksum, object(checksum, kind) as Uint8Array);
      continue;
    }
    const { header, rawHeader, payload } = parseFilez(object(checksum, 'filez') as Uint8Array);
    const content = inflateContent(header, payload);
    if (isLinkMode(header.mode) || header.sizeBytes <= inlineMaxBytes(algorithm)) {
      builder.addInlineFile(checksum, rawHeader, content);
    } else builder.addExternalFile(checksum, rawHeader, computeVerity(content, algorithm));
  }
  return builder;
}
