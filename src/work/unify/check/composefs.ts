import { isOnecopyError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import type { Repository } from '#stores/composefs';
import { checkOciImages } from '#work/check';
import { type OciImage, openOciImage } from '#work/image';
import type { SystemImage } from '../survey.ts';
import type { Findings } from './findings.ts';

/** Options of a check of one store. */
export interface StoreCheckOptions extends OperationOptions {
  /** Skip checks that read file contents. */
  readonly metadataOnly?: boolean | undefined;
}

/**
 * Checks an image in the composefs repository: its tag, documents, layers, objects and EROFS images.
 * @returns the image, if its documents can be read
 */
export async function checkComposefs(
  composefs: Repository | undefined,
  image: SystemImage,
  findings: Findings,
  { metadataOnly = false, signal, onProgress }: StoreCheckOptions,
): Promise<OciImage | undefined> {
  const opened = composefs === undefined ? undefined : tryOpen(composefs, image, findings);
  if (composefs === undefined || image.composefs === 'missing') {
    findings.add('composefs-missing', 'the composefs repository does not have the image');
    return undefined;
  }
  if (!image.isTagged) {
    findings.add('tag-missing', 'no composefs tag backs this image, so gc can remove its objects');
  }
  const report = await checkOciImages(composefs, {
    signal,
    onProgress,
    names: [image.isTagged ? image.tag : `@${image.manifestDigest}`],
    content: !metadataOnly,
    rebuild: !metadataOnly,
  });
  for (const { kind, detail } of report.findings) {
    findings.add('composefs-damaged', `${kind}: ${detail}`);
  }
  return opened;
}

function tryOpen(
  composefs: Repository,
  { manifestDigest, composefs: presence }: SystemImage,
  findings: Findings,
): OciImage | undefined {
  if (presence === 'missing') return undefined;
  try {
    return openOciImage(composefs, `@${manifestDigest}`);
  } catch (error) {
    if (!isOnecopyError(error) || error.kind === 'host') throw error;
    findings.add('composefs-damaged', error.message);
    return undefined;
  }
}
