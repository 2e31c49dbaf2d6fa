import * as v from 'valibot';
import { count, list, text } from './schemas.ts';

/** Facts of the report about an image that was written elsewhere. @param methods how a layer gets there */
export function imageCopyFacts<const Methods extends readonly string[]>(methods: Methods) {
  return {
    manifestDigest: text,
    originalManifestDigest: text,
    /** True when the manifest is unchanged since the pull. */
    identical: v.boolean(),
    /** Null for an index. */
    configDigest: v.nullable(text),
    /** Of an index: what it names. */
    manifests: list(text),
    layers: list(
      v.object({
        digest: text,
        originalDigest: text,
        diffId: v.nullable(text),
        sizeBytes: count,
        mediaType: text,
        method: v.picklist(methods),
      }),
    ),
  };
}
