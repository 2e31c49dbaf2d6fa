/** What can be wrong with an image in one of the stores. */
export const UNIFIED_FINDING_KINDS = [
  'tag-missing',
  'composefs-missing',
  'composefs-damaged',
  'storage-missing',
  'storage-damaged',
  'storage-differs',
  'storage-contents-damaged',
  'commit-missing',
  'commit-not-synthesized',
  'commit-damaged',
  'commit-differs',
  'extents-not-shared',
] as const;
export type UnifiedFindingKind = (typeof UNIFIED_FINDING_KINDS)[number];

/** One defect of an image. */
export interface UnifiedFinding {
  readonly kind: UnifiedFindingKind;
  /** One sentence without a capital letter and a full stop. */
  readonly detail: string;
}

/** Maximum number of findings of one kind listed for an image; a damaged store has thousands. */
export const FINDINGS_MAX = 16;

/** Collects findings, up to a limit for each kind. */
export class Findings {
  readonly list: UnifiedFinding[] = [];
  readonly #counts = new Map<UnifiedFindingKind, number>();

  add(kind: UnifiedFindingKind, detail: string): void {
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    if (count <= FINDINGS_MAX) this.list.push({ kind, detail });
  }

  /** Adds how many findings were left out. */
  finish(): readonly UnifiedFinding[] {
    for (const [kind, count] of this.#counts) {
      if (count > FINDINGS_MAX)
        this.list.push({ kind, detail: `${count - FINDINGS_MAX} more of this kind` });
    }
    return this.list;
  }

  has(...kinds: readonly UnifiedFindingKind[]): boolean {
    return kinds.some((kind) => this.#counts.has(kind));
  }
}
