/* Signatures while the bodies are being written; each moves to its own file. */
import type { ObjectId } from '#base/digest';
import type { OperationOptions } from '#base/flow';
import type { LockOptions } from './lock.ts';
import type { Repository } from './repository.ts';

export interface Finding {
  readonly kind: string;
  readonly path: string;
  readonly detail: string;
}
export interface GcPlan {
  readonly objects: readonly { readonly id: ObjectId; readonly sizeBytes: number }[];
  readonly objectsBytes: number;
  readonly temporary: readonly string[];
  readonly images: readonly string[];
  readonly streams: readonly string[];
  readonly keptObjects: number;
  readonly findings: readonly Finding[];
}
export interface GcResult {
  readonly objectsRemoved: number;
  readonly objectsBytes: number;
  readonly imagesPruned: number;
  readonly streamsPruned: number;
  readonly temporaryRemoved: number;
  readonly findings: readonly Finding[];
}
export declare function planGc(
  repository: Repository,
  options?: LockOptions & { readonly roots?: readonly string[] },
): Promise<GcPlan>;
export declare function applyGc(
  repository: Repository,
  plan: GcPlan,
  options?: LockOptions,
): Promise<GcResult>;
/** Lock, plan, apply in one. */
export declare function collectGarbage(
  repository: Repository,
  options?: LockOptions & { readonly roots?: readonly string[] },
): Promise<GcResult>;

export interface FsckReport {
  readonly ok: boolean;
  readonly hasMetadata: boolean;
  readonly objectsChecked: number;
  readonly objectsCorrupted: number;
  readonly streamsChecked: number;
  readonly streamsCorrupted: number;
  readonly imagesChecked: number;
  readonly imagesCorrupted: number;
  readonly brokenLinks: number;
  readonly missingObjects: number;
  readonly findings: readonly Finding[];
}
export declare function checkRepository(
  repository: Repository,
  options?: OperationOptions & { readonly metadataOnly?: boolean; readonly workers?: number },
): Promise<FsckReport>;
/** Lines as `cfsctl fsck` prints them. */
export declare function renderFsckText(report: FsckReport): string;
/** The JSON document of `cfsctl fsck --json`. */
export declare function fsckDocument(report: FsckReport): { readonly [key: string]: unknown };
