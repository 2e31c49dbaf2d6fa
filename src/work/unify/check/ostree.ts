import type { OstreeChecksum } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { turnTaker } from '#base/flow';
import { type MetadataKind, walkCommit } from '#formats/ostree';
import type { OstreeRepo } from '#stores/ostree';
import type { OciImage } from '#work/image';
import { canonicalJson } from '#work/synthesize';
import { type ImageCommit, readImageCommit } from '../survey.ts';
import type { StoreCheckOptions } from './composefs.ts';
import type { Findings } from './findings.ts';

/**
 * Checks a commit of an image: every object that it reaches exists and matches its checksum, and its metadata contains the manifest and the
 * config of the image.
 * @returns checksums of file objects that are damaged or missing
 */
export async function checkImageCommit(
  ostree: OstreeRepo,
  { commit, isSynthesized }: ImageCommit,
  stored: OciImage | undefined,
  findings: Findings,
  options: StoreCheckOptions,
): Promise<ReadonlySet<OstreeChecksum>> {
  const bad = new Set<OstreeChecksum>();
  const takeTurn = turnTaker(options);
  const lookup = (checksum: OstreeChecksum, kind: MetadataKind) =>
    ostree.readMetadata(kind, checksum);
  try {
    for (const { kind, checksum, isMissing } of walkCommit(commit, lookup)) {
      await takeTurn();
      if (isMissing) findings.add('commit-damaged', `${kind} ${checksum} is missing`);
      if (kind !== 'file') continue;
      const problem = await fileProblem(ostree, checksum, options);
      if (problem === undefined) continue;
      bad.add(checksum);
      findings.add('commit-damaged', problem);
    }
  } catch (error) {
    if (!isOnecopyError(error) || error.kind === 'host') throw error;
    findings.add('commit-damaged', error.message);
  }
  if (stored !== undefined && isSynthesized) compareMetadata(ostree, commit, stored, findings);
  return bad;
}

async function fileProblem(
  ostree: OstreeRepo,
  checksum: OstreeChecksum,
  { metadataOnly }: StoreCheckOptions,
): Promise<string | undefined> {
  if (metadataOnly === true) {
    return ostree.has('file', checksum) ? undefined : `file ${checksum} is missing`;
  }
  try {
    using file = ostree.openFile(checksum);
    if (file === undefined) return `file ${checksum} is missing`;
    await file.verify();
    return undefined;
  } catch (error) {
    if (!isOnecopyError(error) || error.kind === 'host') throw error;
    return error.message;
  }
}

function compareMetadata(
  ostree: OstreeRepo,
  commit: OstreeChecksum,
  { manifestBytes, configBytes }: OciImage,
  findings: Findings,
): void {
  const read = readImageCommit(ostree, commit);
  if (read === undefined) return;
  for (const [what, text, bytes] of [
    ['manifest', read.manifest, manifestBytes],
    ['config', read.config, configBytes],
  ] as const) {
    if (isSameJson(text, bytes)) continue;
    findings.add('commit-differs', `the ${what} in commit ${commit} is not that of the image`);
  }
}

/** The documents in commits differ in white space and in the order of members. */
function isSameJson(text: string | undefined, bytes: Uint8Array): boolean {
  try {
    const [one, other] = [text ?? '', Buffer.from(bytes).toString('utf8')];
    return canonicalJson(JSON.parse(one)) === canonicalJson(JSON.parse(other));
  } catch {
    return false;
  }
}
