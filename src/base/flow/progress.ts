/** What a component counts; fixed when it starts. */
export type ProgressUnit = 'bytes' | 'items';

/**
 * One step of a running operation. `id` names the component (a diff id, `image`, `fsck:objects`, …). `skipped` may arrive without
 * `started`. Receivers ignore unknown types. Source: composefs-rs 0.9 progress events (oci spec section 7).
 */
export type ProgressEvent =
  | {
      readonly type: 'started';
      readonly id: string;
      readonly unit: ProgressUnit;
      readonly total?: number;
    }
  | {
      readonly type: 'advanced';
      readonly id: string;
      readonly done: number;
      readonly total?: number;
    }
  | { readonly type: 'skipped'; readonly id: string }
  | { readonly type: 'done'; readonly id: string; readonly transferred: number }
  | { readonly type: 'note'; readonly text: string };

/** Receives progress. It must be synchronous and cheap; coalescing is the renderer's job. */
export type ProgressListener = (event: ProgressEvent) => void;

/** Options that every long operation takes last. */
export interface OperationOptions {
  /** Cancels at the next unit boundary (object, layer) and always before a commit; its reason is thrown unchanged. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ProgressListener | undefined;
}
