import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { testTar } from './tar-archive.ts';

/** Media types of what is written here. */
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';
const EMPTY = 'application/vnd.oci.empty.v1+json';

/** An image for two platforms, with an attestation in its index, and artifacts that refer to parts of it. */
export interface MultiImage {
  /** Of the index. */
  readonly digest: string;
  readonly amd64: string;
  readonly arm64: string;
  readonly attestation: string;
  /** Artifacts: one refers to the index, one to the amd64 manifest, one to the first artifact. */
  readonly sbom: string;
  readonly signature: string;
  readonly signatureOfSbom: string;
  /** All documents and blobs by digest. */
  readonly blobs: ReadonlyMap<string, Buffer>;
  readonly manifests: ReadonlySet<string>;
}

/** Makes the image in memory; `seed` gives other contents, and `sharedBytes` is the size of a layer that both platforms have. */
export function makeMultiImage(seed = 1, sharedBytes = 100_000): MultiImage {
  const blobs = new Map<string, Buffer>();
  const manifests = new Set<string>();
  const put = (bytes: Buffer, mediaType: string, more = {}) => {
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    blobs.set(digest, bytes);
    if (mediaType === MANIFEST || mediaType === INDEX) manifests.add(digest);
    return { mediaType, digest, size: bytes.length, ...more };
  };
  const json = (value: unknown) => Buffer.from(JSON.stringify(value));
  const noise = Buffer.from(
    Array.from({ length: Math.ceil(sharedBytes / 64) }, (_, at) =>
      createHash('sha512').update(`${seed}/${at}`).digest('latin1'),
    ).join(''),
    'latin1',
  );
  // The real tool wants a directory `usr` in every image.
  const tarOf = (name: string, content: Buffer) =>
    testTar([
      { name: 'usr/', flag: '5' },
      { name, content },
    ]);
  const shared = tarOf('shared', noise);
  const image = (architecture: string) => {
    const own = tarOf('arch', Buffer.from(`${architecture} ${seed}\n`));
    const diffIds = [shared, own].map(
      (tar) => `sha256:${createHash('sha256').update(tar).digest('hex')}`,
    );
    const history = [{ created_by: 'shared' }, { created_by: `arch ${architecture}` }];
    const config = json({
      architecture,
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: diffIds },
      history,
    });
    const layers = [shared, own].map((tar) => put(gzipSync(tar, { level: 1 }), LAYER));
    const document = { schemaVersion: 2, mediaType: MANIFEST, config: put(config, CONFIG), layers };
    return put(json(document), MANIFEST, { platform: { architecture, os: 'linux' } });
  };
  const artifact = (type: string, content: string, subject?: object) => {
    const document = {
      schemaVersion: 2,
      mediaType: MANIFEST,
      artifactType: type,
      config: put(Buffer.from('{}'), EMPTY),
      layers: [put(Buffer.from(content), type)],
      ...(subject === undefined ? {} : { subject }),
      annotations: { seed: String(seed) },
    };
    return put(json(document), MANIFEST);
  };
  const plain = ({ mediaType, digest, size }: ReturnType<typeof put>) => ({
    mediaType,
    digest,
    size,
  });
  const amd64 = image('amd64');
  const arm64 = image('arm64');
  const attestation = {
    ...artifact('application/vnd.in-toto+json', `{"about":${seed}}`),
    platform: { architecture: 'unknown', os: 'unknown' },
  };
  const index = { schemaVersion: 2, mediaType: INDEX, manifests: [amd64, arm64, attestation] };
  const top = put(json(index), INDEX);
  const sbom = artifact('text/sbom', `list of ${seed}`, plain(top));
  const signature = artifact('text/signature', `signed ${seed}`, plain(amd64));
  const signatureOfSbom = artifact('text/signature', `signed list ${seed}`, plain(sbom));
  return {
    digest: top.digest,
    amd64: amd64.digest,
    arm64: arm64.digest,
    attestation: attestation.digest,
    sbom: sbom.digest,
    signature: signature.digest,
    signatureOfSbom: signatureOfSbom.digest,
    blobs,
    manifests,
  };
}

/** Writes it into a new OCI layout, with the index under a tag and the artifacts listed beside it. */
export function writeMultiImage(path: string, tag: string, image: MultiImage): void {
  mkdirSync(join(path, 'blobs/sha256'), { recursive: true });
  for (const [digest, bytes] of image.blobs) {
    writeFileSync(join(path, 'blobs/sha256', digest.slice(7)), bytes);
  }
  const entry = (digest: string, mediaType: string, more = {}) => {
    return { mediaType, digest, size: image.blobs.get(digest)?.length ?? 0, ...more };
  };
  const annotations = { 'org.opencontainers.image.ref.name': tag };
  const manifests = [
    entry(image.digest, INDEX, { annotations }),
    entry(image.sbom, MANIFEST, { artifactType: 'text/sbom' }),
    entry(image.signature, MANIFEST, { artifactType: 'text/signature' }),
    entry(image.signatureOfSbom, MANIFEST, { artifactType: 'text/signature' }),
  ];
  writeFileSync(join(path, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  writeFileSync(join(path, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
}
