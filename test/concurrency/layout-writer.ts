/** Adds images to a layout, one after the other: `layout-writer.ts LAYOUT WHO COUNT`. */
import { computeContentDigest } from '#base/digest';
import { encodeManifest, MEDIA_TYPES } from '#formats/oci';
import { openImageTarget } from '#stores/oci-layout';

const [, , path = '', who = '', count = '0'] = process.argv;

for (let at = 0; at < Number(count); at += 1) {
  using target = openImageTarget({ transport: 'oci', path });
  const config = Buffer.from(JSON.stringify({ who, at, rootfs: { type: 'layers', diff_ids: [] } }));
  const facts = { digest: computeContentDigest(config), sizeBytes: config.length };
  using blob = target.createBlob();
  blob.write(config);
  blob.commit(facts);
  const manifest = encodeManifest(facts, []);
  const digest = computeContentDigest(manifest);
  const mediaType = MEDIA_TYPES.ociManifest;
  target.commit({ mediaType, digest, sizeBytes: manifest.length, tag: `${who}-${at}` }, manifest);
}
