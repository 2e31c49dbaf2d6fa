import * as v from 'valibot';
import { list, text } from './schemas.ts';

/** What accepted an image. */
export const trustReport = v.object({
  /** `none` when this host has no policy at all. */
  policy: v.union([v.literal('none'), v.object({ file: text, scope: text })]),
  manifests: list(
    v.object({
      digest: text,
      requirements: list(
        v.variant('type', [
          v.object({ type: v.literal('insecureAcceptAnything') }),
          v.object({
            type: v.literal('sigstoreSigned'),
            key: v.object({ source: text, fingerprint: text }),
            signedIdentity: text,
            place: text,
            by: text,
          }),
        ]),
      ),
    }),
  ),
  /** True when a signature that podman does not read was used. */
  isWiderThanPodman: v.boolean(),
});
