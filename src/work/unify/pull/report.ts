import type { ContentDigest, OstreeChecksum } from '#base/digest';
import type { StorageMode } from '#formats/bootc';
import type { ContainersExportReport } from '#work/export-containers';
import type { PullPlan, PullReport } from '#work/pull-image';
import type { SynthesisReport } from '#work/synthesize';
import type { Operation, Route } from '../route.ts';
import type { SystemImage } from '../survey.ts';
import type { Stages } from './stages.ts';

/** Result of a pull into three stores. */
export interface UnifiedPullReport {
  readonly imageReference: string;
  readonly manifestDigest: ContentDigest;
  readonly configDigest: ContentDigest;
  readonly operation: Operation;
  readonly route: Route;
  readonly modeBefore: StorageMode | undefined;
  readonly modeAfter: StorageMode | undefined;
  readonly canReflink: boolean;
  readonly composefs: PullReport;
  /** Undefined when the image does not go into containers-storage. */
  readonly storage: ContainersExportReport | undefined;
  readonly ostree: OstreeStage | undefined;
  readonly ms: ReturnType<Stages['finish']>;
}

/** Result of the OSTree stage. */
export interface OstreeStage {
  readonly commit: OstreeChecksum;
  readonly ref: string;
  /** Undefined when the commit already existed. */
  readonly made: SynthesisReport | undefined;
}

/** Plan of a pull into three stores. */
export interface UnifiedPullPlan {
  readonly imageReference: string;
  readonly operation: Operation;
  /** The route as known before the pull: the install configuration of the image can choose another one. */
  readonly route: Route;
  readonly mode: StorageMode | undefined;
  readonly canReflink: boolean;
  readonly image: PullPlan;
  /** What the stores already have of the image. */
  readonly known: SystemImage | undefined;
}

/** Messages of a pull in the journal. */
export const MESSAGES = {
  pullBegun: 'Pulling image',
  pullDone: 'Pulled image',
  alreadyPresent: 'Image is already present',
  copied: 'Files were copied, because the filesystem cannot share extents',
} as const;

/** Counts files of all stages except the composefs repository, by import method. */
export function countsOf(
  { objects }: PullReport,
  storage: ContainersExportReport | undefined,
  ostree: OstreeStage | undefined,
) {
  const external = ostree?.made?.external;
  return {
    REFLINKED:
      objects.reflinked + (storage?.counts.reflinkedFiles ?? 0) + (external?.reflinkedFiles ?? 0),
    COPIED: (storage?.counts.copiedFiles ?? 0) + (external?.copiedFiles ?? 0),
    EXISTING: objects.reused + (external?.presentFiles ?? 0),
  };
}
