// Invariant: any bytes give a value or one of our errors; a manifest that is accepted has only canonical digests and safe sizes.
import assert from 'node:assert/strict';
import { isContentDigest } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import {
  addToLayoutIndex,
  parseDockerArchive,
  parseImageConfig,
  parseManifest,
  parseReference,
} from '#formats/oci';

/** Name of the target and of its folder of inputs. */
export const name = 'manifest';

const DIGEST = `sha256:${'0'.repeat(64)}`;
const BLOB = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: DIGEST, size: 1 };

/** One document of each kind, and a reference. */
export function seeds(): readonly Uint8Array[] {
  const platform = { os: 'linux', architecture: 'arm', variant: 'v7' };
  const annotations = { 'org.opencontainers.image.ref.name': 'x' };
  const documents = [
    { schemaVersion: 2, config: BLOB, layers: [BLOB, BLOB], subject: BLOB, annotations },
    { schemaVersion: 2, manifests: [{ ...BLOB, platform, annotations }] },
    { ...platform, rootfs: { type: 'layers', diff_ids: [DIGEST] }, config: { Labels: { a: 'b' } } },
    [{ Config: 'c.json', RepoTags: ['a:1'], Layers: ['l.tar'] }],
  ];
  const texts = [
    ...documents.map((document) => JSON.stringify(document)),
    `docker://a.b/c@${DIGEST}`,
  ];
  return texts.map((text) => Buffer.from(text));
}

/** Gives the bytes to every parser of OCI documents. */
export function run(bytes: Uint8Array): void {
  guarded(() => {
    const parsed = parseManifest(bytes);
    const named = parsed.kind === 'index' ? parsed.manifests : [parsed.config, ...parsed.layers];
    for (const { digest, sizeBytes } of named) {
      assert.ok(isContentDigest(digest) && Number.isSafeInteger(sizeBytes) && sizeBytes >= 0);
    }
    if (parsed.kind === 'index') {
      const entry = { mediaType: parsed.mediaType, digest: parsed.digest, sizeBytes: 1, tag: 'x' };
      parseManifest(addToLayoutIndex(bytes, entry), parsed.mediaType);
    }
  });
  guarded(() => {
    for (const diffId of parseImageConfig(bytes).diffIds) assert.ok(isContentDigest(diffId));
  });
  guarded(() => parseDockerArchive(bytes));
  guarded(() => parseReference(Buffer.from(bytes).toString('utf8')));
}

function guarded(parse: () => void): void {
  try {
    parse();
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
  }
}
