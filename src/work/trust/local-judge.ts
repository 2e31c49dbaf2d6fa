import type { ContentDigest } from '#base/digest';
import { UnsupportedError } from '#base/errors';
import { parseReference } from '#formats/oci';
import { ConfigRoot, hostEnvironment } from '#work/registries';
import { type JudgeOptions, judgeLocalImage } from './judge.ts';
import { openTrust, type TrustOptions } from './open.ts';
import type { TrustReport } from './report.ts';

/** Asks about one manifest before anything of it is stored: throws to refuse, else says what accepted it. */
export type ImageJudge = (manifest: ContentDigest, options: JudgeOptions) => Promise<TrustReport>;

/**
 * A judge of a local image (`oci:`, `oci-archive:`, `docker-archive:`, `dir:`, `containers-storage:`) by the files of this host. They are read when it is asked.
 * The judge throws what `openTrust` and `judgeLocalImage` throw, UnsupportedError TRANSPORT_UNSUPPORTED for other references
 */
export function createLocalJudge(reference: string, options: TrustOptions = {}): ImageJudge {
  return async (manifest, judgeOptions) => {
    const parsed = parseReference(reference);
    if (parsed.transport === 'containers-storage') {
      const { judgeStoredImage } = await import('./judge-stored.ts');
      return await judgeStoredImage(parsed, manifest, options, judgeOptions);
    }
    if (!('path' in parsed) || parsed.transport === 'composefs') {
      throw new UnsupportedError(
        'TRANSPORT_UNSUPPORTED',
        `Cannot judge "${parsed.transport}": expected oci, oci-archive, docker-archive or dir`,
        { transport: parsed.transport },
      );
    }
    using root = ConfigRoot.open(process.cwd());
    const trust = openTrust(root, hostEnvironment(), options);
    const question = { reference: parsed, manifests: [manifest] };
    return await judgeLocalImage(trust, question, judgeOptions);
  };
}
