import type { ObjectId } from '#base/digest';
import type { OperationOptions } from '#base/flow';
import { checkRepository, type Finding, type FsckReport, type Repository } from '#stores/composefs';
import { repairOf } from './advice.ts';
import { checkOciImages } from './oci.ts';
import type { OciFinding } from './oci-findings.ts';
import { findUses, type ObjectUse } from './users.ts';

/** How to check. */
export interface CheckOptions extends OperationOptions {
  /** Check only these tags (default: everything). */
  readonly names?: readonly string[] | undefined;
  /** Skip the checks that read contents. */
  readonly metadataOnly?: boolean | undefined;
  /** Threads that check objects. */
  readonly workers?: number | undefined;
}

/** A finding, the images that use its object, and what a repair does about it. */
export type ReportedFinding = (Finding | OciFinding) & {
  readonly usedBy: readonly ObjectUse[];
  /** Undefined if a repair does nothing. */
  readonly repair: string | undefined;
};

/** What a check found. */
export interface CheckReport {
  readonly ok: boolean;
  /** Undefined when only images were checked. */
  readonly repository: FsckReport | undefined;
  readonly tags: { readonly imagesChecked: number; readonly imagesCorrupted: number };
  readonly findings: readonly ReportedFinding[];
  /** Names of the skipped checks. */
  readonly notChecked: readonly string[];
}

/**
 * Checks a repository and its OCI images: metadata, objects, streams, images and names; the diff ids of layers; and that rebuilding the
 * images gives the same ids. Findings are values.
 * @throws HostError SYSCALL_FAILED; the signal's reason
 */
export async function checkEverything(
  repository: Repository,
  options: CheckOptions = {},
): Promise<CheckReport> {
  const { names = [], metadataOnly = false, signal, onProgress } = options;
  const isWhole = names.length === 0;
  const report = isWhole ? await checkRepository(repository, options) : undefined;
  const tags = await checkOciImages(repository, {
    signal,
    onProgress,
    names: isWhole ? undefined : names,
    content: !metadataOnly,
    rebuild: !metadataOnly,
  });
  const found = [...(report?.findings ?? []), ...tags.findings];
  const uses = findUses(repository, new Set(found.flatMap(objectsOf)));
  const findings = found.map((finding) => {
    const usedBy = objectsOf(finding).flatMap((id) => uses.get(id) ?? []);
    return { ...finding, usedBy, repair: repairOf(finding, usedBy) };
  });
  const { imagesChecked, imagesCorrupted } = tags;
  return {
    ok: findings.length === 0,
    repository: report,
    tags: { imagesChecked, imagesCorrupted },
    findings,
    notChecked: [
      ...(isWhole ? [] : ['objects that only other images use']),
      ...(metadataOnly ? ['contents of objects', 'diff ids of layers', 'EROFS images'] : []),
    ],
  };
}

const PATH_OF_OBJECT = /^objects\/([0-9a-f]{2})\/([0-9a-f]{62}|[0-9a-f]{126})$/;
const ID_AT_END = /\b([0-9a-f]{128}|[0-9a-f]{64})$/;

/** The objects of a finding: damaged, or missing from the stream or image at its path. */
export function objectsOf(finding: Finding | OciFinding): ObjectId[] {
  const path = 'path' in finding ? finding.path : '';
  const [, fanOut, rest] = PATH_OF_OBJECT.exec(path) ?? [];
  if (fanOut !== undefined && rest !== undefined) return [`${fanOut}${rest}` as ObjectId];
  if (!/missing|broken|layer-object/.test(finding.kind)) return [];
  const id = ID_AT_END.exec(finding.detail)?.[1];
  return id === undefined ? [] : [id as ObjectId];
}
